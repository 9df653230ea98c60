"""Real MediaPipe on the demo's faces."""

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from features.console import MerError
from pipeline import faces
from pipeline.align import CropConfig, alignment
from pipeline.datasets import demo
from pipeline.errors import SampleError
from pipeline.faces import LandmarksConfig, frames_looked_at, locate, search
from pipeline.landmarkers import base, facemesh
from pipeline.maps import moved

CONFIG = LandmarksConfig()
ROWS = base.load("facemesh").places


def find(picture: np.ndarray) -> list[np.ndarray]:
    return base.started("facemesh", None)(picture)


@pytest.fixture(scope="module")
def onset(demo_root):
    sample = demo.read(demo_root).samples[0]
    return np.asarray(Image.open(demo_root / sample.path / f"img{sample.onset}.jpg"))


@pytest.fixture(scope="module")
def points(onset):
    return locate([onset], CONFIG)[0][0]


def beside(onset: np.ndarray, scale: float) -> np.ndarray:
    """The face at the right of a wide picture, and once more, smaller, at the left."""
    small = cv2.resize(onset, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    both = np.full((360, 640, 3), 128, np.uint8)
    both[:, 320:] = onset
    both[40 : 40 + len(small), 20 : 20 + small.shape[1]] = small
    return both


def test_places_lie_where_their_names_say(points):
    at = {name: points[list(rows)].mean(axis=0) for name, rows in ROWS.items()}
    for side in ("eye", "brow", "lip"):
        assert at[f"left_{side}"][0] + 30 < at[f"right_{side}"][0]
    down = [at[name][1] for name in ("left_brow", "left_eye", "bridge", "nose", "left_lip")]
    assert down == sorted(down)
    assert at["left_lip"][0] < at["mouth"][0] < at["right_lip"][0]
    assert abs(at["nose"][0] - at["mouth"][0]) < 12


def test_the_same_landmarks_whatever_was_seen_before(onset):
    first = locate([onset], CONFIG)[0]
    locate([onset[:, ::-1]], CONFIG)
    assert (locate([onset], CONFIG)[0] == first).all()


def test_grey_and_colour_find_the_same_face(onset, points):
    grey = np.repeat(cv2.cvtColor(onset, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)
    found = locate([grey], CONFIG)[0][0]
    assert np.hypot(*(found - points).T).mean() < 3


def test_of_two_faces_the_larger_is_taken_and_both_are_recorded(onset):
    both = beside(onset, 0.7)
    assert len(find(both)) == 2
    found, notes = locate([both], CONFIG)
    assert found[0, :, 0].min() > 320
    assert found[1, :, 0].max() < 320
    assert notes == ["2 faces on the first frame; the largest was taken"]


def test_of_two_faces_of_a_size_the_more_central_is_taken(onset):
    wall = np.full((360, 120, 3), 128, np.uint8)
    wide = np.hstack([onset, onset, wall])
    assert len(find(wide)) == 2
    assert 320 < locate([wide], CONFIG)[0][0, :, 0].mean() < 640
    assert locate([wide[:, ::-1]], CONFIG)[0][0, :, 0].mean() < 120 + 320


def test_a_face_too_far_for_the_first_look_is_found_in_the_second(onset):
    far = np.random.default_rng(0).integers(120, 130, (720, 1280, 3)).astype(np.uint8)
    small = cv2.resize(onset, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    far[500 : 500 + len(small), 900 : 900 + small.shape[1]] = small
    assert find(far) == []
    found, enlarged = search(far, find)
    assert enlarged
    assert len(found) == 1  # though several parts show it
    near = find(onset)[0] * 0.3 + (900, 500)
    assert np.hypot(*(found[0] - near).T).mean() < 3
    assert "enlarged" in locate([far], CONFIG)[1][0]


def test_a_face_partly_beyond_the_frame_is_no_obstacle(onset):
    cut = np.ascontiguousarray(onset[60:])  # the forehead is missing
    assert len(locate([cut], CONFIG)[0]) == 1


def test_a_wall_has_no_face():
    wall = np.random.default_rng(0).integers(100, 150, (200, 240, 3)).astype(np.uint8)
    with pytest.raises(SampleError, match=r"no face found on the onset frame \(240×200\)"):
        locate([wall], CONFIG)
    with pytest.raises(SampleError, match="no face found on any of 2 frames"):
        locate([wall, wall], LandmarksConfig(frames=2))


def test_several_frames_tremble_less_than_one():
    """The same still face with new noise: the median of nine lies nearer to the mean of many."""
    plan = demo.plans(1, 1)[0]
    still = next(iter(demo.frames(plan))).astype(float)
    rng = np.random.default_rng(0)
    noisy = [np.rint(still + rng.normal(0, 4, still.shape)).clip(0, 255) for _ in range(18)]
    noisy = [frame.astype(np.uint8) for frame in noisy]
    centre = np.mean([locate([frame], CONFIG)[0][0] for frame in noisy], axis=0)
    one, nine = (locate(noisy[:n], CONFIG)[0][0] for n in (1, 9))
    distance = [np.hypot(*(found - centre).T).mean() for found in (one, nine)]
    assert distance[1] < 0.6 * distance[0]


def test_frames_are_looked_at_evenly_from_the_onset():
    assert frames_looked_at(100, 140, CONFIG) == (100,)
    assert frames_looked_at(100, 140, LandmarksConfig(frames=4)) == (100, 110, 120, 130)
    assert frames_looked_at(100, 101, LandmarksConfig(frames=4)) == (100,)  # no frame twice


def test_a_blink_of_the_landmarker_is_survived(onset):
    wall = np.full_like(onset, 90)
    found, notes = locate([wall, onset], LandmarksConfig(frames=2))
    assert len(found) == 1
    assert notes == ["no face found on 1 of 2 frames before it was"]


def test_both_interfaces_find_the_same_face(onset, points, landmark_model):
    found = locate([onset], LandmarksConfig("task"), landmark_model)[0][0]
    assert found.shape == (468, 2)
    assert np.hypot(*(found - points).T).mean() < 3
    crops = [alignment(one, ROWS, CropConfig()) for one in (points, found)]
    assert_allclose(moved(crops[1], points), moved(crops[0], points), atol=4)


def test_a_mediapipe_without_its_model_says_what_to_do(monkeypatch):
    import mediapipe

    monkeypatch.delattr(mediapipe, "solutions")  # as in every release from 0.10.30 on
    with pytest.raises(MerError, match="carries no face model") as caught:
        facemesh.start(None)
    assert "--landmark-model face_landmarker.task" in caught.value.remedy


def test_a_landmarker_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(MerError, match=r"none\.task: no such landmark model"):
        base.started("task", tmp_path / "none.task")
    with pytest.raises(MerError, match="task, wants a model file"):
        base.started("task", None)


@pytest.mark.parametrize("name", base.names())
def test_a_landmarker_is_one_file_that_knows_every_place(name):
    assert set(base.load(name).places) == {*base.PLACES, "bridge"}


def test_a_landmarker_that_forgets_a_place_is_refused():
    with pytest.raises(ValueError, match=r"expected .*bridge"):
        base.Landmarker(facemesh.start, {"nose": (1,)})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"landmarker": "dlib"}, "landmarker is 'dlib', none of facemesh, task, none"),
        ({"frames": 0}, "frames is 0"),
    ],
)
def test_an_impossible_setting_is_refused_before_any_work(wrong, words):
    with pytest.raises(ValueError, match=words):
        faces.LandmarksConfig(**wrong)
