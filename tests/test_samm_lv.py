"""The long videos in form only: invented movements within a few empty images."""

import pytest

from features.console import MerError
from pipeline import errata
from pipeline.datasets.samm_lv import DATASET, read
from tests.releases import empty_images, images, workbook

HEADER = [
    *("Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset"),
    *("Duration", "Type", "Action Units", "Notes"),
]
MICRO = "Micro - 1/2"


def row(clip, onset, apex, offset, kind=MICRO, aus="4B+7", subject=None):
    subject = clip[:3] if subject is None else subject
    return [subject, clip, 1, onset, apex, offset, "=F11-D11+1", kind, aus, None]


def write_sheet(path, rows, preamble=9):
    before = [[f"Preamble {n}", None, "cite us"] for n in range(preamble)]
    return workbook(path, {"FACS_Movement_Only": [*before, HEADER, *rows]})


def write_samm(path, rows):
    """SAMM's own sheet: (clip, onset, emotion)."""
    header = ["Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame"]
    header += ["Offset Frame", "Duration", "Micro", "Action Units", "Estimated Emotion"]
    cells = [[c[:3], c, 1, on, on + 9, on + 70, 71, MICRO, "4", felt] for c, on, felt in rows]
    return workbook(path, {"MICRO_ONLY": [*([["cite us"]] * 13), header, *cells]})


def write_video(tree, video, last, digits=4, step=1):
    names = [f"{video}_{n:0{digits}}.jpg" for n in [*range(1, last, step), last]]
    return empty_images(tree / video, names)


ROWS = [
    row("901_1_1", 12.0, 20.4, 40.0),  # frames are kept as fractions
    row("901_1_2", 30, 35, 90, kind="Macro"),
    row("902_3_1", 5, 9, 30, aus=12),
]


@pytest.fixture
def root(tmp_path):
    write_sheet(tmp_path / "SAMM_LongVideos_V1_Release.xlsx", ROWS)
    write_video(tmp_path / "SAMM_longvideos", "901_1", 60, digits=5)
    write_video(tmp_path / "SAMM_longvideos", "902_3", 40)
    write_video(tmp_path / "SAMM_longvideos", "903_1", 10)  # nobody moved in it
    return tmp_path


def test_the_micro_movements_are_samples_within_their_whole_videos(root):
    manifest = read(root)
    assert manifest.bad == ()
    first, second = manifest.samples
    assert (first.sample_id, first.dataset, first.subject, first.clip) == (
        *("samm_lv_901_1_1", "samm_lv"),
        *("901", "901_1_1"),
    )
    assert (first.path, first.first_frame, first.fps) == ("SAMM_longvideos/901_1", 1, 200.0)
    assert (first.onset, first.apex, first.offset, first.apex_source) == (12, 20, 40, "sheet")
    assert (first.emotion, first.action_units, first.note) == ("", "4B+7", "")
    assert (second.sample_id, second.action_units) == ("samm_lv_902_3_1", "12")


def test_macro_expressions_are_left_out_by_rule(root):
    assert "901_1_2" not in {sample.clip for sample in read(root).samples}


def test_343_macro_rows_leave_the_159_micro_ones(tmp_path):
    videos = [f"{subject:03}_{k}" for subject in range(901, 930) for k in range(1, 6)]
    videos += ["930_1", "930_2"]
    rows = []
    for k in range(159):
        rows.append(row(f"{videos[k % 145]}_{1 + k // 145}", 101, 120, 201))
    for k in range(343):
        rows.append(row(f"{videos[k % 147]}_{8 + k // 147}", 0, 0, 5000, kind="Macro"))
    write_sheet(tmp_path / "SAMM_LongVideos_V3_Release.xlsx", rows)
    for video in videos:
        write_video(tmp_path / "SAMM_longvideos", video, 400, step=100)
    manifest = read(tmp_path)
    assert manifest.bad == ()
    assert len(manifest.samples) == 159
    assert len({sample.subject for sample in manifest.samples}) == 29
    assert len(videos) == 147


@pytest.mark.parametrize(
    ("clip", "onset", "samms"),
    [("006_1_3", 12, 2012), ("014_1_1", 12, 511), ("018_7_2", 12, 10012), ("007_2_1", 12, 12)],
)
def test_the_emotion_comes_from_samm_where_the_cut_explains_the_onsets(
    tmp_path, clip, onset, samms
):
    write_sheet(tmp_path / "lv.xlsx", [row(clip, onset, 20, 40)])
    write_video(tmp_path, clip[:5], 60)
    write_samm(tmp_path / "SAMM/SAMM_Micro_FACS_Codes_v2.xlsx", [(clip, samms, "Happiness")])
    (sample,) = read(tmp_path).samples
    assert (sample.emotion, sample.note) == ("happiness", "")
    write_samm(tmp_path / "SAMM/SAMM_Micro_FACS_Codes_v2.xlsx", [(clip, samms + 1, "Happiness")])
    (sample,) = read(tmp_path).samples
    assert sample.emotion == ""
    assert sample.note == f"SAMM's sheet has no one emotion for {clip} with this onset"


def test_two_sheets_of_samm_that_disagree_give_no_emotion(tmp_path):
    write_sheet(tmp_path / "lv.xlsx", [row("007_2_1", 12, 20, 40)])
    write_video(tmp_path, "007_2", 60)
    write_samm(tmp_path / "a.xlsx", [("007_2_1", 12, "Fear")])
    write_samm(tmp_path / "b.xlsx", [("007_2_1", 12, "Fear")])
    assert [sample.emotion for sample in read(tmp_path).samples] == ["fear"]
    write_samm(tmp_path / "b.xlsx", [("007_2_1", 12, "Anger")])
    (sample,) = read(tmp_path).samples
    assert (sample.emotion, "no one emotion" in sample.note) == ("", True)


def test_the_clips_of_samm_beside_the_videos_are_not_taken_for_them(root):
    images(root / "SAMM/901/901_1_1", ["901_2012.jpg"])
    assert read(root).samples[0].path == "SAMM_longvideos/901_1"


def test_an_offset_past_the_last_image_moves_to_it_and_one_of_0_to_the_apex(tmp_path):
    write_sheet(tmp_path / "lv.xlsx", [row("901_1_1", 30, 35, 90), row("901_1_2", 10, 15, 0)])
    write_video(tmp_path, "901_1", 60)
    late, blank = read(tmp_path).samples
    assert (late.apex, late.offset, late.note) == (
        *(35, 60),
        "offset 90 → 60: there is no frame 90",
    )
    assert (blank.onset, blank.apex, blank.offset) == (10, 15, 15)


@pytest.mark.parametrize("apex", [49, 7, -5, "/", None])
def test_an_apex_outside_or_missing_gives_way_to_the_midpoint(tmp_path, apex):
    write_sheet(tmp_path / "lv.xlsx", [row("901_1_1", 10, apex, 40)])
    write_video(tmp_path, "901_1", 60)
    (sample,) = read(tmp_path).samples
    assert (sample.apex, sample.apex_source) == (25, "midpoint")


BROKEN = [
    (row("901_1_9", 0, 2, 3), "onset is 0"),
    (row("901_1_9", "=A1", 2, 3), "onset is ''"),
    (row("901_1_9", 1, "soon", 3), "apex is 'soon'"),
    (row("901_1_9", 1, 2, "#REF!"), "offset is '#REF!'"),
    (row("901_1_9", 1000, 1001, 1002), "holds frames 1 … 60, none of 1000 … 1002"),
    (row("901_1_9", 1, 2, 3, kind="Meso"), "Type is 'Meso'"),
    (row("901_1_9", 1, 2, 3, kind=None), "Type is ''"),
    (row("901_1", 1, 2, 3), "expected one like '006_1_2'"),
    (row("901_1_9", 1, 2, 3, subject=902), "Subject '902' is not the one"),
    (row("904_1_1", 1, 2, 3), "no folder with images of this clip"),
]


@pytest.mark.parametrize(("cells", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_row_says_why_and_the_others_go_on(root, cells, reason):
    write_sheet(root / "SAMM_LongVideos_V1_Release.xlsx", [*ROWS, [], cells])
    manifest = read(root)
    assert len(manifest.samples) == 2
    (bad,) = manifest.bad
    assert "row 15" in bad.sample_id  # 9 of preamble, the header, 3 rows, a blank one
    assert reason in bad.reason


def test_action_units_that_are_none_are_told_and_the_sample_stays(tmp_path):
    write_sheet(tmp_path / "lv.xlsx", [row("901_1_1", 10, 20, 40, aus="smile")])
    write_video(tmp_path, "901_1", 60)
    (sample,) = read(tmp_path).samples
    assert (sample.action_units, sample.note) == ("smile", "action unit 'smile' is none of FACS")


def test_doubled_levels_other_case_and_a_sheet_without_its_preamble(tmp_path):
    write_sheet(tmp_path / "A/A/renamed.XLSX", [row("901_1_1", 10, 20, 40, subject=901)], 0)
    write_video(tmp_path / "SAMM_LONGVIDEOS/SAMM_longvideos/901_1", "901_1", 60)
    manifest = read(tmp_path)
    assert manifest.bad == ()
    assert [s.path for s in manifest.samples] == ["SAMM_LONGVIDEOS/SAMM_longvideos/901_1/901_1"]


@pytest.mark.parametrize("sample_id", errata.load("samm_lv"))
def test_an_erratum_mends_its_row_and_says_so(tmp_path, monkeypatch, sample_id):
    erratum = errata.load("samm_lv")[sample_id]
    clip = sample_id.removeprefix("samm_lv_")
    onset, apex, offset = (erratum.sheet[name] for name in ("onset", "apex", "offset"))
    write_sheet(tmp_path / "s.xlsx", [row(clip, float(onset), float(apex), float(offset))])
    numbers = range(onset - 5, offset + 5)
    empty_images(tmp_path / clip[:5], [f"{clip[:5]}_{n:04}.jpg" for n in numbers])
    (sample,) = read(tmp_path).samples
    assert {name: getattr(sample, name) for name in erratum.use} == erratum.use
    assert sample.apex_source == "patched"
    assert erratum.reason in sample.note
    assert erratum.source in sample.note
    monkeypatch.setattr(errata, "load", lambda name: {})
    (plain,) = read(tmp_path).samples
    assert (plain.apex, plain.apex_source) == ((onset + offset) // 2, "midpoint")


def test_versions_of_the_sheet_that_differ_are_not_chosen_between(root):
    write_sheet(root / "SAMM_LongVideos_V2_Release.xlsx", ROWS[:1])
    with pytest.raises(MerError, match="several sheets that differ"):
        read(root)


def test_a_link_to_a_folder_is_told(root):
    (root / "elsewhere").symlink_to(root / "SAMM_longvideos")
    assert [bad.sample_id for bad in read(root).remarks] == ["elsewhere"]


def test_a_root_without_sheet_or_videos_shows_the_tree_that_is_expected(tmp_path):
    with pytest.raises(MerError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")
    write_samm(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", [("901_1_1", 12, "Fear")])
    with pytest.raises(MerError, match="no sheet with the columns") as error:
        read(tmp_path)
    assert "SAMM_longvideos/006_1/006_1_00001.jpg" in error.value.remedy
    write_sheet(tmp_path / "lv.xlsx", ROWS)
    with pytest.raises(MerError, match="no folder of images") as error:
        read(tmp_path)
    assert "SAMM_longvideos/006_1/006_1_00001.jpg" in error.value.remedy


def test_it_says_what_it_is():
    assert DATASET.about.startswith("SAMM Long Videos (159 micro")
