"""Where a face is put, on landmarks made up here."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from features.base import PLACES
from pipeline.align import REGIONS, CropConfig, alignment, places_in, whole
from pipeline.maps import after, invert, moved, scale_of
from pipeline.synthetic import Pose

CONFIG = CropConfig()
# A frontal face, eyes 100 px apart, each place one landmark.
FACE = {
    "left_eye": (250, 200), "right_eye": (350, 200), "bridge": (300, 236), "nose": (300, 260),
    "left_brow": (245, 170), "right_brow": (355, 170), "left_lip": (270, 310),
    "right_lip": (330, 310), "mouth": (300, 312),
}  # fmt: skip
POINTS = np.array(list(FACE.values()), float)
ROWS = {name: (row,) for row, name in enumerate(FACE)}


def place(name: str, config: CropConfig, points: np.ndarray = POINTS) -> np.ndarray:
    return moved(alignment(points, ROWS, config), points)[ROWS[name][0]]


def test_eyes_land_where_the_crop_wants_them():
    left, right = place("left_eye", CONFIG), place("right_eye", CONFIG)
    assert right[0] - left[0] == pytest.approx(0.34 * 224)
    assert (left[0] + right[0]) / 2 == pytest.approx((224 - 1) / 2)
    assert left[1] == right[1] == pytest.approx(0.36 * 224 - 0.5)


def test_margin_and_size_are_settings():
    wide = CropConfig(size=100, eye_distance=0.25, eye_line=0.5)
    left, right = place("left_eye", wide), place("right_eye", wide)
    assert right[0] - left[0] == pytest.approx(25)
    assert left[1] == pytest.approx(49.5)


def test_an_alignment_is_a_similarity_whatever_the_landmarks():
    crooked = POINTS + np.random.default_rng(0).normal(0, 9, POINTS.shape)
    linear = alignment(crooked, ROWS, CONFIG)[:, :2]
    assert_allclose(linear @ linear.T, np.eye(2) * np.linalg.det(linear), atol=1e-12)
    assert np.linalg.det(linear) > 0


@pytest.mark.parametrize("region", ["face", *REGIONS])
def test_a_turned_and_enlarged_face_gives_the_same_crop(region):
    config = CropConfig(region=region)
    there = moved(Pose(7, -3, 11, 1.3).matrix(), POINTS)
    before = moved(alignment(POINTS, ROWS, config), POINTS)
    assert_allclose(moved(alignment(there, ROWS, config), there), before, atol=1e-9)


def test_a_part_of_the_face_stands_in_the_middle_at_its_own_scale():
    mouth = CropConfig(region="mouth", size=64)
    assert_allclose(place("mouth", mouth), (31.5, 31.5), atol=1e-9)
    width = place("right_lip", mouth)[0] - place("left_lip", mouth)[0]
    assert width == pytest.approx(60 / 100 * 64 / REGIONS["mouth"][1])
    eyes = CropConfig(region="eyes", size=64)
    assert_allclose((place("left_eye", eyes) + place("right_brow", eyes))[0] / 2, 31.5, atol=2)


def test_places_follow_the_crop_and_keep_their_order():
    crop = alignment(POINTS, ROWS, CONFIG)
    found = places_in(crop, POINTS, ROWS)
    assert found.shape == (8, 2)
    for row, name in enumerate(PLACES):
        assert_allclose(found[row], place(name, CONFIG))


@pytest.mark.parametrize(("height", "width"), [(340, 280), (60, 90), (224, 224)])
def test_a_frame_cropped_by_its_publisher_is_fitted_whole_and_not_stretched(height, width):
    matrix = whole(np.zeros((height, width, 3), np.uint8), CONFIG)
    assert matrix[0, 0] == matrix[1, 1] == 224 / max(height, width)
    corners = moved(matrix, np.array([(-0.5, -0.5), (width - 0.5, height - 0.5)]))
    assert_allclose(corners.sum(axis=0), (223, 223))  # centred
    assert np.ptp(corners, axis=0).max() == pytest.approx(224)  # and filling the square


def test_maps_are_undone_and_chained():
    one, two = Pose(3, 4, 20, 1.1).matrix(), Pose(-7, 1, -5, 0.8).matrix()
    assert_allclose(moved(after(two, one), POINTS), moved(two, moved(one, POINTS)))
    assert_allclose(moved(invert(one), moved(one, POINTS)), POINTS)
    assert scale_of(after(two, one)) == pytest.approx(0.88)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"size": 8}, "size is 8 px"),
        ({"region": "ear"}, "region is 'ear', none of face, eyes"),
        ({"eye_distance": 2.0}, "eye_distance is 2.0"),
        ({"eye_line": 0.0}, "eye_line is 0.0"),
    ],
)
def test_an_impossible_crop_is_refused_before_any_work(wrong, words):
    with pytest.raises(ValueError, match=words):
        CropConfig(**wrong)
