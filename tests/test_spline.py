import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import map_coordinates

from features.spline import BORDER, coefficients, slopes, taps, weights

PLANE = np.random.default_rng(0).uniform(0, 255, (20, 23)).astype(np.float32)
SPLINES = coefficients(PLANE)


def at(y: float, x: float, wy=weights, wx=weights) -> float:
    s, t = np.float32(x % 1), np.float32(y % 1)
    return taps(SPLINES, int(y) + BORDER - 1, int(x) + BORDER - 1, wy(t), wx(s))


def test_at_the_pixels_a_spline_is_the_picture():
    seen = [[at(y, x) for x in range(23)] for y in range(20)]
    assert_allclose(seen, PLANE, atol=0.05)


def test_between_them_it_is_what_scipy_takes_for_it():
    for y, x in np.random.default_rng(1).uniform(1, 18, (50, 2)):
        expected = map_coordinates(PLANE, [[y], [x]], order=3, mode="mirror")
        assert at(y, x) == pytest.approx(expected[0], abs=0.1)


def test_slopes_are_its_derivatives():
    step = 0.01
    for y, x in np.random.default_rng(2).integers(2, 17, (20, 2)) + 0.4:
        assert at(y, x, wx=slopes) == pytest.approx(
            (at(y, x + step) - at(y, x - step)) / (2 * step), abs=0.5
        )
        assert at(y, x, wy=slopes) == pytest.approx(
            (at(y + step, x) - at(y - step, x)) / (2 * step), abs=0.5
        )


def test_weights_sum_to_one_and_slopes_to_nothing():
    for t in np.linspace(0, 1, 9, dtype=np.float32):
        assert sum(weights(t)) == pytest.approx(1, abs=1e-6)
        assert sum(slopes(t)) == pytest.approx(0, abs=1e-6)
