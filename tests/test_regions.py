import numpy as np
import pytest
from numpy.testing import assert_array_equal

from features.base import PLACES
from features.regions import RegionsConfig, regions

# A picture whose two planes say where each pixel is.
POSITIONS = np.stack(np.meshgrid(np.arange(96), np.arange(64))).astype(np.float32)  # x, y
MIDDLE = np.full((8, 2), [48.0, 32.0])
HTNET = ("left_eye", "right_eye", "nose", "left_lip", "right_lip")


def places(**where: tuple[float, float]) -> np.ndarray:
    moved = MIDDLE.copy()
    for name, point in where.items():
        moved[PLACES.index(name)] = point
    return moved


def corners(window: np.ndarray) -> list[float]:
    """First and last x, first and last y of a window of POSITIONS."""
    return [window[0].min(), window[0].max(), window[1].min(), window[1].max()]


def test_usually_there_are_htnets_five_windows_half_as_wide_as_the_crop():
    five = places(**{name: (20 + 10 * k, 20 + 5 * k) for k, name in enumerate(HTNET)})
    found = regions(POSITIONS, five, RegionsConfig(share=0.25))
    assert regions(POSITIONS, five, RegionsConfig()).shape == (5, 2, 32, 32)
    assert [corners(window)[::2] for window in found] == [
        [20 + 10 * k - 7, 20 + 5 * k - 7] for k in range(5)
    ]


def test_a_window_is_copied_pixel_by_pixel():
    picture = np.random.default_rng(0).normal(0, 1, (3, 64, 96)).astype(np.float32)
    found = regions(picture, MIDDLE, RegionsConfig(names=("nose",)))
    assert_array_equal(found[0], picture[:, 17:49, 33:65])


def test_an_odd_window_is_centred_on_its_place():
    found = regions(POSITIONS, MIDDLE, RegionsConfig(names=("nose",), share=7 / 64))
    assert corners(found[0]) == [45, 51, 29, 35]


def test_a_place_a_pixel_further_is_a_window_a_pixel_further():
    nose = RegionsConfig(names=("nose",), share=0.25)
    lefts = [corners(regions(POSITIONS, places(nose=(40 + k, 30)), nose)[0])[0] for k in range(8)]
    assert np.diff(lefts).tolist() == [1] * 7


@pytest.mark.parametrize(
    ("point", "where"),
    [((0, 0), [0, 15, 0, 15]), ((95, 63), [80, 95, 48, 63]), ((-9, 70), [0, 15, 48, 63])],
)
def test_a_window_beyond_the_picture_is_shifted_inside(point, where):
    config = RegionsConfig(names=("mouth",), share=0.25)
    assert corners(regions(POSITIONS, places(mouth=point), config)[0]) == where


def test_the_same_places_find_the_same_skin_in_a_smaller_picture():
    small = POSITIONS.reshape(2, 8, 8, 12, 8).mean(axis=(2, 4))
    point = places(nose=(40, 32))
    large, tiny = (
        regions(picture, point, RegionsConfig(names=("nose",), scale=scale))[0]
        for picture, scale in [(POSITIONS, 1), (small, 1 / 8)]
    )
    assert tiny.shape == (2, 4, 4)
    assert abs(large.mean(axis=(1, 2)) - tiny.mean(axis=(1, 2))).max() <= 4  # half a small pixel


def test_a_scale_forgotten_is_noticed():
    with pytest.raises(ValueError, match=r"nose at \(112, 130\) px is not on a picture of 28 × 28"):
        regions(np.zeros((3, 28, 28)), np.full((8, 2), [112.0, 130]), RegionsConfig(("nose",)))


@pytest.mark.parametrize(
    ("picture", "points", "words"),
    [
        (np.zeros((8, 8)), MIDDLE, r"expected \(C, H, W\)"),
        (POSITIONS, MIDDLE[:5], r"expected \(8, 2\)"),
        (POSITIONS, np.full((8, 2), np.nan), r"left_eye at \(nan, nan\)"),
    ],
)
def test_anything_else_is_refused(picture, points, words):
    with pytest.raises(ValueError, match=words):
        regions(picture, points, RegionsConfig())


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"names": ("left_ear",)}, "expected some of left_eye, right_eye"),
        ({"names": ()}, "expected some of"),
        ({"share": 0.0}, "share is 0.0"),
        ({"share": 1.1}, "share is 1.1"),
        ({"scale": 0.0}, "scale is 0.0"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(setting, words):
    with pytest.raises(ValueError, match=words):
        RegionsConfig(**setting)
