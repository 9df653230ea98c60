import numpy as np
import pytest
from numpy.testing import assert_allclose

from features.stack import StackConfig, stack

RNG = np.random.default_rng(0)


def test_planes_are_u_then_v_then_strain_in_the_crops_own_pixels():
    flow = np.full((2, 224, 224), [[[2.0]], [[-1.0]]], np.float32)
    strain = np.full((1, 224, 224), 0.05, np.float32)
    small = stack(flow, strain, StackConfig())
    assert small.shape == (3, 28, 28)
    for plane, value in zip(small, (2, -1, 0.05), strict=True):
        assert_allclose(plane, value, rtol=1e-6)


def test_a_pixel_is_the_mean_of_its_area():
    planes = RNG.normal(0, 1, (3, 224, 224)).astype(np.float32)
    means = planes.reshape(3, 28, 8, 28, 8).mean(axis=(2, 4))
    assert_allclose(stack(planes[:2], planes[2:], StackConfig()), means, atol=1e-6)


def test_areas_that_cut_through_pixels_keep_the_mean_too():
    planes = RNG.normal(0, 1, (3, 48, 60)).astype(np.float32)
    small = stack(planes[:2], planes[2:], StackConfig(size=28))
    assert_allclose(small.mean(axis=(1, 2)), planes.mean(axis=(1, 2)), atol=1e-5)


def test_a_ramp_stays_where_it_is():
    x = np.broadcast_to(np.arange(64, dtype=np.float32), (64, 64))
    small = stack(np.stack([x, x.T]), x[None], StackConfig(size=16))
    centres = 4 * np.arange(16) + 1.5  # of four pixels each
    assert_allclose(small[0], np.broadcast_to(centres, (16, 16)), rtol=1e-6)
    assert_allclose(small[1], small[0].T, rtol=1e-6)


def test_a_crop_smaller_than_the_stack_is_refused():
    with pytest.raises(ValueError, match="40 × 24 px cannot be averaged to 28 × 28"):
        stack(np.zeros((2, 24, 40)), np.zeros((1, 24, 40)), StackConfig())


@pytest.mark.parametrize("shapes", [((3, 32, 32), (1, 32, 32)), ((2, 32, 32), (1, 32, 30))])
def test_flow_and_strain_of_different_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match=r"expected \(..., 2, H, W\)"):
        stack(*map(np.zeros, shapes), StackConfig())


def test_a_stack_of_no_pixels_is_refused():
    with pytest.raises(ValueError, match="size is 0 px"):
        StackConfig(size=0)
