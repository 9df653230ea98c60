"""Rows held against the errata and the frames that are there; the errata themselves."""

import re
from dataclasses import replace

import pytest

from pipeline import errata
from pipeline.errata import FOLDER, Erratum, Row, load, settle

ROW = Row("d_s1_c1", "d", "s1", "c1", onset=10, apex=15, offset=20, fps=100.0, emotion="fear")
FRAMES = tuple(range(10, 21))
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.toml"))


def erratum(sheet=None, use=None, **more):
    return {ROW.sample_id: Erratum(sheet or {}, use or {}, "typing error", "somebody/code", **more)}


def settled(row=ROW, numbers=FRAMES, known=None, missing_frames="refuse"):
    return settle(row, "s1/c1", numbers, known or {}, missing_frames)


def test_a_row_that_fits_its_folder_is_taken_as_it_is():
    sample = settled(replace(ROW, action_units="4+7", objective_class="III"))
    assert (sample.onset, sample.apex, sample.offset) == (10, 15, 20)
    assert (sample.path, sample.first_frame, sample.fps) == ("s1/c1", 10, 100.0)
    assert (sample.sample_id, sample.dataset, sample.subject, sample.clip) == (
        *("d_s1_c1", "d"),
        *("s1", "c1"),
    )
    assert (sample.emotion, sample.action_units, sample.objective_class) == ("fear", "4+7", "III")
    assert (sample.apex_source, sample.missing_frames, sample.note) == ("sheet", "refuse", "")


@pytest.mark.parametrize(("apex", "source"), [(11, "sheet"), (20, "sheet"), (10, "midpoint")])
def test_an_apex_on_the_onset_is_none_and_one_on_the_offset_is_one(apex, source):
    assert settled(replace(ROW, apex=apex)).apex_source == source


@pytest.mark.parametrize(
    ("apex", "note"),
    [
        (None, ""),
        (9, "apex 9 lies outside 10 … 20"),
        (21, "apex 21 lies outside 10 … 20"),
        (-1069, "apex -1069 lies outside 10 … 20"),
    ],
)
def test_an_apex_missing_or_outside_gives_way_to_the_midpoint(apex, note):
    sample = settled(replace(ROW, apex=apex))
    assert (sample.apex, sample.apex_source, sample.note) == (15, "midpoint", note)


def test_an_onset_or_offset_beyond_the_folder_moves_to_its_first_or_last():
    sample = settled(replace(ROW, onset=7, offset=25))
    assert (sample.onset, sample.offset) == (10, 20)
    assert sample.note == (
        "onset 7 → 10: there is no frame 7; offset 25 → 20: there is no frame 25"
    )


def test_an_apex_that_is_outside_after_the_move_is_told_too():
    sample = settled(replace(ROW, apex=23, offset=25))
    assert (sample.offset, sample.apex, sample.apex_source) == (20, 15, "midpoint")
    assert sample.note.endswith("; apex 23 lies outside 10 … 20")


def test_where_holes_are_tolerated_the_nearest_frame_stands_in_the_smaller_of_two():
    there = (5, 11, 13, 14, 16, 18, 22)
    sample = settled(numbers=there, missing_frames="nearest")
    assert (sample.onset, sample.apex, sample.offset) == (11, 14, 18)
    assert sample.missing_frames == "nearest"
    assert sample.note == "; ".join(
        f"{name} {old} → {new}: there is no frame {old}"
        for name, old, new in [("onset", 10, 11), ("offset", 20, 18), ("apex", 15, 14)]
    )


def test_where_no_hole_is_known_a_frame_within_the_clip_is_not_moved():
    sample = settled(numbers=(10, 12, 20))
    assert (sample.apex, sample.note) == (15, "")


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ((), "no image in s1/c1 has a number"),
        ((30, 31), "s1/c1 holds frames 30 … 31, none of 10 … 20"),
        ((5, 30), "s1/c1 holds frames 5 … 30, none of 10 … 20"),
        ((10, 11, 11, 20), "s1/c1: two images have the number 11"),
    ],
)
def test_a_folder_that_cannot_hold_the_clip_is_refused(numbers, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        settled(numbers=numbers)


def test_a_row_in_which_nothing_can_move_is_refused():
    with pytest.raises(ValueError, match="same frame"):
        settled(replace(ROW, onset=20))
    with pytest.raises(ValueError, match="none of 20 … 10"):
        settled(replace(ROW, onset=20, offset=10))


def test_an_erratum_applies_while_the_sheet_says_what_it_expects():
    known = erratum({"apex": 95}, {"apex": 17})
    sample = settled(replace(ROW, apex=95), known=known)
    assert (sample.apex, sample.apex_source) == (17, "patched")
    assert sample.note == "apex 95 → 17: typing error (somebody/code)"
    untouched = settled(known=known)  # a copy that somebody has already mended
    assert (untouched.apex, untouched.apex_source, untouched.note) == (15, "sheet", "")


def test_every_value_of_the_condition_must_hold():
    known = erratum({"onset": 10, "apex": 95}, {"apex": 17})
    assert settled(replace(ROW, onset=11, apex=95), known=known).apex_source == "midpoint"


def test_a_blank_apex_is_a_condition_and_a_cure():
    known = erratum({"apex": ""}, {"apex": 17})
    sample = settled(replace(ROW, apex=None), known=known)
    assert (sample.apex, sample.note[:14]) == (17, "apex none → 17")
    emptied = settled(known=erratum({"apex": 15}, {"apex": "", "offset": 18}))
    assert (emptied.apex, emptied.offset, emptied.apex_source) == (14, 18, "midpoint")
    assert emptied.note.startswith("apex 15 → none offset 20 → 18: typing error")


def test_an_erratum_without_an_apex_leaves_its_source_alone():
    sample = settled(known=erratum({"emotion": "fear"}, {"emotion": "anger", "subject": "s2"}))
    assert (sample.emotion, sample.subject, sample.apex_source) == ("anger", "s2", "sheet")
    assert sample.note == "emotion fear → anger subject s1 → s2: typing error (somebody/code)"


def test_an_erratum_of_the_files_applies_where_they_lack_the_sheets_frames():
    known = erratum({"onset": 10}, {"onset": 56, "apex": 73, "offset": 91}, files=True)
    assert settled(numbers=tuple(range(1, 200)), known=known).note == ""
    sample = settled(numbers=tuple(range(56, 92)), known=known)
    assert (sample.onset, sample.apex, sample.offset) == (56, 73, 91)


def test_a_sample_may_be_refused_by_an_erratum():
    with pytest.raises(ValueError, match=re.escape("erratum: typing error (somebody/code)")):
        settled(known=erratum(skip=True))


def test_an_erratum_of_another_sample_does_nothing():
    known = {"d_s1_c2": Erratum({}, {"apex": 17}, "typing error", "somebody/code")}
    assert settled(known=known).apex == 15


def test_what_an_adapter_and_an_erratum_have_to_tell_stands_in_this_order():
    row = replace(ROW, note="action unit 'smile' is none of FACS", offset=25)
    sample = settled(row, known=erratum({}, {"apex": 17}))
    assert sample.note == (
        "action unit 'smile' is none of FACS; apex 15 → 17: typing error (somebody/code); "
        "offset 25 → 20: there is no frame 25"
    )


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"sheet": {"row": 3}, "use": {"apex": 1}}, "no field row"),
        ({"sheet": {}, "use": {"path": "x"}}, "no field path"),
        ({"sheet": {"apex": 1}, "use": {}}, "give either use"),
        ({"sheet": {}, "use": {"apex": 1}, "skip": True}, "give either use"),
        ({"sheet": {}, "use": {"apex": 1}, "reason": ""}, "a reason and a source"),
        ({"sheet": {}, "use": {"apex": 1}, "source": ""}, "a reason and a source"),
    ],
)
def test_an_erratum_that_means_nothing_is_refused(entry, why):
    with pytest.raises(ValueError, match=why):
        Erratum(**({"reason": "typing error", "source": "somebody/code"} | entry))


def test_a_file_of_errata_is_read_and_a_dataset_without_one_has_none(tmp_path, monkeypatch):
    text = (
        '[d_s1_c1]\nsheet = { apex = 95 }\nuse = { apex = 17 }\nreason = "r"\nsource = "s"\n'
        '[d_s1_c2]\nskip = true\nfiles = true\nreason = "r"\nsource = "s"\n'
    )
    (tmp_path / "d.toml").write_text(text)
    monkeypatch.setattr(errata, "FOLDER", tmp_path)
    assert load("d") == {
        "d_s1_c1": Erratum({"apex": 95}, {"apex": 17}, "r", "s"),
        "d_s1_c2": Erratum({}, {}, "r", "s", files=True, skip=True),
    }
    assert load("e") == {}


@pytest.mark.parametrize("dataset", SHIPPED)
def test_every_erratum_that_is_shipped_can_apply_and_says_why_and_who_says_so(dataset):
    entries = load(dataset)
    assert entries
    for sample_id, entry in entries.items():
        assert sample_id.startswith(f"{dataset}_"), sample_id
        assert entry.reason.strip(), sample_id
        assert entry.source.strip(), sample_id
        assert "\n" not in entry.reason + entry.source, sample_id  # they go into a note
        given = {key: value for key, value in entry.use.items() if key in errata.FRAMES}
        expected = {key: value for key, value in entry.sheet.items() if key in errata.FRAMES}
        for value in (*given.values(), *expected.values()):
            assert isinstance(value, int) or value == "", sample_id
        assert entry.skip or entry.use != entry.sheet, sample_id


def test_errata_are_shipped():
    assert {"samm", "samm_lv"} <= set(SHIPPED)
