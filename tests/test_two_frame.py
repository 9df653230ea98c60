import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from features.light import grey
from features.two_frame import METHODS, TwoFrameConfig, two_frame
from tests.moving import filmed, moved, picture

ONSET = picture(0, 0)


def shown(method: str, dx: float, dy: float, *gains: float) -> np.ndarray:
    return two_frame(filmed(np.stack([ONSET, picture(dx, dy)])), TwoFrameConfig(method, gains))


def static_noise(method: str, gain: float) -> float:
    """How much more noise a face that stands still has afterwards."""
    pair = filmed(ONSET + np.random.default_rng(1).normal(0, 2, (2, *ONSET.shape)))
    after = two_frame(pair, TwoFrameConfig(method, (gain,)))[0]
    return float((after - ONSET).std() / (grey(pair)[1] - ONSET).std())


@pytest.mark.parametrize("method", ["linear", "phase"])
@pytest.mark.parametrize(("dx", "dy"), [(0.3, 0), (0, 0.3), (-0.3, 0.15)])
def test_a_third_of_a_px_becomes_four_times_as_much(method, dx, dy):
    assert moved(ONSET, shown(method, dx, dy, 4)[0]) == pytest.approx(
        [4 * dx, 4 * dy], rel=0.1, abs=0.04
    )


@pytest.mark.parametrize(("dx", "dy"), [(0.3, 0), (0, -0.3)])
def test_the_riesz_pyramid_gives_most_of_it(dx, dy):
    seen = moved(ONSET, shown("riesz", dx, dy, 4)[0])
    assert seen == pytest.approx([4 * 0.87 * dx, 4 * 0.87 * dy], rel=0.05, abs=0.04)


def test_phase_bears_what_the_linear_form_does_not():
    """0.6 px eight times is a motion wider than a quarter of the texture's waves."""
    wanted = picture(4.8, 0)
    errors = {m: (shown(m, 0.6, 0, 8)[0] - wanted)[16:-16, 16:-16].std() for m in METHODS}
    assert errors["phase"] < 0.3 * wanted.std() < 0.6 * wanted.std() < errors["linear"]


def test_phase_moves_noise_and_the_linear_form_amplifies_it():
    assert static_noise("phase", 8) < 2.5
    assert static_noise("riesz", 8) < 2.5
    assert static_noise("linear", 8) == pytest.approx(np.hypot(8, 7), rel=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_gain_one_is_the_apex_itself(method):
    apex = grey(filmed(picture(0.3, 0)[None]))
    assert_array_equal(shown(method, 0.3, 0, 1), apex)


@pytest.mark.parametrize("method", METHODS)
def test_several_gains_are_what_each_would_be_alone_in_their_order(method):
    together = shown(method, 0.3, 0, 4, 1, 2)
    alone = np.concatenate([shown(method, 0.3, 0, gain) for gain in (4, 1, 2)])
    assert_allclose(together, alone, atol=1e-3)
    assert np.ptp(together, axis=0).max() > 1


@pytest.mark.parametrize("method", ["phase", "riesz"])
def test_what_moves_is_the_apex_with_its_own_contrast(method):
    pair = filmed(np.stack([ONSET, 128 + (picture(0.2, 0) - 128) / 3]))
    after = two_frame(pair, TwoFrameConfig(method, (4.0,)))[0]
    wanted = 128 + (picture(0.8, 0) - 128) / 3
    assert (after - wanted)[16:-16, 16:-16].std() < 0.07 * wanted.std()


def test_no_light_is_below_black_or_above_white():
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    frames[1, 8:24] = 200
    after = two_frame(frames, TwoFrameConfig("linear", (8.0,)))
    assert after.min() == 0
    assert after.max() == 255


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 32, 32, 3), np.uint8),
        np.zeros((2, 32, 32), np.uint8),
        np.zeros((2, 32, 32, 3), np.float32),
    ],
)
def test_anything_but_two_rgb_frames_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected \(2, H, W, 3\) uint8"):
        two_frame(wrong, TwoFrameConfig())


def test_an_unknown_method_and_impossible_gains_are_refused():
    with pytest.raises(ValueError, match="method is 'magic', none of"):
        TwoFrameConfig("magic")
    with pytest.raises(ValueError, match=r"gains are \(\)"):
        TwoFrameConfig(gains=())
    with pytest.raises(ValueError, match=r"gains are \(1.0, 0.5\)"):
        TwoFrameConfig(gains=(1.0, 0.5))
