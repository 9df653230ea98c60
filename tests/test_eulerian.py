import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from features.eulerian import EulerianConfig, change, eulerian, level_gains
from features.light import grey
from features.magnify import band
from features.pyramid import emphasised
from tests.moving import filmed, moved, picture, swing_of, swinging

FPS = np.array(100.0)
X = np.arange(128.0)


def waves(wavelength: float, shift: float, frames: int = 50) -> np.ndarray:
    """(T, 128, 128) grey: upright waves that swing by a shift (px) at 4 Hz."""
    swing = shift * np.sin(2 * np.pi * 4 * np.arange(frames) / FPS)
    wave = 128 + 40 * np.cos(2 * np.pi * (X - swing[:, None]) / wavelength)
    return np.repeat(wave[:, None], 128, axis=1)


def swing(greys: np.ndarray, wavelength: float) -> float:
    """How far waves swing, px, by the phase of their middle."""
    whole = int(64 // wavelength * wavelength)
    carrier = np.exp(-2j * np.pi * X / wavelength)
    part = (greys * carrier)[:, 48:80, 32 : 32 + whole].mean(axis=(1, 2))
    shifts = -np.angle(part / part[0]) * wavelength / (2 * np.pi)
    return 2 * float((shifts * np.sin(2 * np.pi * 4 * np.arange(len(greys)) / FPS)).mean())


@pytest.mark.parametrize("temporal", ["butterworth", "onset"])
def test_a_swing_within_the_band_is_multiplied_by_the_gain(temporal):
    config = EulerianConfig(gain=4, temporal=temporal, wavelength=8)
    magnified = eulerian(filmed(waves(32, 0.4, 100)), FPS, config)[..., 1]
    assert swing(magnified, 32) == pytest.approx(1.6, rel=0.1)


def test_a_swing_beside_the_band_is_left_alone():
    config = EulerianConfig(gain=8, temporal="ideal", low_hz=15, high_hz=30)
    magnified = eulerian(filmed(waves(32, 0.3)), FPS, config)[..., 1]
    assert swing(magnified, 32) == pytest.approx(0.3, abs=0.02)


def test_motion_keeps_its_sign_rightward_and_downward():
    clip = filmed(swinging(0.2, -0.3, 4, 100, 50))
    magnified = grey(eulerian(clip, FPS, EulerianConfig(gain=3, wavelength=5)))
    dx, dy = swing_of(magnified, picture(0, 0), 4, 100)
    assert 0.45 < dx < 0.65
    assert -0.95 < dy < -0.7


def test_waves_far_shorter_than_the_cut_off_are_left_alone_and_longer_ones_are_not():
    clip = filmed(waves(8, 0.1))
    short = eulerian(clip, FPS, EulerianConfig(gain=4, wavelength=64))[..., 1]
    full = eulerian(clip, FPS, EulerianConfig(gain=4, wavelength=4))[..., 1]
    assert swing(short, 8) == pytest.approx(0.1, abs=0.02)
    assert swing(full, 8) > 0.2


def test_a_level_gets_what_keeps_it_within_the_bound_of_the_paper():
    """(1 + α) δ < λ / 8, with δ where the cut-off wavelength reaches it at full gain."""
    gains = level_gains(6, 40, 7)
    assert gains[0] == 0
    assert gains[1:] == sorted(gains[1:])
    assert min(gains) == 0
    assert max(gains) == 5
    for level, added in enumerate(gains[1:], start=1):
        assert added == 0 or (1 + added) * (40 / 6) <= 5 * 2**level + 1e-9
    assert level_gains(6, 40, 7)[2] == pytest.approx(6 * 20 / 40 - 1)
    assert not any(level_gains(1, 40, 7))


def test_the_sum_of_magnified_frames_is_magnified_from_a_sum_of_frames():
    """So a dynamic image of the magnified clip needs no magnified clip."""
    rng = np.random.default_rng(0)
    clip = rng.uniform(0, 1, (32, 64, 64)).astype(np.float32)
    k = np.arange(1, 33)
    dynamic = np.cumsum(((2 * k - 33) / k)[::-1])[::-1]
    dynamic = (dynamic / np.abs(dynamic).sum()).astype(np.float32)
    temporal = band("butterworth", 1, 12, 32, 100).astype(np.float32)
    gains = level_gains(8, 16, 4)
    slow = np.tensordot(dynamic, clip + change(clip, temporal, gains), 1)
    pooled, filtered = (np.tensordot(a, clip, 1) for a in (dynamic, temporal.T @ dynamic))
    assert np.abs(slow - (pooled + emphasised(filtered, gains))).max() < 1e-6
    assert np.abs(slow - pooled).max() > 0.05


def test_still_faces_and_lamps_that_flicker_stay_as_they_are():
    still = filmed(picture(0, 0)[None].repeat(9, axis=0))
    assert_array_equal(eulerian(still, FPS, EulerianConfig()), still)
    lamp = 128 + 5 * np.sin(np.arange(50) / 3)
    flicker = filmed(np.tile(lamp[:, None, None], (1, 64, 64)))
    assert_allclose(eulerian(flicker, FPS, EulerianConfig()), flicker, atol=0.01)


def test_colours_get_their_share_of_the_change():
    """Red waves swing over green ones that stand still."""
    clip = filmed(waves(32, 0))
    clip[..., 0] = filmed(waves(32, 0.3))[..., 0]
    added = [
        eulerian(clip, FPS, EulerianConfig(chroma=chroma, gain=3))[6] - clip[6]
        for chroma in (0.0, 0.5, 1.0)
    ]
    assert_allclose(added[0][..., 0], added[0][..., 1], atol=1e-4)
    assert_allclose(added[2][..., 1:], 0, atol=1e-3)
    assert np.abs(added[2][..., 0]).max() > 3
    assert_allclose(added[1], (added[0] + added[2]) / 2, atol=1e-3)


def test_gain_one_changes_nothing():
    clip = filmed(waves(32, 0.5, 9))
    assert_array_equal(eulerian(clip, FPS, EulerianConfig(gain=1)), clip)


@pytest.mark.parametrize("frames", [1, 2])
def test_so_short_a_clip_is_magnified_too(frames):
    clip = filmed(np.stack([picture(0.2 * t, 0) for t in range(frames)]))
    shown = grey(eulerian(clip, FPS, EulerianConfig(temporal="onset", gain=3, wavelength=5)))
    assert moved(grey(clip)[0], shown[-1])[0] == pytest.approx(0.6 * (frames - 1), abs=0.1)


def test_a_cut_off_or_chroma_out_of_range_is_refused():
    with pytest.raises(ValueError, match="wavelength is 0 px"):
        EulerianConfig(wavelength=0)
    with pytest.raises(ValueError, match="chroma is 2; expected 0 to 1"):
        EulerianConfig(chroma=2)
    with pytest.raises(ValueError, match="gain is 0"):
        EulerianConfig(gain=0)


def test_a_clip_too_slow_for_the_band_is_refused_naming_its_frame_rate():
    with pytest.raises(ValueError, match="fps is 20"):
        eulerian(filmed(waves(32, 0, 9)), np.array(20.0), EulerianConfig())
