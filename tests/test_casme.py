"""The release in form only: invented people and numbers, tiny pictures with official names."""

import struct
from collections import Counter

import pytest

from features.console import MerError
from pipeline import errata
from pipeline.datasets.casme import DATASET, read
from tests.releases import empty_images, images, workbook

HEADER = [
    *("Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None),
    *("Onset", "Total", "AU", "Emotion"),
]
SHEET = "CASME-coded-20190721.xls"
SELECTED, CROPPED = "CASME_raw_selected", "Cropped"


def row(subject, clip, onset=100, apex=110, offset=130, aus="4+7", emotion="tense", plateau="\\"):
    """Frames, then the times in ms that are called Onset and Total."""
    times = [167, 500]
    return [subject, clip, None, onset, apex, plateau, offset, None, *times, aus, emotion]


def write_xls(path, rows):
    """An .xls, in the oldest and plainest of its formats: a record a cell."""

    def record(kind, data):
        return struct.pack("<HH", kind, len(data)) + data

    records = [record(0x0009, struct.pack("<HH", 2, 0x0010)), record(0x0042, b"\xe4\x04")]
    for i, cells in enumerate(rows):
        for j, cell in enumerate(cells):
            place = struct.pack("<HH3x", i, j)
            if isinstance(cell, int | float):
                records.append(record(0x0003, place + struct.pack("<d", cell)))
            elif cell is not None:
                text = cell.encode("cp1252")
                records.append(record(0x0004, place + struct.pack("<B", len(text)) + text))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join([*records, record(0x000A, b"")]))


def write_sheet(path, rows):
    if path.suffix == ".xls":
        write_xls(path, [HEADER, *rows])
    else:
        workbook(path, {"Sheet1": [HEADER, *rows]})


def write_clip(root, tree, subject, clip, first, last, digits=1, save=empty_images, step=1):
    prefix = f"reg_{clip}" if tree.startswith(CROPPED) else clip
    numbers = sorted({*range(first, last, step), last})
    names = [f"{prefix}-{number:0{digits}}.jpg" for number in numbers]
    return save(root / tree / f"sub{subject:02}" / clip, names)


ROWS = [
    row(1, "EP01_5", plateau=112),
    row(1, "EP11", 7, 9, 30, aus=14, emotion="happiness"),
    row(4, "EP12_11_1", 98, 100, 119, aus="R12, 15", emotion="contempt"),
    row(19, "EP12_2_10", 16, "\\", 40, aus="\\", emotion="repression"),
]
DIGITS = {1: 1, 4: 1, 19: 3}  # section A is unpadded, section B is padded to three


@pytest.fixture
def root(tmp_path):
    write_sheet(tmp_path / SHEET, ROWS)
    for subject, clip, _, onset, _, _, offset, *_ in ROWS:
        write_clip(tmp_path, SELECTED, subject, clip, onset, offset, DIGITS[subject], images)
    return tmp_path


def frames(sample):
    return sample.onset, sample.apex, sample.offset


def test_the_release_is_read_whole(root):
    manifest = read(root)
    assert manifest.bad == ()
    assert [sample.sample_id for sample in manifest.samples] == [
        "casme_sub01_EP01_5",
        "casme_sub01_EP11",
        "casme_sub04_EP12_11_1",
        "casme_sub19_EP12_2_10",
    ]
    first, *_, last = manifest.samples
    assert (first.dataset, first.subject, first.clip) == ("casme", "01", "EP01_5")
    assert (first.fps, first.path) == (60.0, "CASME_raw_selected/sub01/EP01_5")
    assert (first.emotion, first.action_units, first.note) == ("tense", "4+7", "")
    assert (last.first_frame, last.onset, last.offset) == (16, 16, 40)  # EP12_2_10-016.jpg


def test_frames_are_frames_and_not_the_milliseconds_under_onset(root):
    assert frames(read(root).samples[0]) == (100, 110, 130)


def test_a_sheet_that_has_times_only_is_not_taken(tmp_path):
    head = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Emotion"]
    workbook(tmp_path / "times.xlsx", {"Sheet1": [head, [1, "EP01_5", 1, 2, 3, "4", "tense"]]})
    with pytest.raises(MerError, match="no sheet with the columns Subject, Filename, OnsetF"):
        read(tmp_path)


def test_of_a_plateau_the_first_frame_is_the_apex_and_a_backslash_is_none(root):
    samples = read(root).samples
    assert (samples[0].apex, samples[0].apex_source) == (110, "sheet")
    assert (samples[3].apex, samples[3].apex_source) == (28, "midpoint")
    assert samples[3].action_units == ""


def test_action_units_keep_their_text_and_are_told_where_they_are_none(tmp_path):
    write_sheet(tmp_path / "casme.xlsx", [row(1, "EP01_5", aus="4+frown"), *ROWS[1:3]])
    for subject, clip, _, onset, _, _, offset, *_ in ROWS[:3]:
        write_clip(tmp_path, SELECTED, subject, clip, onset, offset)
    samples = read(tmp_path).samples
    assert [sample.action_units for sample in samples] == ["4+frown", "14", "R12, 15"]
    assert "'frown' is none of FACS" in samples[0].note
    assert {sample.note for sample in samples[1:]} == {""}


def test_amusement_is_happiness(tmp_path):
    write_sheet(tmp_path / "casme.xlsx", [row(1, "EP01_5", emotion=" Amusement")])
    write_clip(tmp_path, SELECTED, 1, "EP01_5", 100, 130)
    assert [sample.emotion for sample in read(tmp_path).samples] == ["happiness"]


def test_the_sheet_saved_again_as_xlsx_says_the_same(root):
    manifest = read(root)
    write_sheet(root / "casme.xlsx", ROWS)
    assert read(root) == manifest
    (root / SHEET).unlink()
    assert read(root) == manifest


@pytest.mark.parametrize("subject", [4, "04", "4", "sub04"])
def test_a_subject_is_two_digits_whatever_the_spreadsheet_made_of_it(tmp_path, subject):
    write_sheet(tmp_path / "casme.xlsx", [row(subject, "EP01_5")])
    write_clip(tmp_path, SELECTED, 4, "EP01_5", 100, 130)
    (sample,) = read(tmp_path).samples
    assert (sample.subject, sample.sample_id) == ("04", "casme_sub04_EP01_5")


# sheet -> folder; the frames that are used; where the apex is from
RANGES = [
    ((98, 120, 150), (100, 149), (100, 120, 149), "sheet"),
    ((101, 110, 200), (101, 119), (101, 110, 119), "sheet"),
    ((15, 23, 32), (57, 74), (57, 65, 74), "midpoint"),  # not one frame in common
    ((10, 20, 38), (8, 40), (8, 20, 40), "sheet"),  # the folder holds more
    ((100, 145, 150), (100, 142), (100, 121, 142), "midpoint"),
]


@pytest.mark.parametrize("tree", [SELECTED, CROPPED])
@pytest.mark.parametrize(("sheet", "held", "used", "source"), RANGES)
def test_where_sheet_and_folder_differ_the_folder_is_right(
    tmp_path, sheet, held, used, source, tree
):
    write_sheet(tmp_path / "casme.xlsx", [row(1, "EP01_5", *sheet)])
    write_clip(tmp_path, tree, 1, "EP01_5", *held)
    (sample,) = read(tmp_path).samples
    assert (frames(sample), sample.apex_source) == (used, source)
    for name, said, there in (("onset", sheet[0], held[0]), ("offset", sheet[2], held[1])):
        told = f"{name} {said} → {there}: the folder holds {held[0]} … {held[1]}"
        assert (told in sample.note) == (said != there)
    assert ("apex" in sample.note) == (source == "midpoint")


def test_no_row_is_mended_by_its_place_in_the_sheet():
    assert errata.load("casme") == {}


def test_doubled_levels_and_other_case_and_junk_do_no_harm(tmp_path):
    write_sheet(tmp_path / "casme.xlsx", ROWS[:1])
    folder = tmp_path / "cropped/Cropped/SUB01/ep01_5"
    empty_images(folder, [f"reg_EP01_5-{n:03}.JPG" for n in range(100, 131)])
    for name in ("Thumbs.db", ".DS_Store", "._reg_EP01_5-001.jpg", "desktop.ini"):
        (folder / name).write_bytes(b"junk")
    manifest = read(tmp_path)
    assert manifest.bad == ()
    (sample,) = manifest.samples
    assert sample.path == "cropped/Cropped/SUB01/ep01_5"
    assert (sample.clip, sample.note) == ("EP01_5", "")


def test_of_a_release_unpacked_whole_the_uncropped_frames_are_taken(root):
    manifest = read(root)
    for subject, clip, _, onset, _, _, offset, *_ in ROWS:
        write_clip(root, CROPPED, subject, clip, onset, offset, DIGITS[subject])
    assert read(root) == manifest


def test_clips_of_several_people_have_one_name(tmp_path):
    write_sheet(tmp_path / "casme.xlsx", [row(1, "EP01_5"), row(2, "EP01_5", 5, 8, 30)])
    write_clip(tmp_path, SELECTED, 1, "EP01_5", 100, 130)
    write_clip(tmp_path, SELECTED, 2, "EP01_5", 5, 30)
    assert [sample.onset for sample in read(tmp_path).samples] == [100, 5]


def test_a_clip_without_a_row_and_a_link_are_told(root):
    write_clip(root, SELECTED, 1, "EP99_1", 1, 9)
    write_clip(root, SELECTED, 1, "landmarks", 1, 9)
    (root / SELECTED / "sub02").symlink_to(root / SELECTED / "sub01")
    manifest = read(root)
    assert len(manifest.samples) == len(ROWS)
    assert [(bad.sample_id, bad.reason) for bad in manifest.remarks] == [
        ("CASME_raw_selected/sub01/EP99_1", f"{SHEET} has no row of this clip"),
        ("CASME_raw_selected/sub02", "a link to a folder is not followed"),
    ]


BROKEN = [
    (row("", "EP99_1"), "Subject is ''"),
    (row("x", "EP99_1"), "Subject is 'x'"),
    (row(1, "../../x"), "expected one like 'EP12_2_10'"),
    (row(1, "EP98"), "no folder with images of this clip"),
    (row(1, "EP99_1", "\\"), "onset is '\\\\'"),
    (row(1, "EP99_1", offset="#REF!"), "offset is '#REF!'"),
    (row(1, "EP99_1", apex="soon"), "apex is 'soon'"),
    (row(1, "EP99_1", emotion="smug"), "emotion is 'smug'"),
    (row(1, "EP99_1", emotion=None), "emotion is ''"),
    (row(1, "EP97_1"), "no image in CASME_raw_selected/sub01/EP97_1 has a number"),
    (row(1, "EP96_1"), "several folders hold this clip"),
    (row(1, "EP95_1"), "same frame"),
    (["a note below the table"], "Subject is 'a note below the table'"),
]


@pytest.mark.parametrize(("cells", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_row_says_why_and_the_others_go_on(root, cells, reason):
    clip = cells[1] if len(cells) > 1 else ""
    if clip == "EP99_1" and cells[0] == 1:
        write_clip(root, SELECTED, 1, clip, 100, 130)
    elif clip == "EP97_1":
        empty_images(root / SELECTED / "sub01" / clip, ["cover.jpg"])
    elif clip == "EP96_1":
        for tree in ("Cropped_a", "Cropped_b"):
            write_clip(root, tree, 1, clip, 100, 130)
    elif clip == "EP95_1":
        write_clip(root, SELECTED, 1, clip, 100, 100)
    write_sheet(root / SHEET, [*ROWS, [], cells])
    manifest = read(root)
    assert len(manifest.samples) == len(ROWS)
    (bad,) = manifest.bad
    assert bad.sample_id.startswith(f"{SHEET} row 7 (")
    assert reason in bad.reason


def test_a_root_without_sheet_or_clips_shows_the_tree_that_is_expected(tmp_path):
    with pytest.raises(MerError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")
    write_clip(tmp_path, SELECTED, 2, "EP01_5", 1, 9)
    with pytest.raises(MerError, match="no sheet with the columns") as error:
        read(tmp_path)
    assert "CASME_raw_selected/sub01/EP01_5/EP01_5-120.jpg" in error.value.remedy
    write_sheet(tmp_path / SHEET, ROWS)
    with pytest.raises(MerError, match="no folder of images is named after a row") as error:
        read(tmp_path)
    assert "CASME_raw_selected/sub01/EP01_5/EP01_5-120.jpg" in error.value.remedy


@pytest.mark.parametrize("count", [189, 193])
def test_a_sheet_of_full_length_is_read_whole_with_the_emotions_of_the_release(tmp_path, count):
    """How many of each is not documented; that there are eight is."""
    words = ["tense", "repression", "disgust", "surprise"]
    words += ["happiness", "sadness", "fear", "contempt"]
    rows = []
    for k in range(count):
        subject, clip = 1 + k % 19, f"EP{1 + k // 19:02}_{1 + k % 7}"
        plateau = 112 if k < 125 else "\\"
        rows.append(row(subject, clip, emotion=words[k % 8], plateau=plateau))
        digits = 1 if k < 92 else 3
        write_clip(tmp_path, SELECTED, subject, clip, 100, 130, digits, step=10)
    write_sheet(tmp_path / SHEET, rows)
    manifest = read(tmp_path)
    assert manifest.bad == ()
    assert len(manifest.samples) == count
    assert len({sample.subject for sample in manifest.samples}) == 19
    assert Counter(sample.emotion for sample in manifest.samples) == Counter(
        words[k % 8] for k in range(count)
    )
    assert {(frames(sample), sample.note) for sample in manifest.samples} == {((100, 110, 130), "")}


def test_it_says_what_it_is():
    assert DATASET.about == "CASME (193 clips, 19 subjects, 60 fps, colour)"
