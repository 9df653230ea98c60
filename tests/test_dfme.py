"""The release in form only: invented people and empty images, counts as published."""

from collections import Counter

import pytest

from features.console import MerError
from features.facs import action_units
from pipeline import errata
from pipeline.datasets.dfme import DATASET, read
from tests.releases import empty_images, workbook

HEADER = [
    *("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"),
    *("Emotion", "EmotionId", "Fps", "AU"),
]
CLASSES = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
PARTS = {  # sheet -> folder, rows a class, subjects
    "training": ("train_data", (161, 100, 548, 265, 206, 278, 298), 176),
    "testA": ("test_data_A", (39, 34, 129, 62, 63, 46, 101), 42),
    "testB": ("test_data_B", (41, 37, 58, 38, 42, 35, 48), 41),
}


def row(clip, onset, apex, offset, emotion="disgust", fps=500, aus="4", subject=None):
    subject = clip.split("_")[0] if subject is None else subject
    return [subject, clip, onset, apex, offset, emotion, 2, fps, aus]


def write_sheet(path, rows):
    return workbook(path, {"Sheet1": [HEADER, *rows]})


def write_clip(folder, last):
    return empty_images(folder, [f"{n:05}.png" for n in range(last + 1)])


@pytest.fixture
def root(tmp_path):
    notes = tmp_path / "full_release_annotation"
    write_sheet(notes / "training_full_with_AU.xlsx", [row("sub9003_01", 0, 4, 8)])
    test_a = [row("sub9004_01", 1, 4, 8, "Happy", 300, "AD31+L12+M57")]
    write_sheet(notes / "testA_full_with_AU.xlsx", test_a)
    write_sheet(notes / "testB_full_with_AU.xlsx", [row("sub9005_02", 2, 4, 7, fps=200, aus=12)])
    write_clip(tmp_path / "train_data/sub9003_01", 8)
    write_clip(tmp_path / "test_data_A/test_data_A/sub9004_01", 8)
    write_clip(tmp_path / "TEST_DATA_B/SUB9005_02", 8)
    return tmp_path


def test_the_three_sheets_are_read_together(root):
    manifest = read(root)
    assert manifest.bad == ()
    first, second, third = manifest.samples
    assert (first.sample_id, first.dataset) == ("dfme_sub9003_01", "dfme")
    assert (first.subject, first.clip) == ("sub9003", "sub9003_01")
    assert [sample.path for sample in manifest.samples] == [
        "train_data/sub9003_01",
        "test_data_A/test_data_A/sub9004_01",
        "TEST_DATA_B/SUB9005_02",
    ]
    assert [sample.fps for sample in manifest.samples] == [500.0, 300.0, 200.0]
    assert (second.emotion, third.emotion) == ("happiness", "disgust")
    assert (second.action_units, third.action_units) == ("AD31+L12+M57", "12")
    assert {sample.note for sample in manifest.samples} == {""}


def test_frames_are_counted_from_0(root):
    first = read(root).samples[0]
    assert (first.first_frame, first.onset, first.apex, first.offset) == (0, 0, 4, 8)
    assert first.apex_source == "sheet"


def test_the_sheet_of_one_part_is_enough(tmp_path):
    write_sheet(tmp_path / "renamed.xlsx", [row("sub9003_01", 0, 4, 8)])
    write_clip(tmp_path / "sub9003_01", 8)
    assert len(read(tmp_path).samples) == 1


def test_a_sheet_twice_is_no_matter_but_two_of_the_same_clips_that_differ_are(root):
    write_sheet(root / "copy.xlsx", [row("sub9003_01", 0, 4, 8)])
    assert len(read(root).samples) == 3
    write_sheet(root / "copy.xlsx", [row("sub9003_01", 0, 5, 8)])
    with pytest.raises(MerError, match=r"same clips that differ: copy\.xlsx .*training_full"):
        read(root)


def test_the_counts_are_those_published(tmp_path):
    person = 0
    for part, (folder, counts, people) in PARTS.items():
        felt = [name for name, count in zip(CLASSES, counts, strict=True) for _ in range(count)]
        rows = []
        for k, emotion in enumerate(felt):
            clip = f"sub{person + k % people:04}_{1 + k // people:02}"
            rows.append(row(clip, 0, 1, 2, emotion, (200, 300, 500)[k % 3]))
            empty_images(tmp_path / folder / clip, ("00000.png", "00002.png"))
        person += people
        write_sheet(tmp_path / f"full_release_annotation/{part}_full_with_AU.xlsx", rows)
        assert (part, len(rows)) in {("training", 1856), ("testA", 474), ("testB", 299)}
    manifest = read(tmp_path)
    assert manifest.bad == ()
    assert len(manifest.samples) == 1856 + 474 + 299
    assert len({sample.subject for sample in manifest.samples}) == 176 + 42 + 41
    train = [s for s in manifest.samples if s.path.startswith("train_data/")]
    assert Counter(s.emotion for s in train) == dict(
        zip(CLASSES, PARTS["training"][1], strict=True)
    )
    assert {s.fps for s in manifest.samples} == {200.0, 300.0, 500.0}


@pytest.mark.parametrize("text", ["AD31", "AD38+AD39", "M57", "M58+L12", "R4+25", "4"])
def test_action_units_and_descriptors_are_understood(text):
    assert action_units(text)


def test_action_units_that_are_none_are_told_and_the_sample_stays(tmp_path):
    write_sheet(tmp_path / "s.xlsx", [row("sub9003_01", 0, 4, 8, aus="smile")])
    write_clip(tmp_path / "sub9003_01", 8)
    (sample,) = read(tmp_path).samples
    assert (sample.action_units, sample.note) == ("smile", "action unit 'smile' is none of FACS")


BROKEN = [
    (row("sub9006_01", 0, 4, 8), "no folder with images of this clip"),
    (row("9003_1", 0, 4, 8), "expected one like 'sub0003_01'"),
    (row("sub9003_02", 0, 4, 8, subject="sub9004"), "Subject 'sub9004' is not the one"),
    (row("sub9003_02", 0, 4, 8, emotion="smug"), "emotion is 'smug'"),
    (row("sub9003_02", 0, 4, 8, fps=None), "Fps is ''"),
    (row("sub9003_02", 0, 4, 8, fps=0), "fps is 0.0"),
    (row("sub9003_02", "=A1", 4, 8), "onset is ''"),
    (row("sub9003_02", 0, "#REF!", 8), "apex is '#REF!'"),
    (row("sub9003_02", 0, 4, -8), "offset is '-8'"),
    (row("sub9003_02", 20, 24, 28), "holds frames 0 … 8, none of 20 … 28"),
    (row("sub9003_01", 0, 4, 8), "stands in more than one row"),
]


@pytest.mark.parametrize(("cells", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_row_says_why_and_the_others_go_on(root, cells, reason):
    if "sub9003_02" in cells:
        write_clip(root / "train_data/sub9003_02", 8)
    rows = [row("sub9003_01", 0, 4, 8), cells]
    write_sheet(root / "full_release_annotation/training_full_with_AU.xlsx", rows)
    manifest = read(root)
    assert len(manifest.samples) == (2 if "more than one" in reason else 3)
    (bad,) = manifest.bad
    assert reason in bad.reason
    assert "training_full_with_AU.xlsx row 3" in bad.sample_id or "more than one" in reason


def test_an_apex_outside_gives_way_to_the_midpoint(tmp_path):
    write_sheet(tmp_path / "s.xlsx", [row("sub9003_01", 0, 0, 8)])
    write_clip(tmp_path / "sub9003_01", 8)
    (sample,) = read(tmp_path).samples
    assert (sample.apex, sample.apex_source) == (4, "midpoint")


def test_a_clip_without_a_row_and_a_link_are_told(root):
    write_clip(root / "train_data/sub9007_01", 3)
    (root / "elsewhere").symlink_to(root / "train_data")
    assert [(bad.sample_id, bad.reason) for bad in read(root).remarks] == [
        ("train_data/sub9007_01", "no sheet below the root has a row of this clip"),
        ("elsewhere", "a link to a folder is not followed"),
    ]


def test_it_has_no_errata_and_no_bad_row_is_known():
    assert errata.load("dfme") == {}


def test_a_root_without_sheets_or_clips_shows_the_tree_that_is_expected(tmp_path):
    with pytest.raises(MerError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")
    (tmp_path / "notes.xlsx").write_bytes(b"no workbook")
    with pytest.raises(
        MerError, match=r"no sheet with the columns .*notes\.xlsx: not an Excel"
    ) as e:
        read(tmp_path)
    assert "train_data/sub0003_01/00000.png" in e.value.remedy
    write_sheet(tmp_path / "s.xlsx", [row("sub9003_01", 0, 4, 8)])
    with pytest.raises(MerError, match="no folder of images") as e:
        read(tmp_path)
    assert "train_data/sub0003_01/00000.png" in e.value.remedy


def test_it_says_what_it_is():
    assert DATASET.about.startswith("DFME")
