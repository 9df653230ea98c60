"""Part C in form only: invented numbers and tiny pictures."""

from collections import Counter

import pytest

from features.console import MerError
from pipeline.datasets.casme3_c import DATASET, read
from tests.releases import empty_images, images, workbook

SHEET = "CAS(ME)3_part_C_ME.xlsx"
HEADER = ["sub", "count", "onset", "offset", "au", "emotion"]
ROWS = [
    [1, 1, 101, 111, "4,7", "negative"],
    [1, 2, 120, 133, 12, "positive"],
    [23, 1, 101, 111, "13?", "surprise"],
]


def write(root, rows=ROWS):
    workbook(root / SHEET, {"mockCrimeME": [HEADER, *rows]})
    for subject, count, onset, offset, *_ in rows:
        clip = root / f"ME_C/{subject:02d}/{count}"
        empty_images(clip / "color", [f"{n}.jpg" for n in range(onset, offset + 1)])
        empty_images(clip / "depth", [f"{n}.png" for n in range(onset, offset + 1)])
    return root


def units(tmp_path, text):
    (sample,) = read(write(tmp_path, [[1, 1, 101, 111, text, "others"]])).samples
    return sample


def test_the_release_is_read_whole(tmp_path):
    images(tmp_path / "ME_C/01/1/color", ["101.jpg"])
    manifest = read(write(tmp_path))
    assert manifest.bad == ()
    assert [s.sample_id for s in manifest.samples] == [
        "casme3_c_01_1",
        "casme3_c_01_2",
        "casme3_c_23_1",
    ]
    first = manifest.samples[0]
    assert (first.dataset, first.subject, first.clip, first.fps) == ("casme3_c", "01", "1", 30.0)
    assert first.path == "ME_C/01/1/color"  # not depth
    assert (first.first_frame, first.onset, first.offset) == (101, 101, 111)
    assert [s.emotion for s in manifest.samples] == ["negative", "positive", "surprise"]


def test_nobody_annotated_an_apex_so_the_midpoint_is_one(tmp_path):
    first = read(write(tmp_path)).samples[0]
    assert (first.apex, first.apex_source) == (106, "midpoint")


@pytest.mark.parametrize(
    ("text", "said"),
    [("4,7", "4+7"), ("4，7", "4+7"), ("4，7，", "4+7"), ("4,7, ", "4+7"), (12, "12"), (None, "")],
)
def test_commas_of_two_scripts_divide_action_units_and_one_at_the_end_is_nothing(
    tmp_path, text, said
):
    sample = units(tmp_path, text)
    assert (sample.action_units, sample.note) == (said, "")


def test_an_uncertain_unit_keeps_its_question_mark(tmp_path):
    sample = units(tmp_path, "13?")
    assert (sample.action_units, sample.note) == ("13?", "")


def test_units_that_are_none_of_facs_are_kept_and_told(tmp_path):
    sample = units(tmp_path, "4,brow")
    assert sample.action_units == "4+brow"
    assert "'brow'" in sample.note


def test_the_other_sheet_of_part_c_and_those_of_part_a_are_not_taken(tmp_path):
    expected = read(write(tmp_path))
    other = [["Subject", "Onset", "Offset", "diff", "Exp_type"], [1, 101, 111, 10, 1]]
    workbook(tmp_path / "CAS(ME)3_part_C.xlsx", {"organize": other, "risk": []})
    macro = [["sub", "seq", "onset", "apex", "offset", "emotion"], ["spNO.1", "a", 1, 2, 3, ""]]
    workbook(tmp_path / "cas(me)3_part_A_MaE_label_JpgIndex_v2_emotion.xlsx", {"Sheet1": macro})
    assert read(tmp_path) == expected


def test_text_for_numbers_doubled_levels_and_junk_do_no_harm(tmp_path):
    workbook(tmp_path / "s.xlsx", {"x": [HEADER, ["07", "3", "5", "9", "4", "Others"]]})
    folder = tmp_path / "ME_C/ME_C/07/3/color"
    empty_images(folder, [*(f"{n}.jpg" for n in range(5, 10)), "._5.jpg", "Thumbs.db"])
    (sample,) = read(tmp_path).samples
    assert (sample.path, sample.subject) == ("ME_C/ME_C/07/3/color", "07")
    assert sample.emotion == "others"


BROKEN = [
    ([9, 1, 101, 111, 4, "others"], "no folder with images"),
    (["x", 1, 101, 111, 4, "others"], "expected two numbers"),
    ([1, "../2", 101, 111, 4, "others"], "expected two numbers"),
    ([1, 3, "=A1", 111, 4, "others"], "onset is ''"),
    ([1, 3, 101, "#REF!", 4, "others"], "offset is '#REF!'"),
    ([1, 3, 901, 911, 4, "others"], "none of 901 … 911"),
    ([1, 3, 101, 111, 4, "guilt"], "emotion is 'guilt'"),
]


@pytest.mark.parametrize(("cells", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_row_says_why_and_the_others_go_on(tmp_path, cells, reason):
    write(tmp_path)
    empty_images(tmp_path / "ME_C/01/3/color", ["101.jpg", "111.jpg"])
    workbook(tmp_path / SHEET, {"mockCrimeME": [HEADER, *ROWS, cells]})
    manifest = read(tmp_path)
    assert len(manifest.samples) == len(ROWS)
    (bad,) = manifest.bad
    assert f"{SHEET} row 5" in bad.sample_id
    assert reason in bad.reason


def test_a_link_to_a_folder_is_told(tmp_path):
    write(tmp_path)
    (tmp_path / "99").symlink_to(tmp_path / "ME_C")
    (bad,) = read(tmp_path).remarks
    assert bad.reason == "a link to a folder is not followed"


def test_165_rows_are_165_samples_of_30_people(tmp_path):
    counts = {"negative": 99, "surprise": 30, "others": 20, "positive": 16}
    words = [word for word, count in counts.items() for _ in range(count)]
    people = [person for person in range(1, 32) if person != 22]
    rows = [
        [people[number % 30], number // 30 + 1, 5, 9, 4, word] for number, word in enumerate(words)
    ]
    rows[16][4] = "4，7"
    manifest = read(write(tmp_path, rows))
    assert manifest.bad == ()
    assert len({sample.sample_id for sample in manifest.samples}) == 165
    assert len({sample.subject for sample in manifest.samples}) == 30
    assert Counter(sample.emotion for sample in manifest.samples) == counts
    assert {sample.apex_source for sample in manifest.samples} == {"midpoint"}


def test_a_root_without_a_clip_or_a_sheet_shows_the_tree_that_is_expected(tmp_path):
    with pytest.raises(MerError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(MerError, match="no sheet with the columns sub") as error:
        read(tmp_path)
    assert "ME_C/01/1/color" in error.value.remedy
    workbook(tmp_path / SHEET, {"mockCrimeME": [HEADER, *ROWS]})
    with pytest.raises(MerError, match="no folder like") as error:
        read(tmp_path)
    assert "ME_C/01/1/color" in error.value.remedy


def test_it_says_what_it_is():
    assert DATASET.about == "CAS(ME)³ part C (165 clips, 30 subjects, 30 fps, colour)"
