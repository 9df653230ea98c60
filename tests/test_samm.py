"""The release in form only: invented people, numbers and one-pixel pictures."""

import os
import zipfile
from collections import Counter
from io import BytesIO

import openpyxl
import pytest
from PIL import Image

from features.console import MerError
from features.facs import action_units
from pipeline import errata
from pipeline.datasets.samm import DATASET, read
from tests.releases import deal, empty_images

HEADER = [
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset Frame",
    "Apex Frame",
    "Offset Frame",
    "Duration",
    "Micro",
    "Action Units",
    "Estimated Emotion",
    "Objective Classes",
    "Notes",
]


def row(clip, onset, apex, offset, aus="4+7", emotion="Anger", subject=None):
    subject = clip[:3] if subject is None else subject
    sums = "=SUM(F15-D15)+1"  # a formula that openpyxl writes without its value
    return [subject, clip, 1, onset, apex, offset, sums, "Micro - 1/2", aus, emotion, 7, None]


ROWS = [
    row("901_1_1", 9998, 10003, 10006, aus=" 12+15 ", emotion="Other"),  # padded to 5
    row("902_3_1", 71, 74, 76, aus=12, emotion="happy"),  # padded to 4
    row("902_3_2", 80, 17, 86, emotion="Surprise "),  # apex before the onset
    row("903_1_4", 1, 9, 7, emotion="Sadness"),  # apex after the offset
]
DIGITS = {"901": 5, "902": 4, "903": 4}


def jpeg():
    memory = BytesIO()
    Image.new("L", (2, 2), 90).save(memory, "jpeg")
    return memory.getvalue()


def write_sheet(path, rows=ROWS, preamble=13, header=HEADER):
    book = openpyxl.Workbook()
    book.active.title = "MICRO_ONLY"
    for number in range(preamble):
        book.active.append([f"Preamble {number}", None, "cite us"])
    for cells in [header, *rows]:
        book.active.append(cells)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)


def write_clip(folder, first, last, subject="", digits=4):
    folder.mkdir(parents=True)
    for number in range(first, last + 1):
        (folder / f"{subject}_{number:0{digits}}.jpg").write_bytes(jpeg())


def write_clips(tree, rows=ROWS):
    for subject, clip, _, onset, _, offset, *_ in rows:
        write_clip(tree / subject / clip, onset, offset, subject, DIGITS[subject])


@pytest.fixture
def root(tmp_path):
    write_sheet(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx")
    write_clips(tmp_path / "SAMM")
    return tmp_path


def by_clip(manifest):
    return {sample.clip: sample for sample in manifest.samples}


def test_the_release_is_read_whole(root):
    manifest = read(root)
    assert manifest.bad == ()
    assert [sample.sample_id for sample in manifest.samples] == [
        "samm_901_1_1",
        "samm_902_3_1",
        "samm_902_3_2",
        "samm_903_1_4",
    ]
    first = manifest.samples[0]
    assert (first.dataset, first.subject, first.fps) == ("samm", "901", 200.0)
    assert first.path == "SAMM/901/901_1_1"
    assert (first.first_frame, first.onset, first.apex, first.offset) == (9998, 9998, 10003, 10006)
    assert first.apex_source == "sheet"


def test_four_and_five_digits_name_the_same_numbers(root):
    samples = by_clip(read(root))
    assert samples["901_1_1"].first_frame == 9998
    assert samples["902_3_1"].first_frame == 71


def test_an_apex_outside_the_clip_gives_way_to_the_midpoint_and_says_so(root):
    samples = by_clip(read(root))
    assert (samples["902_3_2"].apex, samples["902_3_2"].apex_source) == (83, "midpoint")
    assert (samples["903_1_4"].apex, samples["903_1_4"].apex_source) == (4, "midpoint")
    assert samples["902_3_1"].apex_source == "sheet"


@pytest.mark.parametrize(("apex", "source"), [(1, "midpoint"), (2, "sheet"), (7, "sheet")])
def test_an_apex_on_the_onset_is_none_and_one_on_the_offset_is_one(tmp_path, apex, source):
    rows = [row("903_1_4", 1, apex, 7)]
    write_sheet(tmp_path / "s.xlsx", rows)
    write_clips(tmp_path, rows)
    assert [sample.apex_source for sample in read(tmp_path).samples] == [source]


def test_emotions_get_one_spelling_and_action_units_keep_theirs(root):
    samples = by_clip(read(root))
    assert [samples[clip].emotion for clip in sorted(samples)] == [
        "others",
        "happiness",
        "surprise",
        "sadness",
    ]
    assert samples["901_1_1"].action_units == "12+15"
    assert samples["902_3_1"].action_units == "12"


def test_the_published_objective_class_is_a_roman_number_and_may_be_missing(root):
    assert {sample.objective_class for sample in read(root).samples} == {"VII"}
    rows = [cells[:10] for cells in ROWS]
    write_sheet(root / "SAMM_Micro_FACS_Codes_v2.xlsx", rows, header=HEADER[:10])
    assert {sample.objective_class for sample in read(root).samples} == {""}


def test_a_stripped_copy_with_numbers_for_subjects_says_the_same(root, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy")
    header = [name.upper().replace(" ", "_") + " " for name in HEADER]
    rows = [[int(cells[0]), *cells[1:]] for cells in ROWS]
    write_sheet(copy / "renamed.XLSX", rows, preamble=0, header=header)
    write_clips(copy / "SAMM")
    assert read(copy) == read(root)


def test_a_subject_below_100_keeps_its_zeros(tmp_path):
    rows = [row("090_1_1", 1, 2, 3, subject=90)]
    write_sheet(tmp_path / "s.xlsx", rows)
    write_clip(tmp_path / "90/090_1_1", 1, 3)
    assert [sample.subject for sample in read(tmp_path).samples] == ["090"]


def test_copies_of_one_sheet_are_no_matter_but_two_that_differ_are(root):
    write_sheet(root / "SAMM/copy.xlsx", preamble=0)
    assert len(read(root).samples) == 4
    write_sheet(root / "SAMM/edited.xlsx", [row("901_1_1", 1, 2, 3)])
    with pytest.raises(MerError, match=r"differ: .*edited\.xlsx"):
        read(root)


def test_doubled_levels_and_other_case_and_junk_do_no_harm(tmp_path):
    rows = ROWS[:1]
    write_sheet(tmp_path / "a/A/sheet.xlsx", rows)
    write_clip(tmp_path / "SAMM/SAMM/901/901_1_1/901_1_1", 9998, 10006, "901", 5)
    folder = tmp_path / "SAMM/SAMM/901/901_1_1/901_1_1"
    for name in ("._901_09998.jpg", "Thumbs.db", ".DS_Store", "desktop.ini"):
        (folder / name).write_bytes(b"junk")
    write_clip(tmp_path / "__MACOSX/901_1_1", 1, 2)
    (tmp_path / "~$sheet.xlsx").write_bytes(b"junk")
    (tmp_path / "notes.xlsx").write_bytes(b"no workbook")
    (tmp_path / "SAMM").rename(tmp_path / "samm")
    manifest = read(tmp_path)
    assert manifest.bad == ()
    assert [sample.path for sample in manifest.samples] == ["samm/SAMM/901/901_1_1/901_1_1"]


def test_the_root_may_be_a_link(root):
    link = root.parent / f"{root.name}-link"
    link.symlink_to(root)
    assert read(link) == read(root)


BROKEN = [
    (row("904_1_1", 1, 2, 3), "no folder with images of this clip"),
    (row("../../x", 1, 2, 3, subject=901), "expected one like '006_1_2'"),
    (row("901_1_9", 1, 2, 3, subject=902), "Subject '902' is not the one"),
    (row("901_1_9", "=A1", 2, 3), "onset is ''"),
    (row("901_1_9", 1, 2, "#REF!"), "offset is '#REF!'"),
    (row("901_1_9", 1, "#REF!", 3), "apex is '#REF!'"),
    (row("901_1_9", 1.5, 2, 3), "onset is '1.5'"),
    (row("901_1_9", 3, 2, 1), "none of 3 … 1|after offset"),
    (row("901_1_9", 2, 2, 2), "same frame"),
    (row("901_1_9", 1000, 1001, 1002), "holds frames 1 … 3, none of 1000 … 1002"),
    (row("901_1_9", 1, 2, 3, emotion="smug"), "emotion is 'smug'"),
    (row("901_1_9", 1, 2, 3, emotion=None), "emotion is ''"),
    (["a note below the table"], "Filename is ''"),
]


@pytest.mark.parametrize(("cells", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_row_says_why_and_the_others_go_on(root, cells, reason):
    if "901_1_9" in cells:
        write_clip(root / "SAMM/901/901_1_9", 1, 3)
    write_sheet(root / "SAMM_Micro_FACS_Codes_v2.xlsx", [*ROWS, [], cells])
    manifest = read(root)
    assert len(manifest.samples) == 4
    (bad,) = manifest.bad
    assert "row 20" in bad.sample_id  # 13 of preamble, the header, 4 rows, a blank one
    assert any(words in bad.reason for words in reason.split("|")), bad.reason


@pytest.mark.parametrize("cell", [None, "/", "-", " "])
def test_a_blank_apex_is_the_midpoint(tmp_path, cell):
    rows = [row("903_1_4", 1, cell, 7)]
    write_sheet(tmp_path / "s.xlsx", rows)
    write_clips(tmp_path, rows)
    (sample,) = read(tmp_path).samples
    assert (sample.apex, sample.apex_source) == (4, "midpoint")


def test_a_clip_in_two_folders_is_not_chosen_between(root):
    write_clip(root / "SAMM_CROP/901/901_1_1", 9998, 10006)
    manifest = read(root)
    assert len(manifest.samples) == 3
    assert "SAMM/901/901_1_1, SAMM_CROP/901/901_1_1" in manifest.bad[0].reason


def test_two_images_of_one_number_cost_that_clip(root):
    (root / "SAMM/902/902_3_1/72.jpg").write_bytes(jpeg())
    manifest = read(root)
    assert len(manifest.samples) == 3
    assert "two images have the number 72" in manifest.bad[0].reason


def test_a_clip_without_numbers_is_told(tmp_path):
    write_sheet(tmp_path / "s.xlsx", ROWS[:1])
    (tmp_path / "901_1_1").mkdir()
    (tmp_path / "901_1_1/cover.jpg").write_bytes(jpeg())
    (bad,) = read(tmp_path).bad
    assert "no image in 901_1_1 has a number" in bad.reason


def test_a_sheet_of_the_first_version_has_no_emotion_and_is_not_taken(tmp_path):
    write_sheet(tmp_path / "v1.xlsx", [cells[:9] for cells in ROWS], 10, HEADER[:9])
    write_clips(tmp_path / "SAMM")
    with pytest.raises(MerError, match=r"no sheet with the columns Subject, .*Estimated Emotion"):
        read(tmp_path)


def test_a_root_without_a_sheet_shows_the_tree_that_is_expected(tmp_path):
    write_clips(tmp_path / "SAMM")
    with pytest.raises(MerError, match="no sheet") as error:
        read(tmp_path)
    assert "SAMM/006/006_1_2/006_05562.jpg" in error.value.remedy


def test_a_root_without_clips_shows_the_tree_that_is_expected(tmp_path):
    write_sheet(tmp_path / "s.xlsx")
    write_clip(tmp_path / "elsewhere", 1, 3)
    with pytest.raises(MerError, match="no folder of images") as error:
        read(tmp_path)
    assert "SAMM/006/006_1_2/006_05562.jpg" in error.value.remedy


def test_a_root_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MerError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")


def test_a_zip_bomb_is_refused_before_it_is_parsed(tmp_path, monkeypatch):
    write_clips(tmp_path)
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        out.writestr("xl/worksheets/sheet1.xml", bytes(65 * 2**20))
    assert (tmp_path / "bomb.xlsx").stat().st_size < 2**20
    monkeypatch.setattr(openpyxl, "load_workbook", lambda *_, **__: pytest.fail("was parsed"))
    with pytest.raises(MerError, match=r"bomb\.xlsx: unpacks to 65 MiB; refused"):
        read(tmp_path)


def test_a_pipe_or_a_link_out_of_the_root_is_no_sheet(tmp_path):
    write_sheet(tmp_path / "other/s.xlsx")
    root = tmp_path / "root"
    write_clips(root)
    os.mkfifo(root / "pipe.xlsx")
    (root / "link.xlsx").symlink_to(tmp_path / "other/s.xlsx")
    with pytest.raises(MerError, match=r"link\.xlsx: .*leaves the root.*pipe\.xlsx: not a regular"):
        read(root)


def test_a_workbook_cut_short_is_refused(root):
    sheet = root / "SAMM_Micro_FACS_Codes_v2.xlsx"
    sheet.write_bytes(sheet.read_bytes()[:-500])
    with pytest.raises(MerError, match="not an Excel workbook"):
        read(root)


def test_a_stated_size_of_one_cell_does_not_hide_the_rows(root):
    sheet = root / "SAMM_Micro_FACS_Codes_v2.xlsx"
    with zipfile.ZipFile(sheet) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    name = "xl/worksheets/sheet1.xml"
    lie = members[name].replace(b'<dimension ref="A1:L18"', b'<dimension ref="A1:A1"')
    assert lie != members[name]
    with zipfile.ZipFile(sheet, "w") as packed:
        for member, content in (members | {name: lie}).items():
            packed.writestr(member, content)
    assert len(read(root).samples) == 4


EMOTIONS = {
    **{"Anger": 57, "Other": 26, "Happiness": 26, "Surprise": 15},
    **{"Contempt": 12, "Disgust": 9, "Fear": 8, "Sadness": 6},
}
SUBJECTS = {
    **{6: 11, 7: 10, 9: 4, 10: 4, 11: 20, 12: 3, 13: 6, 14: 11, 15: 3, 16: 5, 17: 6, 18: 4},
    **{19: 3, 20: 9, 21: 2, 22: 5, 23: 1, 24: 1, 25: 4, 26: 13, 28: 3, 30: 3, 31: 1, 32: 6},
    **{33: 5, 34: 3, 35: 9, 36: 1, 37: 3},
}


def write_whole(root):
    """159 rows with the published counts of each subject and emotion, the rest invented."""
    # 025 has only Other; 024 and 036 have none of the five classes, the others some.
    few = {25: "Other", 24: "Disgust", 36: "Fear"}
    places = [(subject, k) for subject, count in SUBJECTS.items() for k in range(count)]
    fixed = [few.get(subject, None if k else "Anger") for subject, k in places]
    rows = []
    for (subject, k), emotion in zip(places, deal(EMOTIONS, fixed), strict=True):
        clip = f"{subject:03}_{1 + k % 7}_{1 + k // 7}"
        rows.append(row(clip, 1000 * k + 71, 1000 * k + 90, 1000 * k + 144, emotion=emotion))
        digits = 5 if subject % 2 else 4
        names = [f"{subject:03}_{1000 * k + n:0{digits}}.jpg" for n in (71, 90, 144)]
        empty_images(root / f"SAMM/{subject:03}" / clip, names)
    write_sheet(root / "SAMM_Micro_FACS_Codes_v2.xlsx", rows)


def test_159_movements_of_29_people_with_the_published_counts(tmp_path):
    write_whole(tmp_path)
    manifest = read(tmp_path)
    assert manifest.bad == ()
    assert len(manifest.samples) == 159
    ours = {name.lower(): count for name, count in EMOTIONS.items()}
    ours["others"] = ours.pop("other")
    assert Counter(sample.emotion for sample in manifest.samples) == ours
    persons = Counter(sample.subject for sample in manifest.samples)
    assert persons == {f"{subject:03}": count for subject, count in SUBJECTS.items()}
    assert len(persons) == 29
    assert {sample.apex_source for sample in manifest.samples} == {"sheet"}
    assert {sample.note for sample in manifest.samples} == {""}


# What the sheet says, and the last image of the clip's folder.
ERRATA = {
    "samm_013_1_9": (5658, 5680, 5793, 5739),
    "samm_028_4_1": (1071, 1143, 1134, 1134),
    "samm_032_3_1": (4896, 1930, 4970, 4970),
}


@pytest.mark.parametrize("sample_id", errata.load("samm"))
def test_an_erratum_mends_its_row_and_says_so(tmp_path, monkeypatch, sample_id):
    erratum = errata.load("samm")[sample_id]
    clip = sample_id.removeprefix("samm_")
    onset, apex, offset, last = ERRATA[sample_id]
    write_sheet(tmp_path / "s.xlsx", [row(clip, onset, apex, offset)])
    numbers = range(onset, last + 1)
    empty_images(tmp_path / clip[:3] / clip, [f"{clip[:3]}_{n:04}.jpg" for n in numbers])
    (sample,) = read(tmp_path).samples
    assert {name: getattr(sample, name) for name in erratum.use} == erratum.use
    assert sample.apex_source == ("patched" if "apex" in erratum.use else "sheet")
    assert erratum.reason in sample.note
    assert erratum.source in sample.note
    monkeypatch.setattr(errata, "load", lambda name: {})
    (plain,) = read(tmp_path).samples
    assert plain != sample
    if "apex" in erratum.use:
        assert (plain.apex, plain.apex_source) == ((onset + offset) // 2, "midpoint")
    else:
        assert plain.note == "offset 5793 → 5739: there is no frame 5793"


@pytest.mark.parametrize(
    ("clip", "onset", "apex", "offset"),
    [("028_4_1", 1071, 1113, 1134), ("032_3_1", 4896, 4945, 4970), ("032_3_2", 5126, 5127, 5207)],
)
def test_a_copy_edited_by_hand_and_an_odd_but_valid_apex_stay(tmp_path, clip, onset, apex, offset):
    write_sheet(tmp_path / "s.xlsx", [row(clip, onset, apex, offset)])
    numbers = range(onset, offset + 1)
    empty_images(tmp_path / clip[:3] / clip, [f"{clip[:3]}_{n:04}.jpg" for n in numbers])
    (sample,) = read(tmp_path).samples
    assert (sample.apex, sample.apex_source, sample.note) == (apex, "sheet", "")


UNITS = {
    "(R6 or R12)+R15": {6, 12, 15},
    "(R6 or R12) + R15": {6, 12, 15},
    "L12 or L14": {12, 14},
    "R12 or R14": {12, 14},
    "R14A or 17A or 24A": {14, 17, 24},
    "ref(7B)+43": {7, 43},
    "ref(7B)+43C": {7, 43},
    "7B+ ref(43)": {7, 43},
    "ref(L10)+A12B": {10, 12},
    "12A+ref(24)": {12, 24},
    "A9E+ref(10)": {9, 10},
    "ref(5)+20C+25+26": {5, 20, 25, 26},
    "7D+ref(43)": {7, 43},
    "4D+ref(6)+7C+43E": {4, 6, 7, 43},
    "10A/B": {10},
    "4A/B": {4},
    "A/L12": {12},
    "L12 + 61": {12, 61},
    "R14+17+soft focus": {14, 17},
    "12+15 ": {12, 15},
    "R10A+25+26": {10, 25, 26},
    "4B+7B+43E": {4, 7, 43},
    "12+39": {12, 39},
    "4+38": {4, 38},
}


@pytest.mark.parametrize("text", UNITS)
def test_every_special_string_of_action_units_is_kept_and_understood(tmp_path, text):
    rows = [row("901_1_1", 9998, 10003, 10006, aus=text)]
    write_sheet(tmp_path / "s.xlsx", rows)
    write_clips(tmp_path, rows)
    (sample,) = read(tmp_path).samples
    assert (sample.action_units, sample.note) == (text.strip(), "")
    assert {unit.number for unit in action_units(sample.action_units)} == UNITS[text]


def test_action_units_that_are_none_are_told_and_the_sample_stays(tmp_path):
    rows = [row("903_1_4", 1, 2, 7, aus="smile + 12")]
    write_sheet(tmp_path / "s.xlsx", rows)
    write_clips(tmp_path, rows)
    (sample,) = read(tmp_path).samples
    assert sample.action_units == "smile + 12"
    assert sample.note == "action unit 'smile' is none of FACS"


def test_a_clip_without_a_row_and_a_folder_that_is_a_link_are_told(root):
    write_clip(root / "SAMM/905/905_1_1", 1, 3)
    write_clip(root / "SAMM/905/905_1", 1, 3)  # one of the long videos: no clip
    (root / "elsewhere").symlink_to(root / "SAMM")
    manifest = read(root)
    assert len(manifest.samples) == 4
    assert [(bad.sample_id, bad.reason) for bad in manifest.remarks] == [
        ("SAMM/905/905_1_1", "SAMM_Micro_FACS_Codes_v2.xlsx has no row of this clip"),
        ("elsewhere", "a link to a folder is not followed"),
    ]


def test_it_says_what_it_is():
    assert DATASET.about == "SAMM (159 clips, 29 subjects, 200 fps, grey)"
