import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from features.polar import PolarConfig, polar


def towards(u: float, v: float) -> np.ndarray:
    """Magnitude and orientation of a flow that is (u, v) px everywhere."""
    found = polar(np.full((2, 3, 4), [[[u]], [[v]]], np.float32), PolarConfig())
    assert found.shape == (2, 3, 4)
    assert (found == found[:, :1, :1]).all()
    return found[:, 0, 0]


@pytest.mark.parametrize(
    ("vector", "orientation"),
    [((2, 0), 0), ((0, 2), np.pi / 2), ((-2, 0), np.pi), ((0, -2), -np.pi / 2)],
)
def test_rightward_is_zero_and_downward_a_quarter_turn(vector, orientation):
    assert_allclose(towards(*vector), [2, orientation], rtol=1e-6)


def test_a_vector_is_as_long_as_pythagoras_says():
    assert_allclose(towards(3, -4), [5, -np.arctan2(4, 3)], rtol=1e-6)


@pytest.mark.parametrize("vector", [(0.0, 0.0), (-0.0, 0.0), (0.0, -0.0), (-0.0, -0.0)])
def test_what_stands_still_has_orientation_zero(vector):
    assert_array_equal(towards(*vector), 0)


def test_leftward_is_never_minus_pi():
    assert towards(-1, -0.0)[1] > 0


def test_many_flows_at_once_are_the_same_as_one_by_one():
    flows = np.random.default_rng(0).normal(0, 1, (3, 2, 5, 6)).astype(np.float32)
    for one, flow in zip(polar(flows, PolarConfig()), flows, strict=True):
        assert_array_equal(one, polar(flow, PolarConfig()))


@pytest.mark.parametrize("shape", [(4, 4), (3, 4, 4)])
def test_any_other_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(…, 2, H, W\)"):
        polar(np.zeros(shape, np.float32), PolarConfig())
