import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from features.mdmo import MdmoConfig, mdmo

ONE = MdmoConfig(rows=1, columns=1)
NOISE = np.random.default_rng(0).normal(0, 1, (2, 30, 42)).astype(np.float32)


def pixels(*vectors: tuple[float, float]) -> np.ndarray:
    """A flow of one row."""
    return np.array(vectors, np.float32).T[:, None]


def test_a_translation_is_its_own_main_direction_in_every_cell():
    found = mdmo(np.full((2, 24, 36), [[[0.7]], [[-1.3]]], np.float32), MdmoConfig())
    assert found.shape == (2, 6, 6)
    assert_allclose(found, np.full((2, 6, 6), [[[0.7]], [[-1.3]]]), rtol=1e-6)


def test_most_pixels_win_however_short_their_motion():
    few, many = [(0, 9.0)] * 2, [(1.0, 0)] * 3
    assert_allclose(mdmo(pixels(*few, *many), ONE)[:, 0, 0], [1, 0])


def test_the_mean_is_of_the_main_directions_vectors_alone():
    found = mdmo(pixels((1, 0.1), (3, -0.1), (2, 0.3), (-5, 0), (0, -5)), ONE)
    assert_allclose(found[:, 0, 0], [2, 0.1], rtol=1e-6)


def test_noise_about_an_axis_is_not_torn_apart():
    found = mdmo(pixels((1, 0.1), (1, -0.1), (0.1, 1), (-0.1, 1), (1, 0)), ONE)
    assert_allclose(found[:, 0, 0], [1, 0], atol=1e-6)


def test_what_stands_still_has_no_say():
    assert_allclose(mdmo(pixels((0, 0), (0, 0), (0, 2)), ONE)[:, 0, 0], [0, 2])
    assert_array_equal(mdmo(np.zeros((2, 12, 12), np.float32), MdmoConfig()), 0)


def test_of_two_directions_alike_the_first_clockwise_from_rightward_is_taken():
    assert_allclose(mdmo(pixels((0, -1), (0, 2), (-1, 0)), ONE)[:, 0, 0], [0, 2])


def test_a_cell_sees_its_own_pixels_alone():
    flow = np.zeros((2, 12, 12), np.float32)
    flow[1, 4:8, 6:] = 2
    found = mdmo(flow, MdmoConfig(rows=3, columns=2))
    assert found[1].tolist() == [[0, 0], [0, 2], [0, 0]]


def test_a_mirrored_face_has_mirrored_cells_and_directions():
    sign = np.array([-1, 1], np.float32)[:, None, None]
    config = MdmoConfig(rows=2, columns=3)  # cells large enough for one direction to win
    flow = NOISE + np.array([2, 1], np.float32)[:, None, None]
    found, mirrored = mdmo(flow, config), mdmo((sign * flow)[:, :, ::-1], config)
    assert_allclose(mirrored, sign * found[:, :, ::-1], atol=1e-6)


def test_scaling_the_flow_scales_the_feature():
    assert_allclose(mdmo(3 * NOISE, MdmoConfig()), 3 * mdmo(NOISE, MdmoConfig()), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((8, 8), r"expected \(2, H, W\)"), ((2, 9, 3), "3 px cannot be cut into 6 parts")],
)
def test_any_other_shape_is_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        mdmo(np.zeros(shape, np.float32), MdmoConfig())


@pytest.mark.parametrize(
    ("setting", "words"), [({"bins": 0}, "bins is 0"), ({"columns": 0}, "the grid is 6 × 0")]
)
def test_a_setting_that_means_nothing_is_refused(setting, words):
    with pytest.raises(ValueError, match=words):
        MdmoConfig(**setting)
