"""The release in form only: its naming rules, invented rows and tiny pictures."""

from collections import Counter

import pytest

from features.console import MerError
from pipeline import errata
from pipeline.datasets.casme_sq import DATASET, read
from tests.releases import empty_images, images, workbook

BOOK = "CAS(ME)^2code_final.xlsx"
FOLDERS = [15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 40]
RULE1 = [[folder, f"s{folder}", person] for person, folder in enumerate(FOLDERS, start=1)]
RULE2 = [  # numbers, so that the zero before them is lost
    [101, "disgust1"],
    [102, "disgust2"],
    [401, "anger1"],
    [402, "anger2"],
    [502, "happy1"],
    [503, "happy2"],
    [505, "happy3"],
    [507, "happy4"],
    [508, "happy5"],
]
MICRO, MACRO = "micro-expression", "macro-expression"


def row(person, clip, onset, apex, offset, kind=MICRO, aus="4+7", emotion="negative"):
    return [person, clip, onset, apex, offset, aus, emotion, kind, "self-reported"]


ROWS = [
    row(1, "anger1_1", 57, 60, 68),
    row(1, "anger1_2", 157, 190, 208, MACRO),
    row(3, "happy4_1", 2976, 2980, 2988, emotion="positive"),
    row(22, "disgust2_3", 7, 12, 19, aus=12, emotion="others"),
]


def write_book(path, rows=ROWS, rule1=RULE1, rule2=RULE2, title="CASFEcode_final"):
    return workbook(path, {title: rows, "naming rule1": rule1, "naming rule2": rule2})


def write_clip(folder, first, last, name="img{}.jpg"):
    return empty_images(folder, [name.format(n) for n in range(first, last + 1)])


def raw(folder, last, first=1):
    return write_clip(folder, first, last, "img{:03d}.jpg")


@pytest.fixture
def root(tmp_path):
    write_book(tmp_path / BOOK)
    picked = tmp_path / "selectedpic/selectedpic"
    images(picked / "s15/anger1_1", [f"img{n}.jpg" for n in range(57, 69)])
    write_clip(picked / "s15/anger1_2", 157, 208)
    write_clip(picked / "s40/disgust2_3", 7, 19)
    doubled = write_clip(picked / "s19/happy4_1", 2976, 2988)
    (doubled / "img2977.jpg").rename(doubled / "img2977.jpg.jpg")
    for name in ("Thumbs.db", "._img57.jpg", ".DS_Store"):
        (picked / "s15/anger1_1" / name).write_bytes(b"junk")
    return tmp_path


def alone(tmp_path, cells, kinds=("micro",)):
    write_book(tmp_path / BOOK, [cells])
    return read(tmp_path, kinds)


def sample_of(manifest):
    assert manifest.bad == ()
    (sample,) = manifest.samples
    return sample


def test_the_micro_expressions_are_read_and_the_others_left_out(root):
    manifest = read(root)
    assert manifest.bad == ()
    assert [sample.sample_id for sample in manifest.samples] == [
        "casme_sq_s15_anger1_1",
        "casme_sq_s19_happy4_1",
        "casme_sq_s40_disgust2_3",
    ]
    first = manifest.samples[0]
    assert (first.dataset, first.subject, first.clip) == ("casme_sq", "s15", "anger1_1")
    assert first.path == "selectedpic/selectedpic/s15/anger1_1"
    assert (first.first_frame, first.onset, first.apex, first.offset) == (57, 57, 60, 68)
    assert (first.fps, first.apex_source, first.missing_frames) == (30.0, "sheet", "refuse")
    assert (first.emotion, first.action_units, first.note) == ("negative", "4+7", "")
    assert manifest.samples[2].action_units == "12"


def test_macro_expressions_are_read_where_they_are_asked_for(root):
    assert len(read(root, ("micro", "macro")).samples) == 4
    assert [sample.clip for sample in read(root, ("macro",)).samples] == ["anger1_2"]


@pytest.mark.parametrize("title", ["CASMEcode_final", "Sheet1"])
def test_sheets_are_known_by_their_cells_whatever_they_and_their_file_are_called(root, title):
    expected = read(root)
    (root / BOOK).unlink()
    write_book(root / "x/code_final.xlsx", title=title)
    assert read(root) == expected
    per_sample = [RULE1[0], RULE1[0], *RULE1]  # one copy has a row per sample there
    texts = [[f"{code:04d}", film] for code, film in RULE2]
    write_book(root / "x/code_final.xlsx", rule1=per_sample, rule2=texts)
    assert read(root) == expected


@pytest.mark.parametrize(("person", "folder"), [(row[2], row[0]) for row in RULE1])
def test_a_participant_is_the_folder_of_naming_rule_1(tmp_path, person, folder):
    write_clip(tmp_path / f"selectedpic/s{folder}/anger1_1", 1, 9)
    sample = sample_of(alone(tmp_path, row(person, "anger1_1", 1, 4, 9)))
    assert sample.subject == f"s{folder}"


@pytest.mark.parametrize(("code", "film"), RULE2)
def test_a_film_is_the_code_of_naming_rule_2(tmp_path, code, film):
    raw(tmp_path / f"rawpic/s15/15_{code:04d}teeth", 120)
    sample = sample_of(alone(tmp_path, row(1, f"{film}_2", 97, 100, 105)))
    assert sample.path == f"rawpic/s15/15_{code:04d}teeth"
    assert (sample.first_frame, sample.onset, sample.offset) == (1, 97, 105)


def test_expressions_cut_out_whole_go_before_videos_and_both_before_crops(tmp_path):
    cells = row(1, "anger1_1", 7, 10, 19)
    write_clip(tmp_path / "cropped/15/anger1_1", 7, 19)  # no s
    assert sample_of(alone(tmp_path, cells)).path == "cropped/15/anger1_1"
    raw(tmp_path / "rawpic/s15/15_0401anger", 30)
    assert sample_of(alone(tmp_path, cells)).path == "rawpic/s15/15_0401anger"
    write_clip(tmp_path / "selectedpic/s15/anger1_1", 7, 19)
    assert sample_of(alone(tmp_path, cells)).path == "selectedpic/s15/anger1_1"


def test_a_doubled_suffix_hides_no_frame(root):
    assert read(root).samples[1].onset == 2976
    (root / "selectedpic/selectedpic/s19/happy4_1/img2976.jpg").unlink()
    assert read(root).samples[1].onset == 2977


def test_a_misfiled_video_belongs_to_whom_its_name_says(tmp_path):
    raw(tmp_path / "rawpic/s19/23_0502funnyerrors", 30)
    write_clip(tmp_path / "cropped/23/happy1_1", 7, 19)
    manifest = alone(tmp_path, row(3, "happy1_1", 7, 10, 19))  # s19
    assert "no folder with images" in manifest.bad[0].reason
    sample = sample_of(alone(tmp_path, row(7, "happy1_1", 7, 10, 19)))  # s23
    assert (sample.subject, sample.path) == ("s23", "rawpic/s19/23_0502funnyerrors")
    raw(tmp_path / "rawpic/s23/23_0502funnyerrors", 30)
    own = sample_of(alone(tmp_path, row(7, "happy1_1", 7, 10, 19)))
    assert own.path == "rawpic/s23/23_0502funnyerrors"


@pytest.mark.parametrize(
    ("apex", "offset", "settled"),
    [
        (0, 19, (13, 19, "midpoint", "")),
        (12, 0, (12, 12, "sheet", "offset 0 → 12")),
        (17, 11, (17, 17, "sheet", "offset 11 → 17")),
    ],
    ids=["no apex", "no offset", "apex after the offset"],
)
def test_what_the_sheet_leaves_open_follows_a_rule(tmp_path, apex, offset, settled):
    write_clip(tmp_path / "selectedpic/s15/anger1_1", 7, 19)
    sample = sample_of(alone(tmp_path, row(1, "anger1_1", 7, apex, offset)))
    *frames, note = settled
    assert [sample.apex, sample.offset, sample.apex_source] == frames
    assert sample.note.startswith(note)
    assert bool(sample.note) == bool(note)


@pytest.mark.parametrize(
    ("person", "film", "folder", "frames"),
    [
        (11, "disgust1", "s27/27_0101x", (1221, 1230, 1224)),
        (14, "happy2", "s31/31_0503x", (2169, 2203, 2202)),
        (15, "anger1", "s32/32_0401x", (2407, 2455, 2451)),
    ],
)
def test_the_three_rows_whose_apex_lies_after_the_offset_end_there(
    tmp_path, person, film, folder, frames
):
    onset, apex, offset = frames
    raw(tmp_path / "rawpic" / folder, apex + 5, first=onset - 5)
    for kind in (MICRO, MACRO):
        cells = row(person, f"{film}_1", onset, apex, offset, kind)
        sample = sample_of(alone(tmp_path, cells, ("micro", "macro")))
        assert (sample.apex, sample.offset, sample.apex_source) == (apex, apex, "sheet")


def test_units_that_are_none_of_facs_are_kept_and_told(tmp_path):
    write_clip(tmp_path / "selectedpic/s15/anger1_1", 7, 19)
    sample = sample_of(alone(tmp_path, row(1, "anger1_1", 7, 12, 0, aus="4+brow")))
    assert sample.action_units == "4+brow"
    assert "'brow'" in sample.note
    assert "offset 0" in sample.note


def test_folders_that_no_row_is_about_are_told(root):
    raw(root / "rawpic/s15/15_0401anger", 300)  # two rows are about it
    raw(root / "rawpic/s15/15_0508known", 30)
    raw(root / "rawpic/s15/15_0402new", 30)
    write_clip(root / "selectedpic/selectedpic/s16/anger1_1", 1, 9)
    bad = {row.sample_id: row.reason for row in read(root).remarks}
    assert bad == {
        "rawpic/s15/15_0508known": "no row is about this folder: known of the release",
        "rawpic/s15/15_0402new": "no row is about this folder: is the sheet complete?",
        "selectedpic/selectedpic/s16/anger1_1": "no row is about this folder: is the sheet "
        "complete?",
    }


@pytest.mark.parametrize("video", ["s15/15_0508x", "s19/19_0502x", "s23/23_0503x"])
def test_videos_without_an_expression_are_known(root, video):
    raw(root / "rawpic" / video, 30)
    (bad,) = read(root).remarks
    assert bad.reason.endswith("known of the release")


def test_the_sheet_of_blinks_and_pictures_elsewhere_are_not_taken(root):
    expected = read(root)
    blinks = [["Subject", "Video", "Onset", "Offset"], [1, "anger1_1", 5, 9]]
    workbook(root / "CAS(ME)^2blink-code.xlsx", {"Sheet1": blinks})
    write_clip(root / "rawvideo/thumbnails", 1, 3)
    assert read(root) == expected


BROKEN = [
    (row(99, "anger1_1", 7, 12, 19), "participant is '99', none of naming rule 1"),
    (row(1, "joy1_1", 7, 12, 19), "its film is none of naming rule 2"),
    (row(1, "anger1", 7, 12, 19), "its film is none of naming rule 2"),
    (row(1, "anger1_../../x", 7, 12, 19), "no folder with images"),
    (row(1, "anger1_9", 7, 12, 19), "no folder with images"),
    (row(1, "anger1_3", "=A1", 12, 19), "onset is ''"),
    (row(1, "anger1_3", 7, "#REF!", 19), "apex is '#REF!'"),
    (row(1, "anger1_3", 7, 12, "x"), "offset is 'x'"),
    (row(1, "anger1_3", 7, 0, 0), "neither apex nor offset"),
    (row(1, "anger1_3", 907, 912, 919), "none of 907 … 919"),
    (row(1, "anger1_3", 7, 12, 19, kind="expression"), "type is 'expression'"),
    (row(1, "anger1_3", 7, 12, 19, emotion="rage"), "emotion is 'rage'"),
    (["a note"], "type is ''"),
]


@pytest.mark.parametrize(("cells", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_row_says_why_and_the_others_go_on(root, cells, reason):
    write_book(root / BOOK, [*ROWS, row(1, "anger1_3", 57, 60, 68, MACRO), cells])
    write_clip(root / "selectedpic/selectedpic/s15/anger1_3", 7, 19)
    manifest = read(root)
    assert len(manifest.samples) == 3
    (bad,) = manifest.bad
    assert f"{BOOK} row 6" in bad.sample_id
    assert reason in bad.reason


def test_a_link_to_a_folder_is_told(root):
    (root / "more").symlink_to(root / "selectedpic")
    (bad,) = read(root).remarks
    assert (bad.sample_id, bad.reason) == ("more", "a link to a folder is not followed")


def test_copies_of_one_book_are_no_matter_but_two_that_differ_are(root):
    write_book(root / "copy/code_final.xlsx")
    assert len(read(root).samples) == 3
    write_book(root / "CAS(ME)^2code_final(Updated).xlsx", ROWS[:1])
    with pytest.raises(MerError, match="several sheets that differ"):
        read(root)


@pytest.mark.parametrize("missing", ["rows", "rule1", "rule2"])
def test_a_book_without_its_three_sheets_is_none(root, missing):
    write_book(root / BOOK, **{missing: []})
    (root / "broken.xlsx").write_bytes(b"no workbook")
    with pytest.raises(MerError, match=r"both naming rules; broken\.xlsx: not an Excel") as error:
        read(root)
    assert "selectedpic/s15/anger1_1" in error.value.remedy


def test_a_root_without_clips_shows_the_tree_that_is_expected(tmp_path):
    write_book(tmp_path / BOOK)
    write_clip(tmp_path / "elsewhere", 1, 3)
    with pytest.raises(MerError, match="no folder like") as error:
        read(tmp_path)
    assert "rawpic/s15/15_0101disgustingteeth" in error.value.remedy


def test_a_root_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MerError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")


def test_no_row_is_patched():
    assert errata.load("casme_sq") == {}


def test_357_rows_are_57_micro_and_300_macro_expressions_of_22_people(tmp_path):
    emotions = {"negative": 21, "others": 19, "surprise": 9, "positive": 8}  # of the micro ones
    words = [word for word, count in emotions.items() for _ in range(count)] + ["negative"] * 300
    rows = []
    for number, word in enumerate(words):
        micro = number < 57
        person = number % (14 if micro else 22) + 1  # 14 of 22 have micro-expressions
        film = RULE2[number % 9][1]
        clip, onset, length = f"{film}_{number}", 10 * number + 1, 9 if micro else 30
        no_offset = 57 <= number < 57 + 44
        offset = 0 if no_offset else onset + length
        kind = MICRO if micro else MACRO
        rows.append(row(person, clip, onset, onset + 4, offset, kind, emotion=word))
        names = [f"img{n}.jpg" for n in (onset, onset + 4, onset + length)]
        empty_images(tmp_path / f"selectedpic/s{FOLDERS[person - 1]}/{clip}", names)
    write_book(tmp_path / BOOK, rows)
    manifest = read(tmp_path)
    assert manifest.bad == ()
    assert len(manifest.samples) == 57
    assert len({sample.subject for sample in manifest.samples}) == 14
    assert Counter(sample.emotion for sample in manifest.samples) == emotions
    both, macro = read(tmp_path, ("micro", "macro")), read(tmp_path, ("macro",))
    assert both.bad == macro.bad == ()
    assert (len(both.samples), len(macro.samples)) == (357, 300)
    assert len({sample.subject for sample in both.samples}) == 22
    assert sum(sample.apex == sample.offset for sample in macro.samples) == 44


def test_it_says_what_it_is():
    assert DATASET.about == "CAS(ME)² (57 micro-expressions, 14 subjects, 30 fps, colour)"
