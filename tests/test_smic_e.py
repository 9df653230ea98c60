"""SMIC-E in form only: both sheets with invented frame numbers, official trees and names."""

from collections import Counter

import pytest

from features.console import MerError
from pipeline.datasets import base, smic_e
from tests.releases import empty_images, images, workbook
from tests.smic_clips import FOLDERS, HS, names

TOP = "SMIC-E_raw image/HS_long/SMIC-HS-E/HS"
SHEET = "SMIC-HS-E_annotation.xlsx"
FRAMES = ("OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F")
LENGTHS = ("FirstF", "LastF", "TotalMF1", "TotalMF2", "TotalMF3", "TotalVL", "Emotion")
OF_157 = ["Subject", "Filename", None, *FRAMES, None, *LENGTHS, None, None]
OF_162 = [title for title in OF_157 if title not in ("Onset3F", "Offset3F", "TotalMF3")]
OF_VIS = [title for title in OF_162 if title != "LastF"]

LOST = ("s1_ne_02", "s2_sur_05", "s3_ne_20")
FURTHER = {"s3_ne_03": "s3_ne_02", "s4_ne_05": "s4_ne_04", "s4_ne_06": "s4_ne_04"}
FURTHER |= {"s9_sur_02": "s9_sur_01"}
TWO = ("s20_ne_06", "s20_ne_09", "s20_sur_02", "s18_ne_01", "s18_sur_03", "s3_ne_02", "s9_sur_01")


def row(clip, *spans, first=1000, last=1009, **others):
    """Cells of a clip by title: its micro-expressions, then the long clip's ends."""
    subject, word, _ = clip.split("_")
    cells = {"Subject": int(subject[1:]), "Filename": clip, "Emotion": FOLDERS[word]}
    for k, (onset, offset) in zip(("", "2", "3"), spans, strict=False):
        cells |= {f"Onset{k}F": onset, f"Offset{k}F": offset}
        cells |= {f"TotalMF{k or 1}": offset - onset + 1}
    return cells | {"FirstF": first, "LastF": last, "TotalVL": last - first + 1} | others


def table(rows, header):
    return [header, *([cells.get(title) for title in header] for cells in rows)]


def write(root, *rows, header=OF_157, vis=(), name=SHEET):
    sheets = {"HS": table(rows, header), "VIS": table(vis, OF_VIS), "Sheet2": [], "Sheet3": []}
    workbook(root / name, sheets)
    return root


def film(root, *clips, frames=range(1000, 1010), top=TOP):
    for clip in clips:
        subject = int(clip.split("_")[0][1:])
        empty_images(root / top / f"s{subject:02}" / clip, [f"image{n:06}.jpg" for n in frames])
    return root


def spans(manifest):
    return [(s.clip, s.onset, s.offset) for s in manifest.samples]


ONE = row("s1_ne_01", (1002, 1006))


def test_a_long_clip_is_read_with_the_apex_half_way(tmp_path):
    write(tmp_path, row("s3_po_08", (402194, 402198), first=402190, last=402199))
    folder = tmp_path / TOP / "s03/s3_po_08"
    images(folder, [f"image{n:06}.jpg" for n in range(402190, 402200)])
    manifest = smic_e.read(tmp_path)
    assert manifest.bad == ()
    (sample,) = manifest.samples
    assert sample.sample_id == "smic_e_s3_po_08_402194"
    assert (sample.dataset, sample.subject, sample.clip) == ("smic_e", "3", "s3_po_08")
    assert sample.path == f"{TOP}/s03/s3_po_08"
    assert (sample.first_frame, sample.fps, sample.emotion) == (402190, 100.0, "positive")
    assert (sample.onset, sample.apex, sample.offset) == (402194, 402196, 402198)
    assert (sample.apex_source, sample.missing_frames) == ("midpoint", "refuse")
    assert (sample.action_units, sample.note) == ("", "")


def whole():
    """A row of every clip that has one in the sheet of 157 rows, left-overs and all."""
    for clip in names(HS):
        if clip in (*LOST, *FURTHER):
            continue
        found = [(1001, 1002)]
        if clip in TWO:
            found = [(1001, 1002), (1004, 1005)]
        left_overs = {"Onset3F": -1, "Offset3F": 1009, "TotalMF3": 1011}
        if clip == "s4_ne_04":
            found, left_overs = [(1001, 1002), (1004, 1005), (1007, 1008)], {}
        if clip == "s9_sur_01":
            left_overs = {"Onset3F": 1004, "Offset3F": 1005, "TotalMF3": 2}
        if clip == "s18_sur_03":
            found = found[::-1]
        yield row(clip, *found, **left_overs)


def test_the_whole_release_has_157_clips_and_166_micro_expressions_of_16_people(tmp_path):
    rows = list(whole())
    assert len(rows) == 157
    write(tmp_path, *rows)
    film(tmp_path, *(cells["Filename"] for cells in rows), frames=(1000, 1001, 1002, 1009))
    for clip in (*TWO, "s4_ne_04"):
        film(tmp_path, clip)
    manifest = smic_e.read(tmp_path)
    assert manifest.bad == ()
    assert len(manifest.samples) == 166
    assert len({sample.subject for sample in manifest.samples}) == 16
    counts = Counter(sample.clip for sample in manifest.samples)
    assert len(counts) == 157
    assert {clip: n for clip, n in counts.items() if n > 1} == dict.fromkeys(TWO, 2) | {
        "s4_ne_04": 3
    }


def test_the_sheet_of_162_rows_says_the_same(tmp_path):
    rows = [cells for cells in whole()]
    onsets = {"s3_ne_03": 1004, "s4_ne_05": 1004, "s4_ne_06": 1007, "s9_sur_02": 1004}
    rows += [row(clip, (onset, onset + 1)) for clip, onset in onsets.items()]
    rows.append(row("s3_ne_20", (1004, 1005), FirstF="MISSING <-426679", LastF=None))
    assert len(rows) == 162
    write(tmp_path, *rows, header=OF_162)
    film(tmp_path, *(r["Filename"] for r in rows[:157]), frames=[*range(1000, 1009)])
    manifest = smic_e.read(tmp_path)
    assert len(manifest.samples) == 166
    (bad,) = manifest.bad
    assert "s3_ne_20" in bad.sample_id
    assert "the recording is lost: FirstF is 'MISSING <-426679'" in bad.reason


def test_a_further_micro_expression_with_a_row_of_its_own_lies_in_the_long_clip(tmp_path):
    rows = [row("s4_ne_04", (1001, 1002)), row("s4_ne_05", (1004, 1005))]
    write(tmp_path, *rows, header=OF_162)
    film(tmp_path, "s4_ne_04")
    manifest = smic_e.read(tmp_path)
    assert manifest.bad == ()
    assert spans(manifest) == [("s4_ne_04", 1001, 1002), ("s4_ne_04", 1004, 1005)]
    assert [sample.sample_id for sample in manifest.samples] == [
        "smic_e_s4_ne_04_1001",
        "smic_e_s4_ne_04_1004",
    ]
    assert "the sheet calls it s4_ne_05" in manifest.samples[1].note


def test_a_further_micro_expression_with_a_folder_of_its_own_is_taken_from_there(tmp_path):
    rows = [row("s4_ne_04", (1001, 1002)), row("s4_ne_05", (1004, 1005))]
    write(tmp_path, *rows, header=OF_162)
    film(tmp_path, "s4_ne_04", "s4_ne_05")
    assert [s.path[-8:] for s in smic_e.read(tmp_path).samples] == ["s4_ne_04", "s4_ne_05"]


def test_the_second_may_come_before_the_first(tmp_path):
    write(tmp_path, row("s18_sur_03", (1005, 1008), (1001, 1003)))
    film(tmp_path, "s18_sur_03")
    manifest = smic_e.read(tmp_path)
    assert manifest.bad == ()
    assert spans(manifest) == [("s18_sur_03", 1001, 1003), ("s18_sur_03", 1005, 1008)]


def test_the_name_decides_the_emotion_where_the_cell_differs(tmp_path):
    write(tmp_path, row("s18_sur_03", (1001, 1003), Emotion="Negative"), ONE)
    film(tmp_path, "s18_sur_03", "s1_ne_01")
    wrong, right = smic_e.read(tmp_path).samples
    assert (wrong.clip, wrong.emotion) == ("s18_sur_03", "surprise")
    assert "emotion negative → surprise: the clip's name is right" in wrong.note
    assert (right.emotion, right.note) == ("negative", "")


@pytest.mark.parametrize(
    ("third", "taken"),
    [
        ((1007, 1009), True),
        ((1004, 1005), False),  # the second again
        ((1005, 1007), False),
        ((1008, 1010), False),  # beyond LastF
        ((1008, 1008), False),
        ((-1, 1009), False),
        (("#REF!", 1009), False),
    ],
)
def test_a_third_counts_only_behind_the_second_and_within_the_clip(tmp_path, third, taken):
    extra = dict(zip(("Onset3F", "Offset3F"), third, strict=True))
    write(tmp_path, row("s9_sur_01", (1001, 1002), (1004, 1005), **extra))
    film(tmp_path, "s9_sur_01", frames=range(1000, 1020))
    manifest = smic_e.read(tmp_path)
    assert manifest.bad == ()
    assert len(manifest.samples) == 2 + taken
    is_frame = isinstance(third[0], int) and third[0] > 0
    told = f"Onset3F {third[0]} is left out" in manifest.samples[1].note
    assert told == (is_frame and not taken)


@pytest.mark.parametrize("offset", [-1, 1003])
@pytest.mark.parametrize("onset", [None, 0, "/"])
def test_left_overs_without_a_second_are_no_micro_expressions(tmp_path, onset, offset):
    extra = {"Onset2F": onset, "Offset2F": offset, "Onset3F": 1007, "Offset3F": 1008}
    write(tmp_path, row("s1_ne_01", (1001, 1002), **extra))
    film(tmp_path, "s1_ne_01")
    manifest = smic_e.read(tmp_path)
    assert (manifest.bad, len(manifest.samples)) == ((), 1)


def test_the_folder_is_believed_where_first_and_last_do_not_hold_the_onset(tmp_path):
    ends = {"first": 650000, "last": 650699}
    write(tmp_path, row("s1_ne_03", (658536, 658540), **ends))
    film(tmp_path, "s1_ne_03", frames=range(658530, 658545))
    manifest = smic_e.read(tmp_path)
    assert (manifest.bad, spans(manifest)) == ((), [("s1_ne_03", 658536, 658540)])
    assert manifest.samples[0].first_frame == 658530
    assert "not within FirstF 650000 … LastF 650699" in manifest.samples[0].note


LOST_CACHE = "=D2+M2-1"  # a formula that is written without its value


def test_formulas_whose_values_were_not_saved_are_computed(tmp_path):
    near = row("s4_ne_04", (1001, 1002), (1004, 1005), (1007, 1008))
    near |= dict.fromkeys(("OffsetF", "Offset2F", "Offset3F", "LastF"), LOST_CACHE)
    # FirstF = 1100 - 4 * (300 - 275) = 1000, LastF = 1000 + 4 * 50 - 1 = 1199
    far = row("s11_ne_01", (1100, 1110), (1120, 1130), (1140, 1199))
    far |= dict.fromkeys(("OffsetF", "FirstF", "LastF", "TotalVL"), LOST_CACHE)
    beside = {"Filename": "s11_ne_01", "OnsetF": 300, "FirstF": 275, "TotalVL": 50}
    write(tmp_path, near, far, vis=[beside])
    film(tmp_path, "s4_ne_04")
    film(tmp_path, "s11_ne_01", frames=range(1000, 1210))
    manifest = smic_e.read(tmp_path)
    assert manifest.bad == ()
    assert spans(manifest) == [
        ("s11_ne_01", 1100, 1110),
        ("s11_ne_01", 1120, 1130),
        ("s11_ne_01", 1140, 1199),
        ("s4_ne_04", 1001, 1002),
        ("s4_ne_04", 1004, 1005),
        ("s4_ne_04", 1007, 1008),
    ]
    assert {sample.note for sample in manifest.samples} == {""}
    # A frame later it would lie beyond the LastF that the formula gives.
    write(tmp_path, near, far | {"Offset3F": 1200}, vis=[beside])
    assert len(smic_e.read(tmp_path).samples) == 5


def test_values_that_were_saved_are_not_computed_again(tmp_path):
    lost = row("s11_ne_02", (1001, 1002)) | dict.fromkeys(("FirstF", "LastF"), LOST_CACHE)
    three = (1001, 1002), (1004, 1005), (1007, 1008)
    clips = ["s11_ne_01", "s11_ne_03"]
    rows = [row(clips[0], *three, TotalVL=5), row(clips[1], *three, TotalVL=None, LastF=None)]
    beside = [
        {"Filename": clips[0], "OnsetF": 251, "FirstF": 250, "TotalVL": 1},
        {"Filename": clips[1], "OnsetF": 351, "FirstF": 250, "TotalVL": 3},  # 12 frames of HS
    ]
    write(tmp_path, lost, *rows, vis=beside)
    film(tmp_path, "s11_ne_02", *clips)
    manifest = smic_e.read(tmp_path)
    assert (len(manifest.samples), manifest.bad) == (7, ())
    assert {sample.note for sample in manifest.samples} == {""}


def test_without_the_vis_sheet_only_a_third_cannot_be_told(tmp_path):
    far = row("s11_ne_01", (1100, 1110), (1120, 1130), (1140, 1150))
    workbook(
        tmp_path / SHEET,
        {"HS": table([far | dict.fromkeys(("FirstF", "LastF", "TotalVL"))], OF_157)},
    )
    film(tmp_path, "s11_ne_01", frames=range(1000, 1210))
    assert len(smic_e.read(tmp_path).samples) == 2


def test_sheets_are_known_by_their_columns_not_their_names(tmp_path):
    sheets = {
        "a": table([ONE | {"OnsetF": 250, "OffsetF": 251}], OF_VIS),
        "b": table([ONE], [title and f" {title.upper()} " for title in OF_162]),
    }
    sheets["b"][1] = table([ONE], OF_162)[1]
    workbook(tmp_path / "docs/renamed.xlsx", sheets)
    nir = [("OnsetF NIR" if title == "OnsetF" else title) for title in OF_VIS]
    workbook(tmp_path / "SMIC-NIR-E_annotation.xlsx", {"NIR": table([ONE], nir)})
    film(tmp_path, "s1_ne_01")
    assert spans(smic_e.read(tmp_path)) == [("s1_ne_01", 1002, 1006)]


def test_both_sheets_side_by_side_are_not_chosen_between(tmp_path):
    write(tmp_path, ONE)
    write(tmp_path, row("s1_ne_01", (1003, 1006)), header=OF_162, name="x_orig.xlsx")
    film(tmp_path, "s1_ne_01")
    with pytest.raises(MerError, match="several sheets that differ"):
        smic_e.read(tmp_path)


def test_lines_of_text_below_the_rows_are_no_rows(tmp_path):
    notes = [{"Subject": "Onset: the first frame"}, {"Filename": "total", "TotalVL": 92598}]
    write(tmp_path, ONE, *notes)
    film(tmp_path, "s1_ne_01")
    manifest = smic_e.read(tmp_path)
    assert (len(manifest.samples), manifest.bad) == (1, ())


@pytest.mark.parametrize(
    "top",
    ["HS_long/SMIC_HS_E", "SMIC-E_raw image/HS_long/SMIC-HS-E", "HS_long/HS_long/SMIC-HS-E/hs"],
)
def test_the_trees_in_use_are_all_read_and_the_other_clips_left_alone(tmp_path, top):
    write(tmp_path, ONE)
    film(tmp_path, "s1_ne_01", top=top)
    for name in ("Thumbs.db", "._image000001.jpg"):
        (tmp_path / top / "s01/s1_ne_01" / name).touch()
    film(tmp_path, "s1_ne_01", top="VIS_long/SMIC_VIS_E/SMIC_VIS_E/VIS")
    film(tmp_path, "s1_ne_01", top="NIR_long/SMIC-NIR-E/NIR")
    empty_images(tmp_path / "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01", ["image001002.bmp"])
    empty_images(tmp_path / "SMIC_all_raw/HS/s1/non_micro/s1_ne_01", ["image001002.bmp"])
    manifest = smic_e.read(tmp_path)
    assert manifest.bad == ()
    assert [sample.path for sample in manifest.samples] == [f"{top}/s01/s1_ne_01"]


def test_raw_images_are_taken_before_cropped_ones(tmp_path):
    write(tmp_path, ONE)
    film(tmp_path, "s1_ne_01", top="SMIC-E_cropped/HS_long/SMIC-HS-E")
    film(tmp_path, "s1_ne_01")
    assert [s.path for s in smic_e.read(tmp_path).samples] == [f"{TOP}/s01/s1_ne_01"]


BROKEN = [
    (row("s1_ne_09", (1, 2)), "no folder with images of this clip"),
    (row("s2_ne_01", (1, 2), Subject=3), "Subject '3' is not the one of Filename 's2_ne_01'"),
    (row("s2_ne_01", (1, 2), Filename="s2_ne_1"), "Filename is 's2_ne_1'; expected one like"),
    (row("s2_ne_01", OnsetF="=A1", OffsetF=1003), "OnsetF is ''"),
    (row("s2_ne_01", OnsetF=1001, OffsetF="#REF!", TotalMF1=3), "OffsetF is '#REF!'"),
    (row("s2_ne_01", OnsetF=1001), "OffsetF is ''"),
    (row("s2_ne_01", (5001, 5002)), "holds frames 1000 … 1009, none of 5001 … 5002"),
    (row("s2_ne_01", (1004, 1004)), "onset and offset are the same frame"),
]


@pytest.mark.parametrize(("cells", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_row_says_why_and_the_others_go_on(tmp_path, cells, reason):
    write(tmp_path, ONE, {}, cells)
    film(tmp_path, "s1_ne_01", *(["s2_ne_01"] if "s2_ne_01" in str(cells) else []))
    manifest = smic_e.read(tmp_path)
    assert spans(manifest) == [("s1_ne_01", 1002, 1006)]
    bad = manifest.bad[0]
    assert f"{SHEET} row 4" in bad.sample_id
    assert reason in bad.reason


def test_a_broken_second_does_not_cost_the_first(tmp_path):
    write(tmp_path, row("s20_ne_06", (1001, 1002), Onset2F="?1004", Offset2F=1005))
    film(tmp_path, "s20_ne_06")
    manifest = smic_e.read(tmp_path)
    assert spans(manifest) == [("s20_ne_06", 1001, 1002)]
    (bad,) = manifest.bad
    assert bad.sample_id == f"{SHEET} row 2 (s20_ne_06) micro-expression 2"
    assert "Onset2F is '?1004'" in bad.reason


def test_a_row_that_stands_twice_is_told(tmp_path):
    write(tmp_path, ONE, ONE)
    film(tmp_path, "s1_ne_01")
    (bad,) = smic_e.read(tmp_path).bad
    assert "stands in more than one row" in bad.reason


def test_a_folder_without_a_row_is_told(tmp_path):
    write(tmp_path, ONE, row("s9_sur_01", (1001, 1002)))
    film(tmp_path, "s1_ne_01", "s1_ne_02", "s9_sur_01", "s9_sur_02")
    (tmp_path / TOP / "s02").symlink_to(tmp_path / TOP / "s01")
    reasons = {bad.sample_id.split("/")[-1]: bad.reason for bad in smic_e.read(tmp_path).remarks}
    assert reasons == {
        "s1_ne_02": "no row of the sheet names this clip",
        "s9_sur_02": "the sheet counts it among the micro-expressions of s9_sur_01",
        "s02": "a link to a folder is not followed",
    }


def test_a_root_without_sheet_or_clips_shows_the_tree_that_is_expected(tmp_path):
    film(tmp_path / "clips", "s1_ne_01")
    with pytest.raises(MerError, match="no sheet with the columns") as error:
        smic_e.read(tmp_path / "clips")
    assert "HS_long/SMIC-HS-E/HS/s03/s3_ne_01" in error.value.remedy
    write(tmp_path / "sheet", ONE)
    film(tmp_path / "sheet", "s1_ne_01", top="VIS_long")
    with pytest.raises(MerError, match="no long clip of SMIC HS") as error:
        smic_e.read(tmp_path / "sheet")
    assert "SMIC-HS-E_annotation.xlsx" in error.value.remedy


def test_it_says_what_it_is():
    about = "SMIC-E HS (157 long clips, 166 micro-expressions, 100 fps)"
    assert base.load("smic_e").about == about
