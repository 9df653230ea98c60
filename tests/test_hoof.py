import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from features.hoof import HoofConfig, hoof

WHOLE = {"rows": 1, "columns": 1}
NOISE = np.random.default_rng(0).normal(0, 1, (2, 30, 40)).astype(np.float32)


def even(u: float, v: float) -> np.ndarray:
    return np.full((2, 12, 12), [[[u]], [[v]]], np.float32)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("angle", np.linspace(0.1, 6.2, 7))
def test_a_translation_fills_one_bin(angle, symmetric):
    found = hoof(even(np.cos(angle), np.sin(angle)), HoofConfig(symmetric=symmetric))
    assert found.shape == (5, 5, 8)
    assert_array_equal(np.sort(found, axis=-1), np.broadcast_to([0] * 7 + [1], (5, 5, 8)))


@pytest.mark.parametrize(
    ("vector", "bin_"),
    [((0, -1), 0), ((1, -1.1), 0), ((1, -0.1), 1), ((-1, 0.1), 2), ((1, 0.1), 2), ((0, 1), 3)],
)
def test_symmetric_bins_go_from_upward_to_downward(vector, bin_):
    found = hoof(even(*vector), HoofConfig(bins=4, **WHOLE))
    assert found[0, 0].argmax() == bin_


@pytest.mark.parametrize(
    ("vector", "bin_"), [((1, 0), 0), ((1, -0.1), 0), ((0, 1), 1), ((-1, 0), 2), ((0, -1), 3)]
)
def test_bins_of_the_circle_go_from_rightward_to_downward(vector, bin_):
    found = hoof(even(*vector), HoofConfig(bins=4, symmetric=False, **WHOLE))
    assert found[0, 0].argmax() == bin_


def test_a_pixel_counts_by_the_length_of_its_motion():
    flow = even(3, 4)
    flow[:, 6:] = [[[0]], [[-15]]]
    assert_allclose(hoof(flow, HoofConfig(bins=2, **WHOLE))[0, 0], [0.75, 0.25])


def test_a_mirrored_face_has_mirrored_cells_and_the_same_symmetric_bins():
    mirror = NOISE[:, :, ::-1] * np.array([-1, 1], np.float32)[:, None, None]
    found = hoof(NOISE, HoofConfig())
    assert_allclose(hoof(mirror, HoofConfig()), found[:, ::-1], atol=1e-6)
    assert abs(found - found[:, ::-1]).max() > 0.01


def test_a_mirrored_face_swaps_left_and_right_bins_of_the_circle():
    circle = HoofConfig(symmetric=False)
    mirror = NOISE[:, :, ::-1] * np.array([-1, 1], np.float32)[:, None, None]
    swapped = hoof(NOISE, circle)[:, ::-1, (4 - np.arange(8)) % 8]
    assert_allclose(hoof(mirror, circle), swapped, atol=1e-6)


@pytest.mark.parametrize("norm", ["cell", "face"])
def test_scaling_the_flow_changes_nothing(norm):
    config = HoofConfig(norm=norm)
    assert_allclose(hoof(3 * NOISE, config), hoof(NOISE, config), atol=1e-6)


def test_histograms_of_cells_sum_to_one_each_those_of_a_face_together():
    loud = NOISE.copy()
    loud[:, :6, :8] *= 10
    assert_allclose(hoof(loud, HoofConfig()).sum(axis=-1), 1, rtol=1e-6)
    face = hoof(loud, HoofConfig(norm="face"))
    assert_allclose(face.sum(), 1, rtol=1e-6)
    assert face[0, 0].sum() > 5 * face.sum(axis=-1).ravel()[1:].max()


def test_where_nothing_moves_the_histogram_is_empty():
    flow = even(0, 0)
    assert_array_equal(hoof(flow, HoofConfig()), 0)
    assert_array_equal(hoof(flow, HoofConfig(norm="face")), 0)


def test_a_cell_sees_its_own_pixels_alone():
    flow = even(0, 0)
    flow[0, 4:8, 6:] = 1
    found = hoof(flow, HoofConfig(rows=3, columns=2))
    assert found.sum(axis=-1).tolist() == [[0, 0], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("shape", "words"),
    [((8, 8), r"expected \(2, H, W\)"), ((2, 3, 9), "3 px cannot be cut into 5 parts")],
)
def test_any_other_shape_is_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        hoof(np.zeros(shape, np.float32), HoofConfig())


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"bins": 0}, "bins is 0"),
        ({"rows": 0}, "the grid is 0 × 5"),
        ({"norm": "l2"}, "norm is 'l2', none of cell, face"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(setting, words):
    with pytest.raises(ValueError, match=words):
        HoofConfig(**setting)
