"""The grey videos in form only: invented people, clips and labels."""

from collections import Counter

import pytest

from features.console import MerError
from features.facs import action_units
from pipeline import errata
from pipeline.datasets.fourdme import DATASET, read
from tests.releases import empty_images, workbook

HEADER = [
    *("sub_ID", "fold", "fold_name", "Emotion", "Onset", "Apex", "Offset", "AUs"),
    *("AU1", "AU4", "AU12", "eye blink"),
    *("Positive", "Negative", "Surprise", "Repression", "Others"),
]
FLAGS = HEADER[-5:]


def row(subject, clip, onset, apex, offset, emotion="Positive", aus="AU12", flags=None):
    marks = [int(flag in (flags or emotion).split("+")) for flag in FLAGS]
    return [subject, 1, clip, emotion, onset, apex, offset, aus, 0, 0, 1, 0, *marks]


def write_sheet(path, rows, header=HEADER):
    return workbook(path, {"Sheet1": [header, *rows]})


def write_clip(folder, first, last):
    return empty_images(folder, [f"frame_{n}.jpg" for n in range(first, last + 1)])


ROWS = [
    row("P90", "P90_1st_02", 2480.0, 2490.0, 2500.0, "Surprise+Positive", "AU12+L6(k)"),
    row("P91", "P91_2nd_01", 7, 9, 30, "Others", 12),
]


@pytest.fixture
def root(tmp_path):
    write_sheet(tmp_path / "4DME_Labelling_Micro_release v1.xlsx", ROWS)
    write_clip(tmp_path / "gray_micro/P90/P90_1st_02", 2480, 2500)
    write_clip(tmp_path / "gray_micro/P91/P91_2nd_01", 7, 30)
    return tmp_path


def test_the_release_is_read_whole(root):
    manifest = read(root)
    assert manifest.bad == ()
    first, second = manifest.samples
    assert (first.sample_id, first.dataset) == ("fourdme_P90_P90_1st_02", "fourdme")
    assert (first.subject, first.clip, first.fps) == ("P90", "P90_1st_02", 60.0)
    assert first.path == "gray_micro/P90/P90_1st_02"
    assert (first.first_frame, first.onset, first.apex, first.offset) == (2480, 2480, 2490, 2500)
    assert (first.action_units, second.action_units) == ("AU12+L6(k)", "12")
    assert {sample.note for sample in manifest.samples} == {""}


def test_several_emotions_of_one_expression_stand_in_alphabetical_order(root):
    assert [sample.emotion for sample in read(root).samples] == ["positive+surprise", "others"]


def test_columns_that_contradict_the_emotion_are_told_and_it_is_kept(root):
    rows = [row("P90", "P90_1st_02", 2480, 2490, 2500, "Negative", flags="Surprise+Positive")]
    write_sheet(root / "4DME_Labelling_Micro_release v1.xlsx", [*rows, ROWS[1]])
    first = read(root).samples[0]
    assert first.emotion == "negative"
    assert first.note == "the sheet's columns of emotions say positive+surprise"


def test_a_sheet_with_apostrophes_and_without_the_columns_of_emotions_is_read(root):
    header = ["sub_ID'", "fold", "fold_name'", *HEADER[3:8], "Length"]
    rows = [[*cells[:8], 21] for cells in ROWS]
    plain = read(root)
    write_sheet(root / "4DME_Labelling_Micro_release v1.xlsx", rows, header)
    assert read(root) == plain
    header[2] = "video_number'"
    write_sheet(root / "4DME_Labelling_Micro_release v1.xlsx", rows, header)
    assert read(root) == plain


def test_the_sheet_of_extras_beside_it_is_no_matter(root):
    rows = [["P90", "P90_1st_02", "1'", "3'"]]
    header = ["sub_ID", "fold_name", "self-report emo'", "video emo'"]
    write_sheet(root / "4DME_Labelling_Micro_extras_release v1.xlsx", rows, header)
    assert len(read(root).samples) == 2


@pytest.mark.parametrize("text", ["AU12+L6(k)", "AU4(k)+L7", "AUR2+12(k)+45", "4", "AU1+AU2"])
def test_units_with_and_without_prefix_and_static_ones_are_understood(text):
    assert action_units(text)


def test_static_units_are_marked():
    static, moving = action_units("AU4(k)+L7")
    assert (static.number, static.static, moving.number, moving.static) == (4, True, 7, False)


def test_action_units_that_are_none_are_told_and_the_sample_stays(root):
    cells = row("P90", "P90_1st_02", 2480, 2490, 2500, aus="AU4(k)+L7+")
    odd = row("P91", "P91_2nd_01", 7, 9, 30, aus="AU4(k")
    write_sheet(root / "4DME_Labelling_Micro_release v1.xlsx", [cells, odd])
    first, second = read(root).samples
    assert (first.action_units, first.note) == ("AU4(k)+L7+", "")
    assert (second.action_units, second.note) == ("AU4(k", "action unit 'AU4(k' is none of FACS")


def test_the_official_folder_goes_before_the_users_crop(root):
    write_clip(root / "gray_micro_crop/P90/P90_1st_02", 2480, 2500)
    assert read(root).samples[0].path == "gray_micro/P90/P90_1st_02"


def test_a_crop_alone_doubled_levels_and_a_root_within_are_read(root, tmp_path_factory):
    crop = tmp_path_factory.mktemp("crop")
    write_sheet(crop / "s.xlsx", ROWS[:1])
    write_clip(crop / "GRAY_MICRO_CROP/gray_micro_crop/p90/P90_1st_02", 2480, 2500)
    (sample,) = read(crop).samples
    assert sample.path == "GRAY_MICRO_CROP/gray_micro_crop/p90/P90_1st_02"
    write_sheet(root / "gray_micro/s.xlsx", ROWS)
    assert [s.path for s in read(root / "gray_micro").samples] == [
        "P90/P90_1st_02",
        "P91/P91_2nd_01",
    ]


def test_267_expressions_of_41_people(tmp_path):
    rows = []
    for k in range(267):
        subject, clip = f"P{k % 41}", f"clip_{k}"
        rows.append(row(subject, clip, 5, 6, 7, FLAGS[k % 5]))
        empty_images(tmp_path / "gray_micro" / subject / clip, ("5.jpg", "6.jpg", "7.jpg"))
    write_sheet(tmp_path / "4DME_Labelling_Micro_release v1.xlsx", rows)
    manifest = read(tmp_path)
    assert manifest.bad == ()
    assert len(manifest.samples) == 267
    assert len({sample.subject for sample in manifest.samples}) == 41
    assert set(Counter(sample.emotion for sample in manifest.samples)) == {
        flag.lower() for flag in FLAGS
    }


BROKEN = [
    (row("P92", "P92_1st_01", 7, 9, 30), "no folder with images of this clip"),
    (row("P91", None, 7, 9, 30), "sub_ID is 'P91' and fold_name ''"),
    (row("P91", "P91_3rd_01", 7, 9, 30, "Positive+"), "emotion is 'Positive+'"),
    (row("P91", "P91_3rd_01", "=A1", 9, 30), "onset is ''"),
    (row("P91", "P91_3rd_01", 7, "soon", 30), "apex is 'soon'"),
    (row("P91", "P91_3rd_01", 7, 9, "#REF!"), "offset is '#REF!'"),
    (row("P91", "P91_3rd_01", 60, 70, 80), "holds frames 7 … 30, none of 60 … 80"),
]


@pytest.mark.parametrize(("cells", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_row_says_why_and_the_others_go_on(root, cells, reason):
    if "P91_3rd_01" in cells:
        write_clip(root / "gray_micro/P91/P91_3rd_01", 7, 30)
    write_sheet(root / "4DME_Labelling_Micro_release v1.xlsx", [*ROWS, cells])
    manifest = read(root)
    assert len(manifest.samples) == 2
    (bad,) = manifest.bad
    assert "row 4" in bad.sample_id
    assert reason in bad.reason


@pytest.mark.parametrize("apex", [7, 31, None, "/"])
def test_an_apex_outside_or_missing_gives_way_to_the_midpoint(root, apex):
    rows = [ROWS[0], row("P91", "P91_2nd_01", 7, apex, 30)]
    write_sheet(root / "4DME_Labelling_Micro_release v1.xlsx", rows)
    second = read(root).samples[1]
    assert (second.apex, second.apex_source) == (18, "midpoint")


def test_a_clip_without_a_row_and_a_link_are_told(root):
    write_clip(root / "gray_micro/P91/P91_9th_01", 1, 3)
    write_clip(root / "pictures/other", 1, 3)
    (root / "elsewhere").symlink_to(root / "gray_micro")
    sheet = "4DME_Labelling_Micro_release v1.xlsx"
    assert [(bad.sample_id, bad.reason) for bad in read(root).remarks] == [
        ("gray_micro/P91/P91_9th_01", f"{sheet} has no row of this clip"),
        ("elsewhere", "a link to a folder is not followed"),
    ]


def test_it_has_no_errata():
    assert errata.load("fourdme") == {}


def test_a_root_without_sheet_or_clips_shows_the_tree_that_is_expected(tmp_path):
    with pytest.raises(MerError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(MerError, match="no sheet with the columns") as error:
        read(tmp_path)
    assert "gray_micro/<sub_ID>/<fold_name>" in error.value.remedy
    write_sheet(tmp_path / "s.xlsx", ROWS)
    with pytest.raises(MerError, match="no folder of images") as error:
        read(tmp_path)
    assert "gray_micro/<sub_ID>/<fold_name>" in error.value.remedy


def test_it_says_what_it_is():
    assert DATASET.about == "4DME, grey videos (267 clips, 41 subjects, 60 fps)"
