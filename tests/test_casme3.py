"""Part A in form only: invented numbers and tiny pictures, but for the rows with errata."""

from collections import Counter
from io import BytesIO

import pytest

from features.console import MerError
from pipeline import errata, sheets
from pipeline.datasets.casme3 import DATASET, read
from tests.releases import empty_images, images, workbook

V1 = "cas(me)3_part_A_ME_label_JpgIndex_v1.xls"
V2 = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]


def row(subject, clip, onset, apex, offset, aus=4, objective="III", emotion="disgust"):
    return [subject, clip, onset, apex, offset, aus, objective, emotion]


ROWS = [
    row("spNO.1", "a", 20, 24, 30, "26+25", "II", "surprise"),
    row("spNO.1", "a", 40, 44, 50, "L2+R1", "II", "happy"),
    row("spNO.1", "b", 20, 24, 30, "T28+14", "VII", "Others"),
    row("spNO.217", "m", 20, 22, 30, emotion="sad"),
]


def write_sheet(path, rows=ROWS):
    return workbook(path, {"label": [HEADER, *rows], "Sheet1": [], "Sheet3": []})


def write_video(folder, numbers):
    empty_images(folder / "color", [f"{n}.jpg" for n in numbers])
    empty_images(folder / "depth", [f"{n}.png" for n in numbers])


@pytest.fixture
def root(tmp_path):
    write_sheet(tmp_path / "annotation" / V2)
    part = tmp_path / "part_A/data/part_A_split/part_A"
    for person, video in (("spNO.1", "b"), ("spNO.217", "m"), ("spNO.2", "c")):
        write_video(part / person / video, range(8, 52))
    color = images(part / "spNO.1/a/color", [f"{n}.jpg" for n in range(8, 52)])
    for name in ("Thumbs.db", "._20.jpg", ".DS_Store"):
        (color / name).write_bytes(b"junk")
    return tmp_path


def only(tmp_path, *rows, video="spNO.1/a", numbers=range(8, 52)):
    write_sheet(tmp_path / V2, rows)
    write_video(tmp_path / video, numbers)
    return read(tmp_path)


def sample_of(manifest):
    assert manifest.bad == ()
    (sample,) = manifest.samples
    return sample


def test_the_release_is_read_whole(root):
    manifest = read(root)
    assert manifest.bad == ()  # nor is spNO.2/c missed, which has no row
    assert [sample.sample_id for sample in manifest.samples] == [
        "casme3_spNO.1_a_20",
        "casme3_spNO.1_a_40",
        "casme3_spNO.1_b_20",
        "casme3_spNO.217_m_20",
    ]
    first = manifest.samples[0]
    assert (first.dataset, first.subject, first.clip) == ("casme3", "spNO.1", "a")
    assert first.path == "part_A/data/part_A_split/part_A/spNO.1/a/color"
    assert (first.first_frame, first.onset, first.apex, first.offset) == (8, 20, 24, 30)
    assert (first.fps, first.apex_source, first.missing_frames) == (30.0, "sheet", "nearest")
    assert first.note == ""


def test_emotions_get_one_spelling_action_units_and_classes_keep_theirs(root):
    samples = read(root).samples
    assert [s.emotion for s in samples] == ["surprise", "happiness", "others", "sadness"]
    assert [s.action_units for s in samples] == ["26+25", "L2+R1", "T28+14", "4"]
    assert [s.objective_class for s in samples] == ["II", "II", "VII", "III"]


def test_units_that_are_none_of_facs_are_kept_and_told(tmp_path):
    sample = sample_of(only(tmp_path, row("spNO.1", "a", 20, 24, 30, "4+x")))
    assert sample.action_units == "4+x"
    assert "'x'" in sample.note


def xls(monkeypatch):
    """Nothing here writes the old format: let its reader take the new one."""

    def renamed(path, name):
        return sheets._read_xlsx(BytesIO(path.read_bytes()), name)

    monkeypatch.setattr(sheets, "_read_xls", renamed)


def test_sheets_of_other_things_are_not_mistaken_for_the_labels(root, monkeypatch):
    xls(monkeypatch)
    expected = read(root)
    beside = root / "annotation"
    withdrawn = row("spNO.2", "c", 20, 24, 30)
    write_sheet(beside / V1, [*ROWS, withdrawn])
    write_sheet(beside / "CAS(ME)3_part_A_wrongly_labeled_me_in_V1.xlsx", [withdrawn])
    kinds = [["Expression type", *HEADER], ["Micro-expression", *withdrawn]]
    for name in ("CAS(ME)3_part_A_v1.xls", "CAS(ME)3_part_A_v2.xls", "converted.xlsx"):
        workbook(beside / name, {"AU+Emotion": kinds, "eye blink": [["Subject"], ["spNO.1"]]})
    macro = [["sub", "seq", "onset", "apex", "offset", "emotion"], ["spNO.2", "c", 20, 24, 30, ""]]
    workbook(beside / "cas(me)3_part_A_MaE_label_JpgIndex_v2_emotion.xlsx", {"Sheet1": macro})
    assert read(root) == expected


@pytest.mark.parametrize("name", [V1, "me_label_V1.xlsx"])
def test_the_first_version_is_read_only_where_it_is_the_only_one_and_its_rows_say_so(
    root, monkeypatch, name
):
    xls(monkeypatch)
    write_sheet(root / "annotation" / name, ROWS[:1])
    assert len(read(root).samples) == len(ROWS)
    (root / "annotation" / V2).unlink()
    assert "61 of whose 921 rows were withdrawn" in sample_of(read(root)).note


@pytest.mark.parametrize("name", ["CAS(ME)3_part_A_wrongly_labeled_me_in_V1.xlsx", "both.xlsx"])
def test_a_lone_sheet_of_another_thing_is_none(root, name):
    (root / "annotation" / V2).unlink()
    extra = ["Expression type"] if name == "both.xlsx" else []
    workbook(root / name, {"label": [[*HEADER, *extra], row("spNO.1", "a", 20, 24, 30)]})
    with pytest.raises(MerError, match="no sheet with the columns Subject"):
        read(root)


def test_two_second_versions_that_differ_are_not_chosen_between(root):
    write_sheet(root / V2, ROWS[:1])
    with pytest.raises(MerError, match="several sheets that differ"):
        read(root)


def test_a_sheet_that_cannot_be_read_is_named(root):
    (root / "annotation" / V2).write_bytes(b"half a download")
    with pytest.raises(MerError, match=r"JpgIndex_v2\.xlsx: not an Excel workbook"):
        read(root)


@pytest.mark.parametrize("folder", ["spNO210/a", "spNo.210/a", "spno.210/A", "x/spNO.210/a/a"])
@pytest.mark.parametrize("subject", ["spNO.210", "spNO210"])
def test_a_lost_dot_and_other_case_name_the_same_person(tmp_path, folder, subject):
    sample = sample_of(only(tmp_path, row(subject, "a", 20, 24, 30), video=folder))
    assert (sample.subject, sample.path) == ("spNO.210", f"{folder}/color")


@pytest.mark.parametrize("folder", ["spNO.3/j", "spNO.3/J"])
def test_an_upper_case_j_is_the_folder_of_either_case(tmp_path, folder):
    sample = sample_of(only(tmp_path, row("spNO.3", "J", 20, 24, 30), video=folder))
    assert (sample.sample_id, sample.clip) == ("casme3_spNO.3_J_20", "J")


def test_depth_is_no_clip_wherever_it_lies(tmp_path):
    empty_images(tmp_path / "part_A_depth/spNO.1/a", ["20.png"])
    empty_images(tmp_path / "other/spNO.1/a/depth", ["20.png"])
    sample = sample_of(only(tmp_path, row("spNO.1", "a", 20, 24, 30)))
    assert sample.path == "spNO.1/a/color"


def test_a_clip_that_was_cut_out_is_found_by_its_onset(tmp_path):
    write_sheet(tmp_path / V2, ROWS[:2])
    empty_images(tmp_path / "spNo.1_a_20", [f"{n}.jpg" for n in range(20, 31)])
    empty_images(tmp_path / "spNo.1_a_40", [f"{n}.jpg" for n in range(40, 51)])
    manifest = read(tmp_path)
    assert [s.path for s in manifest.samples] == ["spNo.1_a_20", "spNo.1_a_40"]


HOLES = [
    # frames that are not there, and what stands in for onset 20, apex 24, offset 30
    ({20}, (21, 24, 30)),  # 19 is as near, but before the clip
    ({19, 20, 21}, (22, 24, 30)),
    ({24}, (20, 23, 30)),  # the smaller of two
    ({24, 23}, (20, 25, 30)),
    ({30, 29}, (20, 24, 28)),  # 31 is nearer, but after the clip
    ({21, 22, 23, 24, 25, 26, 27, 28, 29}, (20, 30, 30)),  # never on the onset
]


@pytest.mark.parametrize(("holes", "found"), HOLES)
def test_a_missing_frame_gives_way_to_the_nearest_of_the_clip_and_is_told(tmp_path, holes, found):
    numbers = set(range(8, 52)) - holes
    sample = sample_of(only(tmp_path, row("spNO.1", "a", 20, 24, 30), numbers=numbers))
    assert (sample.onset, sample.apex, sample.offset) == found
    assert "there is no frame" in sample.note


def test_the_first_frames_of_a_video_are_often_missing(tmp_path):
    sample = sample_of(only(tmp_path, row("spNO.1", "a", 1, 11, 30)))
    assert (sample.onset, sample.apex) == (8, 11)


def test_an_apex_on_the_onset_is_none(tmp_path):
    sample = sample_of(only(tmp_path, row("spNO.1", "a", 20, 20, 31)))
    assert (sample.apex, sample.apex_source) == (25, "midpoint")


BROKEN = [
    (row("spNO.9", "a", 20, 24, 30), "no folder with images"),
    (row("p1", "a", 20, 24, 30), "expected one like 'spNO.1'"),
    (row("../spNO.1", "a", 20, 24, 30), "expected one like 'spNO.1'"),
    (row("spNO.1", "../a", 20, 24, 30), "expected a letter"),
    (row("spNO.1", "a", "=A1", 24, 30), "onset is ''"),
    (row("spNO.1", "a", 20, "#REF!", 30), "apex is '#REF!'"),
    (row("spNO.1", "a", 20, 24, None), "offset is ''"),
    (row("spNO.1", "a", 20, 24, 0), "none of 20 … 0"),
    (row("spNO.1", "a", 900, 904, 910), "holds frames 8 … 51, none of 900 … 910"),
    (row("spNO.1", "a", 21, 24, 30, emotion="joy"), "emotion is 'joy'"),
    (row("spNO.1", "a", 20, 25, 31), "stands in more than one row"),
]


@pytest.mark.parametrize(("cells", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_row_says_why_and_the_others_go_on(root, cells, reason):
    write_sheet(root / "annotation" / V2, [*ROWS, cells])
    manifest = read(root)
    twice = "more than one" in reason  # costs both of its rows
    assert len(manifest.samples) == len(ROWS) - twice
    (bad,) = manifest.bad
    assert twice or f"{V2} row 6" in bad.sample_id
    assert reason in bad.reason


def test_a_video_in_two_places_is_not_chosen_between(root):
    write_video(root / "copy/spNO.217/m", range(8, 52))
    (bad,) = read(root).bad
    assert "several folders hold this clip" in bad.reason


def test_a_link_to_a_folder_is_told(root):
    (root / "spNO.7").symlink_to(root / "part_A")
    (bad,) = read(root).remarks
    assert (bad.sample_id, bad.reason) == ("spNO.7", "a link to a folder is not followed")


def test_a_root_without_a_clip_or_a_sheet_shows_the_tree_that_is_expected(tmp_path):
    empty_images(tmp_path / "spNO.1/a/depth", ["20.png"])
    with pytest.raises(MerError, match="no sheet") as error:
        read(tmp_path)
    assert "part_A/spNO.1/b/color/166.jpg" in error.value.remedy
    write_sheet(tmp_path / V2)
    with pytest.raises(MerError, match="no folder like") as error:
        read(tmp_path)
    assert "part_A/spNO.1/b/color/166.jpg" in error.value.remedy


def test_a_root_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MerError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")


# Errata: what the sheet says beside the condition -> onset, apex, offset, where the apex is from.
SETTLED = {
    "casme3_spNO.149_d_112": ({}, (112, 123, 358, "patched")),
    "casme3_spNO.214_c_5": ({"apex": 5}, (5, 19, 34, "midpoint")),
    "casme3_spNO.216_d_3647": ({"apex": 2653, "offset": 2671}, (2647, 2653, 2671, "sheet")),
    "casme3_spNO.216_e_0": ({}, (1, 13, 25, "midpoint")),
    "casme3_spNO.40_e_1812": ({}, (1812, 1824, 1845, "sheet")),
    "casme3_spNO.40_e_2327": ({}, (2327, 2363, 2403, "sheet")),
}


@pytest.mark.parametrize(("sample_id", "erratum"), errata.load("casme3").items())
def test_an_erratum_mends_its_row_and_says_why(tmp_path, monkeypatch, sample_id, erratum):
    beside, (onset, apex, offset, source) = SETTLED[sample_id]
    _, subject, clip, sheet_onset = sample_id.split("_")
    said = {"onset": int(sheet_onset)} | beside | dict(erratum.sheet)
    cells = row(subject, clip, said["onset"], said["apex"], said["offset"])
    numbers = {*range(max(1, onset - 9), offset + 9), *(n for n in said.values() if n)}
    mended = only(tmp_path, cells, video=f"{subject}/{clip}", numbers=numbers)
    sample = sample_of(mended)
    assert sample.sample_id == sample_id
    assert (sample.onset, sample.apex, sample.offset, sample.apex_source) == (
        onset,
        apex,
        offset,
        source,
    )
    assert erratum.reason in sample.note
    assert erratum.source in sample.note
    monkeypatch.setattr(errata, "load", lambda _: {})
    assert read(tmp_path) != mended


@pytest.mark.parametrize("sample_id", SETTLED)
def test_an_erratum_leaves_a_sheet_alone_that_was_mended_already(sample_id):
    _, (onset, apex, offset, _) = SETTLED[sample_id]
    erratum = errata.load("casme3")[sample_id]
    mended = {"onset": onset, "apex": apex, "offset": offset}
    assert any(mended[name] != value for name, value in erratum.sheet.items())


EMOTIONS = {"disgust": 250, "surprise": 187, "others": 158, "Others": 3, "fear": 86} | {
    "anger": 64,
    "sad": 57,
    "happy": 55,
}


def test_860_rows_are_860_samples_of_94_people(tmp_path):
    words = [word for word, count in EMOTIONS.items() for _ in range(count)]
    people = list(range(1, 216))[::2][:94]
    rows = []
    for number, word in enumerate(words):
        turn, person = divmod(number, 94)
        clip, onset = "abcde"[turn // 2], 10 + 20 * turn  # two rows a video
        apex = onset if number < 55 else onset + 3
        rows.append(row(f"spNO.{people[person]}", clip, onset, apex, onset + 9, emotion=word))
        names = [f"{n}.jpg" for n in (onset, onset + 3, onset + 4, onset + 9)]  # with holes
        empty_images(tmp_path / f"spNO.{people[person]}/{clip}/color", names)
    write_sheet(tmp_path / V2, rows)
    manifest = read(tmp_path)
    assert manifest.bad == ()
    assert len({sample.sample_id for sample in manifest.samples}) == 860
    assert len({sample.subject for sample in manifest.samples}) == 94
    assert Counter(sample.emotion for sample in manifest.samples) == {
        "disgust": 250,
        "surprise": 187,
        "others": 161,
        "fear": 86,
        "anger": 64,
        "sadness": 57,
        "happiness": 55,
    }
    assert Counter(s.apex_source for s in manifest.samples) == {"sheet": 805, "midpoint": 55}


def test_it_says_what_it_is():
    assert DATASET.about == "CAS(ME)³ part A (860 clips, 94 subjects, 30 fps, colour)"
