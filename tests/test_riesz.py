import numpy as np
import pytest

from features.light import grey
from features.riesz import RieszConfig, riesz
from tests.moving import filmed, moved, picture, swing_of, swinging

FPS = np.array(100.0)


def swing(clip: np.ndarray) -> np.ndarray:
    return swing_of(grey(clip), picture(0, 0), 4, 100)


def static_noise(sigma: float) -> float:
    """How much more noise a face that stands still has afterwards."""
    noise = np.random.default_rng(1).normal(0, 1.5, (30, 96, 96))
    clip = filmed(picture(0, 0) + noise)
    shown = grey(riesz(clip, FPS, RieszConfig(temporal="onset", sigma=sigma)))
    return float((shown - picture(0, 0)).std() / (grey(clip) - picture(0, 0)).std())


@pytest.mark.parametrize("temporal", ["butterworth", "onset"])
def test_a_swing_is_multiplied_by_nearly_the_gain_in_both_directions(temporal):
    clip = filmed(swinging(0.3, -0.15, 4, 100, 75))
    dx, dy = swing(riesz(clip, FPS, RieszConfig(gain=4, temporal=temporal)))
    assert 0.8 < dx / 1.2 < 1
    assert 0.7 < dy / -0.6 < 1


def test_a_swing_beside_the_band_is_left_alone():
    clip = filmed(swinging(0.3, 0, 4, 100, 50))
    config = RieszConfig(gain=4, temporal="ideal", low_hz=15, high_hz=30)
    assert swing(riesz(clip, FPS, config)) == pytest.approx([0.3, 0], abs=0.015)


def test_phases_that_must_agree_carry_less_noise():
    assert static_noise(2) < 2.5 < static_noise(0)


@pytest.mark.parametrize("wavelength", [8, 16])
def test_lines_of_one_direction_move_across_themselves(wavelength):
    """Where motion along the lines cannot be seen none is invented."""
    x = np.arange(96)
    shift = np.array([0, 0.2])[:, None, None]
    clip = filmed(128 + 40 * np.cos(2 * np.pi * (x - shift) / wavelength) + np.zeros((2, 96, 96)))
    shown = grey(riesz(clip, FPS, RieszConfig(gain=4, temporal="onset")))[1, 16:80, 16:80]
    carrier = np.exp(-2j * np.pi * (x[16:80]) / wavelength)
    seen = -np.angle((shown * carrier).mean()) * wavelength / (2 * np.pi)
    assert seen == pytest.approx(0.8, rel=0.12)
    assert shown.std(axis=0).max() < 0.1


def test_gain_one_changes_nothing_and_a_still_face_stands_still():
    clip = filmed(swinging(0.3, 0, 4, 100, 5))
    assert np.abs(riesz(clip, FPS, RieszConfig(gain=1)) - clip).max() == 0
    still = filmed(picture(0, 0)[None].repeat(5, axis=0))
    assert np.abs(riesz(still, FPS, RieszConfig(gain=20)) - still).max() < 1e-2


@pytest.mark.parametrize("frames", [1, 2])
def test_so_short_a_clip_is_magnified_too(frames):
    clip = filmed(np.stack([picture(0.2 * t, 0) for t in range(frames)]))
    shown = grey(riesz(clip, FPS, RieszConfig(temporal="onset", gain=3)))
    assert moved(grey(clip)[0], shown[-1])[0] == pytest.approx(0.6 * (frames - 1), abs=0.08)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="sigma is -1 samples"):
        RieszConfig(sigma=-1)
    with pytest.raises(ValueError, match="gain is 0"):
        RieszConfig(gain=0)
    with pytest.raises(ValueError, match="fps is 20"):
        riesz(filmed(swinging(0.3, 0, 4, 100, 3)), np.array(20.0), RieszConfig())
