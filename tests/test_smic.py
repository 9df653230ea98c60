"""SMIC's segmented clips in form only: official trees and names, invented frame numbers."""

from collections import Counter

import pytest

from features import protocol
from features.console import MerError
from pipeline.datasets import base, smic, smic_nir, smic_vis
from pipeline.manifest import label
from tests.releases import empty_images, images
from tests.smic_clips import FOLDERS, HS, OTHERS, names

KNOWN = {1: 6, 2: 6, 3: 39, 4: 19, 5: 2, 6: 4, 8: 13, 9: 4, 11: 7, 12: 9, 13: 10, 14: 10}
KNOWN |= {15: 4, 18: 7, 19: 2, 20: 22}


def place(clip, below="micro"):
    """s1/micro/negative/s1_ne_01"""
    subject, word, _ = clip.split("_")
    return f"{subject}/{below}/{FOLDERS[word]}/{clip}"


def hs(numbers, prefix=""):
    return [f"{prefix}image{number:06}.bmp" for number in numbers]


def write(root, clips, top="SMIC_all_raw/HS", kind=hs, frames=range(34208, 34213)):
    for clip in clips:
        empty_images(root / top / place(clip), kind(frames))
    return root


def vis(numbers):
    return [f"{number:05}.bmp" for number in numbers]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    root = tmp_path_factory.mktemp("smic")
    write(root, names(HS), frames=(34208, 34209, 34211))
    write(root, names(OTHERS), "SMIC_all_raw/VIS", vis, (71, 72))
    write(root, names(OTHERS), "SMIC_all_raw/NIR", vis, (81, 82))
    empty_images(root / "SMIC_all_raw/HS/s1/non_micro/s1_ne_90", hs([1, 2]))
    empty_images(root / "SMIC_all_raw/HS/s1/non_micro/negative/s1_non_01", hs([1, 2]))
    return root


def test_the_whole_release_has_164_clips_of_16_people(release):
    manifest = smic.read(release)
    assert manifest.bad == ()
    assert Counter(s.emotion for s in manifest.samples) == {
        "negative": 70,
        "positive": 51,
        "surprise": 43,
    }
    assert Counter(int(s.subject) for s in manifest.samples) == KNOWN
    assert {(s.dataset, s.fps, s.apex_source) for s in manifest.samples} == {
        ("smic", 100.0, "midpoint")
    }


@pytest.mark.parametrize(("dataset", "name"), [(smic_vis, "smic_vis"), (smic_nir, "smic_nir")])
def test_the_other_cameras_have_71_clips_of_8_people_and_are_datasets_of_their_own(
    release, dataset, name
):
    manifest = dataset.read(release)
    assert manifest.bad == ()
    assert Counter(s.emotion for s in manifest.samples) == {
        "positive": 28,
        "negative": 23,
        "surprise": 20,
    }
    assert {s.subject for s in manifest.samples} == {"11", "12", "13", "14", "15", "18", "19", "20"}
    assert {(s.dataset, s.fps) for s in manifest.samples} == {(name, 25.0)}
    assert all(f"/{name[5:].upper()}/" in s.path for s in manifest.samples)


def test_a_clip_runs_from_its_first_image_to_its_last_with_the_apex_half_way(tmp_path):
    images(tmp_path / "SMIC_all_raw/HS" / place("s3_po_08"), hs(range(17581039, 17581045)))
    (sample,) = smic.read(tmp_path).samples
    assert (sample.sample_id, sample.subject, sample.clip) == ("smic_s3_po_08", "3", "s3_po_08")
    assert (sample.onset, sample.apex, sample.offset) == (17581039, 17581041, 17581044)
    assert (sample.first_frame, sample.apex_source) == (17581039, "midpoint")
    assert (sample.emotion, sample.action_units, sample.note) == ("positive", "", "")
    assert sample.path == "SMIC_all_raw/HS/s3/micro/positive/s3_po_08"


def test_a_hole_is_tolerated_told_and_never_the_apex(tmp_path):
    write(tmp_path, ["s3_sur_01"], frames=[308860, 308861, 308863, 308864])
    (sample,) = smic.read(tmp_path).samples
    assert sample.missing_frames == "nearest"
    assert (sample.onset, sample.apex, sample.offset) == (308860, 308861, 308864)
    assert "apex 308862 → 308861: there is no frame 308862" in sample.note
    assert "4 of the frames 308860 … 308864, 1 missing" in sample.note


def test_a_stray_image_does_not_stretch_a_clip(tmp_path):
    write(tmp_path, ["s3_sur_01", "s3_sur_02"])
    empty_images(tmp_path / "SMIC_all_raw/HS" / place("s3_sur_01"), ["cover1.bmp"])
    manifest = smic.read(tmp_path)
    assert [sample.clip for sample in manifest.samples] == ["s3_sur_02"]
    (bad,) = manifest.bad
    assert "s3_sur_01" in bad.sample_id
    assert "6 of the frames 1 … 34212" in bad.reason


@pytest.mark.parametrize(
    "top", ["HS", "SMIC/HS", "SMIC_all_cropped/HS", "SMIC_all_raw/SMIC_all_raw/hs", "."]
)
def test_the_trees_in_use_are_all_read(tmp_path, top):
    write(tmp_path, ["s1_ne_01"], top, lambda numbers: hs(numbers, "reg_"))
    manifest = smic.read(tmp_path)
    assert [sample.sample_id for sample in manifest.samples] == ["smic_s1_ne_01"]
    assert manifest.bad == ()


def test_the_root_may_be_the_camera_s_folder(tmp_path):
    write(tmp_path, ["s11_ne_01"])
    assert len(smic.read(tmp_path / "SMIC_all_raw/HS").samples) == 1
    with pytest.raises(MerError, match="no clip of SMIC VIS"):
        smic_vis.read(tmp_path / "SMIC_all_raw/HS")


def test_zeros_case_and_junk_in_names_do_no_harm(tmp_path):
    folder = tmp_path / "smic_ALL_raw/Hs/S01/Micro/Negative/S01_NE_01"
    empty_images(folder, ["IMAGE000007.BMP", "image000008.bmp", "Thumbs.db", "._image000001.bmp"])
    (sample,) = smic.read(tmp_path).samples
    assert (sample.clip, sample.onset, sample.offset) == ("s1_ne_01", 7, 8)
    assert sample.path == "smic_ALL_raw/Hs/S01/Micro/Negative/S01_NE_01"


def test_raw_images_are_taken_before_cropped_ones(tmp_path):
    write(tmp_path, ["s1_ne_01", "s1_ne_02"], "SMIC_all_cropped/HS")
    write(tmp_path, ["s1_ne_01"])
    manifest = smic.read(tmp_path)
    assert [sample.path.split("/")[0] for sample in manifest.samples] == [
        "SMIC_all_raw",
        "SMIC_all_cropped",
    ]


def test_two_folders_of_one_clip_are_not_chosen_between(tmp_path):
    write(tmp_path, ["s1_ne_01"], "a/HS")
    write(tmp_path, ["s1_ne_01", "s1_ne_02"], "b/HS")
    manifest = smic.read(tmp_path)
    assert len(manifest.samples) == 1
    assert "a/HS/s1/micro/negative/s1_ne_01, b/HS/" in manifest.bad[0].reason


def test_long_clips_of_the_same_names_are_left_alone(tmp_path):
    write(tmp_path, ["s3_ne_01"])
    long = tmp_path / "SMIC-E_raw image/HS_long/SMIC-HS-E/HS/s03/s3_ne_01"
    empty_images(long, ["image034100.jpg", "image034300.jpg"])
    (sample,) = smic.read(tmp_path).samples
    assert sample.path.startswith("SMIC_all_raw")


REFUSED = {
    "HS/s1/micro/negative/s1_ne_1": "no clip of SMIC; expected one like 's1_ne_01'",
    "HS/s1/micro/positive/s1_ne_09": "lies below positive, but its name says negative",
    "HS/s7/micro/negative/s7_ne_01": "no subject 7, only 1 2 3",
}


@pytest.mark.parametrize(("folder", "reason"), REFUSED.items())
def test_a_folder_that_contradicts_the_release_is_told_and_the_others_go_on(
    tmp_path, folder, reason
):
    write(tmp_path, ["s1_ne_01"], "HS")
    empty_images(tmp_path / folder, hs([1, 2]))
    manifest = smic.read(tmp_path)
    assert len(manifest.samples) == 1
    (bad,) = manifest.bad
    assert folder in bad.sample_id
    assert reason in bad.reason


@pytest.mark.parametrize(
    ("files", "reason"),
    [(hs([5]), "onset and offset are the same frame"), (["a.bmp"], "s1_ne_02 has a number")],
)
def test_a_clip_that_cannot_move_is_told(tmp_path, files, reason):
    write(tmp_path, ["s1_ne_01"], "HS")
    empty_images(tmp_path / "HS" / place("s1_ne_02"), files)
    (bad,) = smic.read(tmp_path).bad
    assert reason in bad.reason


def test_what_a_copy_lacks_is_told_by_the_protocol_and_costs_no_other_clip(tmp_path):
    lost = {"s3_ne_16", "s18_sur_03"}  # the second is what known cropped copies lack
    clips = [clip for clip in names(HS) if clip not in lost]
    write(tmp_path, clips, "SMIC_all_cropped/HS", frames=(1, 2))
    manifest = smic.read(tmp_path)
    assert manifest.bad == ()
    loaded = protocol.load("smic-3")
    rows = [(s.dataset, s.subject, label(loaded, s)) for s in manifest.samples]
    assert loaded.differences(rows) == [
        "smic: negative 69, expected 70",
        "smic: surprise 42, expected 43",
        "smic: subject 3 has 38, expected 39",
        "smic: subject 18 has 6, expected 7",
    ]


def test_a_link_to_a_folder_is_told(tmp_path):
    write(tmp_path, ["s1_ne_01"], "HS")
    (tmp_path / "HS/s2").symlink_to(tmp_path / "HS/s1")
    (bad,) = smic.read(tmp_path).remarks
    assert (bad.sample_id, bad.reason) == ("HS/s2", "a link to a folder is not followed")


def test_a_root_without_clips_shows_the_tree_that_is_expected(tmp_path):
    empty_images(tmp_path / "HS/s1/non_micro/s1_ne_01", hs([1, 2]))
    with pytest.raises(MerError, match="no clip of SMIC HS") as error:
        smic.read(tmp_path)
    assert "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image034208.bmp" in error.value.remedy


def test_they_say_what_they_are():
    assert base.load("smic").about == "SMIC HS (164 clips, 16 subjects, 100 fps)"
    assert base.load("smic_vis").about == "SMIC VIS (71 clips, 8 subjects, 25 fps)"
    assert base.load("smic_nir").about == "SMIC NIR (71 clips, 8 subjects, 25 fps)"
