import numpy as np
import pytest
from numpy.testing import assert_array_equal

from features.flow import FlowConfig, flow
from features.lagrangian import LagrangianConfig, lagrangian
from features.light import grey
from tests.moving import filmed, moved, picture

ONSET = picture(0, 0)


def uniform(dx: float, dy: float) -> np.ndarray:
    return np.stack([np.full(ONSET.shape, dx), np.full(ONSET.shape, dy)]).astype(np.float32)


@pytest.mark.parametrize(("dx", "dy"), [(0.3, 0), (0, 0.3), (-0.3, 0.15)])
def test_a_third_of_a_px_becomes_four_times_as_much(dx, dy):
    pair = filmed(np.stack([ONSET, picture(dx, dy)]))
    config = LagrangianConfig((4.0, 8.0))
    four, eight = lagrangian(pair, uniform(dx, dy), config)
    assert moved(ONSET, four) == pytest.approx([4 * dx, 4 * dy], abs=0.05)
    assert moved(ONSET, eight) == pytest.approx([8 * dx, 8 * dy], abs=0.05)


def test_with_a_flow_that_was_measured_too():
    pair = filmed(np.stack([ONSET, picture(0.3, 0)]))
    seen = lagrangian(pair, flow(pair, FlowConfig()), LagrangianConfig((4.0,)))[0]
    assert moved(ONSET, seen)[0] == pytest.approx(1.2, rel=0.1)


def test_a_point_goes_where_its_own_flow_leads_not_where_the_next_one_does():
    """A stretch of a tenth, eight times, is one of eight tenths: 10 px from the middle, 18."""
    x = np.arange(97, dtype=np.float32) - 48
    line = np.exp(-((x - 11) ** 2) / 4)  # of the apex: began 10 px from the middle
    pair = filmed(200 * np.tile(line, (2, 33, 1)))
    stretch = np.stack([np.tile(0.1 * x, (33, 1)), np.zeros((33, 97))]).astype(np.float32)
    seen = lagrangian(pair, stretch, LagrangianConfig((8.0,)))[0, 16]
    assert x @ seen / seen.sum() == pytest.approx(18, abs=0.5)


def test_gain_one_is_the_apex_itself_whatever_the_flow():
    pair = filmed(np.stack([ONSET, picture(0.3, 0)]))
    assert_array_equal(lagrangian(pair, uniform(5, 5), LagrangianConfig((1.0,))), grey(pair[1:]))


def test_what_does_not_fit_is_refused():
    pair = filmed(np.stack([ONSET, ONSET]))
    with pytest.raises(ValueError, match=r"expected \(2, H, W, 3\) uint8"):
        lagrangian(pair[:1], uniform(0, 0), LagrangianConfig())
    with pytest.raises(ValueError, match=r"flow has shape \(2, 96, 9\)"):
        lagrangian(pair, uniform(0, 0)[..., :9], LagrangianConfig())
    with pytest.raises(ValueError, match=r"gains are \(0.5,\)"):
        LagrangianConfig((0.5,))
