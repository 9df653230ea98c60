"""The release in form only: invented people and numbers, tiny pictures with official names."""

from collections import Counter

import pytest

from features.console import MerError
from pipeline import errata
from pipeline.datasets.mmew import DATASET, read
from tests.releases import empty_images, images, workbook

HEADER = [
    *("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"),
    *("Action Units", "Estimated Emotion", "remarks"),
]
SHEET, MICRO = "MMEW_Micro_Exp.xlsx", "Micro_Expression"


def row(clip, onset=1, apex=20, offset=40, aus="4+7", emotion="anger", subject="?"):
    return [subject, clip, onset, apex, offset, aus, emotion, None]


def write_sheet(path, rows, header=HEADER):
    return workbook(path, {"Sheet1": [header, *rows]})


def write_clip(root, emotion, clip, last=40, save=empty_images, step=1):
    numbers = sorted({*range(1, last, step), last})
    return save(root / MICRO / emotion / clip, [f"{number}.jpg" for number in numbers])


ROWS = [
    row("S01-02-001", emotion="disgust"),
    row("S04-06-002", 3, 14, 33, aus=12, emotion="happiness"),
    row("S13-07-001"),
    row("S30-05-003", emotion="others"),
]
FOLDERS = {"others": "repression"}


@pytest.fixture
def root(tmp_path):
    home = tmp_path / "MMEW_Final"
    write_sheet(home / SHEET, ROWS)
    for _, clip, _, _, _, _, emotion, _ in ROWS:
        write_clip(home, FOLDERS.get(emotion, emotion), clip, save=images)
    images(home / "Macro_Expression/S01/anger", ["S01-07-001.jpg", "S01-07-002.jpg"])
    return tmp_path


def frames(sample):
    return sample.onset, sample.apex, sample.offset


def test_the_release_is_read_whole(root):
    manifest = read(root)
    assert manifest.bad == ()
    assert [sample.sample_id for sample in manifest.samples] == [
        *("mmew_S01-02-001", "mmew_S04-06-002", "mmew_S13-07-001", "mmew_S30-05-003")
    ]
    one = manifest.samples[1]
    assert (one.dataset, one.subject, one.clip) == ("mmew", "04", "S04-06-002")
    assert (one.fps, one.path) == (90.0, "MMEW_Final/Micro_Expression/happiness/S04-06-002")
    assert (one.first_frame, frames(one)) == (1, (3, 14, 33))
    assert (one.emotion, one.action_units, one.apex_source, one.note) == (
        *("happiness", "12", "sheet", ""),
    )


def test_the_person_is_the_one_of_the_clips_name_whatever_the_column_says(root):
    assert [sample.subject for sample in read(root).samples] == ["01", "04", "13", "30"]


def test_others_lie_in_the_folder_repression_and_stay_others(root):
    sample = read(root).samples[-1]
    assert sample.path == "MMEW_Final/Micro_Expression/repression/S30-05-003"
    assert (sample.emotion, sample.note) == ("others", "")


def test_a_copy_whose_sheet_was_made_to_fit_the_folder_says_the_same(root):
    manifest = read(root)
    edited = [*ROWS[:3], row("S30-05-003", emotion="repression")]
    write_sheet(root / "MMEW_Final" / SHEET, edited)
    assert read(root) == manifest


def test_a_clip_in_any_folder_is_found_and_a_folder_that_contradicts_is_told(tmp_path):
    write_sheet(tmp_path / SHEET, [row("S01-01-001", aus="4+x"), row("S02-01-001")])
    write_clip(tmp_path, "fear", "S01-01-001")
    write_clip(tmp_path, "all", "S02-01-001")
    first, second = read(tmp_path).samples
    assert (first.emotion, first.path) == ("anger", "Micro_Expression/fear/S01-01-001")
    assert "'x' is none of FACS; the sheet says anger, the folder fear" in first.note
    assert (second.path, second.note) == ("Micro_Expression/all/S02-01-001", "")


def test_of_two_folders_the_label_is_tried_first_then_the_alias(tmp_path):
    write_sheet(tmp_path / SHEET, [row("S01-01-001", emotion="others"), row("S02-01-001")])
    write_clip(tmp_path, "fear", "S01-01-001")
    write_clip(tmp_path, "fear", "S02-01-001")
    write_clip(tmp_path, "repression", "S01-01-001")
    write_clip(tmp_path, "anger", "S02-01-001")
    assert [sample.path.split("/")[1] for sample in read(tmp_path).samples] == [
        *("repression", "anger")
    ]
    write_clip(tmp_path, "others", "S01-01-001")
    assert [sample.path.split("/")[1] for sample in read(tmp_path).samples] == ["others", "anger"]


# sheet, last frame of the folder, frames that are used, where the apex is from
ENDS = [
    ((1, 40, 90), 75, (1, 40, 75), "sheet"),
    ((5, 90, 100), 54, (5, 29, 54), "midpoint"),
    ((1, 75, 90), 75, (1, 75, 75), "sheet"),
]


@pytest.mark.parametrize(("sheet", "last", "used", "source"), ENDS)
def test_a_row_that_goes_on_after_its_clip_ends_with_it_and_says_so(
    tmp_path, sheet, last, used, source
):
    write_sheet(tmp_path / SHEET, [row("S13-07-001", *sheet)])
    write_clip(tmp_path, "anger", "S13-07-001", last)
    (sample,) = read(tmp_path).samples
    assert (frames(sample), sample.apex_source) == (used, source)
    assert f"offset {sheet[2]} → {last}: there is no frame {sheet[2]}" in sample.note
    assert (f"apex {sheet[1]} lies outside" in sample.note) == (source == "midpoint")


def test_no_row_is_mended_by_its_place_in_the_sheet():
    assert errata.load("mmew") == {}


@pytest.mark.parametrize("apex", [None, "/", 1, 0])
def test_an_apex_that_is_none_or_the_onset_gives_way_to_the_midpoint(tmp_path, apex):
    write_sheet(tmp_path / SHEET, [row("S13-07-001", apex=apex)])
    write_clip(tmp_path, "anger", "S13-07-001")
    (sample,) = read(tmp_path).samples
    assert (frames(sample), sample.apex_source) == ((1, 20, 40), "midpoint")


def test_columns_by_other_names_and_a_missing_remark_do_no_harm(root):
    manifest = read(root)
    header = ["filename ", "Onset Frame", "Apex_Frame", "OFFSET FRAME", "AUs", "Emotion"]
    write_sheet(root / "MMEW_Final" / SHEET, [cells[1:7] for cells in ROWS], header)
    assert read(root) == manifest


def test_doubled_levels_and_other_case_and_junk_do_no_harm(tmp_path):
    write_sheet(tmp_path / SHEET, ROWS[:1])
    folder = tmp_path / "micro_expression/Micro_Expression/Disgust/s01-02-001"
    empty_images(folder, [f"{n}.JPG" for n in range(1, 41)])
    for name in ("Thumbs.db", ".DS_Store", "._1.jpg", "desktop.ini", "~$2.jpg"):
        (folder / name).write_bytes(b"junk")
    manifest = read(tmp_path)
    assert manifest.bad == ()
    (sample,) = manifest.samples
    assert (sample.clip, sample.first_frame, sample.note) == ("S01-02-001", 1, "")
    assert sample.path == "micro_expression/Micro_Expression/Disgust/s01-02-001"


def test_a_name_in_other_case_in_the_sheet_is_the_official_one(root):
    manifest = read(root)
    edited = [[cells[0], cells[1].lower(), *cells[2:]] for cells in ROWS]
    write_sheet(root / "MMEW_Final" / SHEET, edited)
    assert read(root) == manifest


def test_macro_expressions_are_no_clips_even_in_folders_named_like_one(root):
    manifest = read(root)
    images(root / "MMEW_Final/Macro_Expression/S01/anger/S01-07-001", ["1.jpg"])
    assert read(root) == manifest


def test_a_clip_without_a_row_and_a_link_are_told(root):
    home = root / "MMEW_Final"
    write_clip(home, "fear", "S09-04-001")
    (home / MICRO / "sadness").symlink_to(home / MICRO / "anger")
    manifest = read(root)
    assert len(manifest.samples) == len(ROWS)
    assert [(bad.sample_id, bad.reason) for bad in manifest.remarks] == [
        (
            "MMEW_Final/Micro_Expression/fear/S09-04-001",
            f"MMEW_Final/{SHEET} has no row of this clip",
        ),
        ("MMEW_Final/Micro_Expression/sadness", "a link to a folder is not followed"),
    ]


BROKEN = [
    (row("../../x"), "expected one like 'S13-07-001'"),
    (row(None), "Filename is ''"),
    (row("S98-01-001"), "no folder with images of this clip"),
    (row("S99-01-001", "=A1"), "onset is ''"),
    (row("S99-01-001", offset="#REF!"), "offset is '#REF!'"),
    (row("S99-01-001", apex="soon"), "apex is 'soon'"),
    (row("S99-01-001", 50, 60, 70), "holds frames 1 … 40, none of 50 … 70"),
    (row("S99-01-001", 30, 20, 10), "none of 30 … 10"),
    (row("S99-01-001", emotion="smug"), "emotion is 'smug'"),
    (row("S99-01-001", emotion=None), "emotion is ''"),
]


@pytest.mark.parametrize(("cells", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_row_says_why_and_the_others_go_on(root, cells, reason):
    home = root / "MMEW_Final"
    if cells[1] == "S99-01-001":
        write_clip(home, "anger", "S99-01-001")
    write_sheet(home / SHEET, [*ROWS, [], cells])
    manifest = read(root)
    assert len(manifest.samples) == len(ROWS)
    (bad,) = manifest.bad
    assert bad.sample_id == f"MMEW_Final/{SHEET} row 7 ({cells[1] or ''})"
    assert reason in bad.reason


def test_a_root_without_sheet_or_clips_shows_the_tree_that_is_expected(tmp_path):
    with pytest.raises(MerError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")
    write_clip(tmp_path, "anger", "S99-01-001")
    with pytest.raises(MerError, match="no sheet with the columns Filename") as error:
        read(tmp_path)
    assert "Micro_Expression/anger/S13-07-001/1.jpg" in error.value.remedy
    write_sheet(tmp_path / SHEET, ROWS)
    with pytest.raises(MerError, match="no folder of images is named after a row") as error:
        read(tmp_path)
    assert "Micro_Expression/anger/S13-07-001/1.jpg" in error.value.remedy


EMOTIONS = {
    **{"happiness": 36, "anger": 8, "surprise": 89, "disgust": 72, "fear": 16, "sadness": 13},
    "others": 66,
}


def test_300_clips_of_30_people_with_the_published_counts_and_16_rows_too_long(tmp_path):
    rows = []
    for k, emotion in enumerate(Counter(EMOTIONS).elements()):
        clip = f"S{1 + k % 30:02}-{1 + k % 7:02}-{1 + k // 30:03}"
        rows.append(row(clip, emotion=emotion, offset=60 if k % 19 == 0 else 40))
        write_clip(tmp_path, FOLDERS.get(emotion, emotion), clip, step=13)
    write_sheet(tmp_path / SHEET, rows)
    manifest = read(tmp_path)
    assert manifest.bad == ()
    assert len(manifest.samples) == 300
    assert len({sample.subject for sample in manifest.samples}) == 30
    assert Counter(sample.emotion for sample in manifest.samples) == EMOTIONS
    assert {frames(sample) for sample in manifest.samples} == {(1, 20, 40)}
    assert sum(bool(sample.note) for sample in manifest.samples) == 16


def test_it_says_what_it_is():
    assert DATASET.about == "MMEW (300 clips, 30 subjects, 90 fps, colour, cropped)"
