import numpy as np
import pytest
from numpy.testing import assert_allclose

from features.light import grey
from features.phase_based import PhaseBasedConfig, phase_based
from tests.moving import filmed, moved, picture, swing_of, swinging

FPS = np.array(100.0)
NOISE = 1.5  # grey levels, of the camera


def noisy(greys: np.ndarray) -> np.ndarray:
    return filmed(greys + np.random.default_rng(1).normal(0, NOISE, greys.shape))


def swing(clip: np.ndarray) -> np.ndarray:
    return swing_of(grey(clip), picture(0, 0), 4, 100)


def static_noise(config: PhaseBasedConfig) -> float:
    """How much more noise a face that stands still has afterwards."""
    clip = noisy(picture(0, 0)[None].repeat(30, axis=0))
    shown = grey(phase_based(clip, FPS, config))
    return float((shown - picture(0, 0)).std() / (grey(clip) - picture(0, 0)).std())


@pytest.mark.parametrize("temporal", ["butterworth", "onset"])
def test_a_swing_of_a_third_of_a_px_is_recovered_four_times_as_wide(temporal):
    clip = noisy(swinging(0.3, -0.15, 4, 100, 75))
    config = PhaseBasedConfig(gain=4, temporal=temporal)
    dx, dy = swing(phase_based(clip, FPS, config))
    assert dx == pytest.approx(1.2, rel=0.1)
    assert dy == pytest.approx(-0.6, rel=0.1)


@pytest.mark.parametrize("temporal", ["butterworth", "ideal", "onset"])
def test_a_face_that_stands_still_gets_less_than_two_and_a_half_times_the_noise(temporal):
    assert static_noise(PhaseBasedConfig(gain=4, temporal=temporal)) < 2.5


def test_a_swing_beside_the_band_is_left_alone():
    clip = filmed(swinging(0.3, 0, 4, 100, 50))
    config = PhaseBasedConfig(gain=4, temporal="ideal", low_hz=15, high_hz=30)
    assert swing(phase_based(clip, FPS, config)) == pytest.approx([0.3, 0], abs=0.015)


def test_averaging_phases_takes_noise_away():
    sharp, wide = (static_noise(PhaseBasedConfig(sigma=s, temporal="onset")) for s in (0, 5))
    assert wide < 0.9 * sharp


def test_fewer_and_wider_bands_do_nearly_as_well():
    clip = filmed(np.stack([picture(0, 0), picture(0.5, 0)]))
    wanted = picture(4, 0)

    def error(orientations: int, per_octave: int) -> float:
        config = PhaseBasedConfig(8, "onset", orientations=orientations, per_octave=per_octave)
        after = grey(phase_based(clip, FPS, config))[1]
        return float((after - wanted)[16:-16, 16:-16].std() / wanted.std())

    assert error(8, 2) < 0.11 < error(4, 1) < error(2, 1) < 0.25
    assert error(8, 2) != error(8, 1)


def test_gain_one_changes_nothing_and_a_still_face_stands_still():
    clip = filmed(swinging(0.3, 0, 4, 100, 5))
    assert np.abs(phase_based(clip, FPS, PhaseBasedConfig(gain=1)) - clip).max() == 0
    still = filmed(picture(0, 0)[None].repeat(5, axis=0))
    assert np.abs(phase_based(still, FPS, PhaseBasedConfig(gain=20)) - still).max() < 1e-2


def test_colours_change_all_alike_and_a_lamp_that_flickers_is_not_amplified():
    lamp = 6 * np.sin(np.arange(20) / 3)[:, None, None]
    clip = filmed(0.7 * picture(0, 0)[None] + lamp)
    clip[..., 2] //= 2
    change = phase_based(clip, FPS, PhaseBasedConfig(temporal="onset")) - clip
    assert_allclose(change[..., 0], change[..., 2], atol=1e-3)
    assert np.abs(change.mean(axis=(1, 2))).max() < 0.3  # of 42, had it been


@pytest.mark.parametrize("frames", [1, 2])
def test_so_short_a_clip_is_magnified_too(frames):
    clip = filmed(np.stack([picture(0.2 * t, 0) for t in range(frames)]))
    shown = grey(phase_based(clip, FPS, PhaseBasedConfig(temporal="onset", gain=3)))
    assert moved(grey(clip)[0], shown[-1])[0] == pytest.approx(0.6 * (frames - 1), abs=0.06)


def test_a_clip_too_slow_for_the_band_is_refused_naming_its_frame_rate():
    clip = filmed(swinging(0.3, 0, 4, 100, 3))
    phase_based(clip, np.array(25.0), PhaseBasedConfig())
    with pytest.raises(ValueError, match="fps is 20"):
        phase_based(clip, np.array(20.0), PhaseBasedConfig())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"orientations": 1}, "orientations is 1 and per_octave 2"),
        ({"per_octave": 9}, "per_octave 9; expected 2 to 16 and 1 to 4"),
        ({"sigma": -1.0}, "cannot be negative"),
        ({"gain": 0.0}, "gain is 0"),
    ],
)
def test_a_pyramid_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PhaseBasedConfig(**settings)
