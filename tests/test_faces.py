"""Real MediaPipe on the demo's faces."""

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from features.console import MerError
from features.flow import FlowConfig, flow
from pipeline import faces, synthetic
from pipeline.datasets import demo
from pipeline.errors import SampleError
from pipeline.faces import CropConfig, alignment, crop, cut, find_face, landmarker

CONFIG = CropConfig()


@pytest.fixture(scope="module")
def onset(demo_root):
    sample = demo.read(demo_root).samples[0]
    return np.asarray(Image.open(demo_root / sample.path / f"img{sample.onset}.jpg"))


@pytest.fixture(scope="module")
def points(onset):
    return find_face(onset, landmarker("facemesh", None))


def test_eyes_and_nose_land_where_the_crop_wants_them(points):
    moved = synthetic.apply(alignment(points, CONFIG), points)
    left, right = (moved[list(eye)].mean(axis=0) for eye in (faces.LEFT_EYE, faces.RIGHT_EYE))
    assert right[0] - left[0] == pytest.approx(CONFIG.eye_distance * CONFIG.size, rel=0.04)
    assert (left[0] + right[0]) / 2 == pytest.approx(CONFIG.size / 2, abs=3)
    assert left[1] == pytest.approx(CONFIG.eye_line * CONFIG.size, abs=4)
    assert right[1] == pytest.approx(left[1], abs=2)
    assert moved[list(faces.NOSE)].mean(axis=0)[1] > left[1] + 10


def test_an_alignment_is_a_similarity(points):
    linear = alignment(points, CONFIG)[:, :2]
    assert_allclose(linear @ linear.T, np.eye(2) * np.linalg.det(linear), atol=1e-12)
    assert np.linalg.det(linear) > 0


def test_a_turned_and_enlarged_face_gives_the_same_crop(points):
    move = synthetic.Pose(7, -3, 11, 1.3).matrix()
    before = synthetic.apply(alignment(points, CONFIG), points)
    moved = synthetic.apply(move, points)
    assert_allclose(synthetic.apply(alignment(moved, CONFIG), moved), before, atol=1e-9)


def test_the_crop_is_the_same_whatever_was_seen_before(onset):
    first = crop(onset[None], CONFIG)
    crop(onset[None, :, ::-1], CONFIG)
    assert (crop(onset[None], CONFIG) == first).all()


def test_grey_and_colour_find_the_same_face(onset, points):
    grey = np.repeat(cv2.cvtColor(onset, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)
    found = find_face(grey, landmarker("facemesh", None))
    assert np.hypot(*(found - points).T).mean() < 3


def test_the_largest_of_two_faces_is_taken(onset):
    small = cv2.resize(onset, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    both = np.full((360, 640, 3), 128, np.uint8)
    both[:, 320:] = onset
    both[40 : 40 + len(small), 20 : 20 + small.shape[1]] = small
    find = landmarker("facemesh", None)
    assert len(find(both)) == 2
    assert find_face(both, find)[:, 0].min() > 320


def test_a_wall_has_no_face():
    wall = np.random.default_rng(0).integers(100, 150, (200, 240, 3)).astype(np.uint8)
    with pytest.raises(SampleError, match=r"no face found on the onset frame \(240×200\)"):
        crop(wall[None], CONFIG)


def test_a_face_at_the_edge_is_padded_and_never_wrapped():
    frame = np.zeros((1, 60, 60, 3), np.uint8)
    frame[:, :, 30:] = 200
    matrix = np.array([[1.0, 0, 20], [0, 1, 0]])  # 20 px more on the left than there is
    cropped = cut(frame, matrix, 60)
    assert cropped[0, 5:55, :18].max() < 20


def test_a_smaller_crop_does_not_fold_fine_stripes_back():
    stripes = np.zeros((1, 240, 240, 3), np.uint8)
    stripes[:, :, ::2] = 255
    quarter = cut(stripes, np.array([[0.26, 0, 0], [0, 0.26, 0]]), 56)
    assert np.ptp(quarter[0, 8:-8, 8:-8].astype(int)) < 12


@pytest.mark.parametrize("noise", [1.5, 2.0])
def test_alignment_creates_no_motion(noise):
    """A static face with sensor noise: mean false flow inside the face at most 0.03 px."""
    rng = np.random.default_rng(0)
    for plan in demo.plans(3, 1)[::4]:
        neutral = synthetic.scaled(plan.field, 0)
        still = synthetic.draw(demo._person(demo.SEED, plan.subject), plan.poses[0], neutral)
        frames = np.stack([still + noise * rng.standard_normal(still.shape) for _ in range(2)])
        frames = np.rint(frames).clip(0, 255).astype(np.uint8)
        points = find_face(frames[0], landmarker("facemesh", None))
        matrix = alignment(points, CONFIG)
        u, v = flow(cut(frames, matrix, CONFIG.size), FlowConfig())
        assert np.hypot(u, v)[inside(synthetic.apply(matrix, points))].mean() <= 0.03


def inside(points: np.ndarray) -> np.ndarray:
    mask = np.zeros((CONFIG.size, CONFIG.size), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return mask > 0


def test_the_newer_interface_finds_the_same_face(onset, points, landmark_model):
    found = find_face(onset, landmarker("task", landmark_model))
    assert found.shape == (468, 2)
    assert np.hypot(*(found - points).T).mean() < 3
    matrix, other = alignment(points, CONFIG), alignment(found, CONFIG)
    assert_allclose(synthetic.apply(other, points), synthetic.apply(matrix, points), atol=4)


def test_a_mediapipe_without_its_model_says_what_to_do(monkeypatch):
    import mediapipe

    monkeypatch.delattr(mediapipe, "solutions")  # as in every release from 0.10.30 on
    with pytest.raises(MerError, match="carries no face model") as caught:
        faces.FaceMesh()
    assert "--landmark-model face_landmarker.task" in caught.value.remedy


def test_a_landmarker_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(MerError, match=r"none\.task: no such landmark model"):
        landmarker("task", tmp_path / "none.task")
    with pytest.raises(MerError, match="asks for a landmarker file"):
        landmarker("task", None)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"size": 8}, "size is 8 px"),
        ({"landmarker": "dlib"}, "landmarker is 'dlib'"),
        ({"eye_distance": 2.0}, "eye_distance is 2.0"),
        ({"eye_line": 0.0}, "eye_line is 0.0"),
    ],
)
def test_an_impossible_crop_is_refused_before_any_work(wrong, words):
    with pytest.raises(ValueError, match=words):
        CropConfig(**wrong)
