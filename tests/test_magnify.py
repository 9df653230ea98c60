import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from features.magnify import TEMPORAL, band, check, check_clip, repaint

LOW, HIGH = 1.0, 12.0
MIDDLE = np.sqrt(LOW * HIGH)
BANDS = ("butterworth", "ideal")


def gain_at(hertz: float, temporal: str, fps: float) -> float:
    """How high a wave of 3 s still is, away from both ends."""
    time = np.arange(round(3 * fps)) / fps
    waves = np.exp(2j * np.pi * hertz * time)
    passed = band(temporal, LOW, HIGH, len(time), fps) @ waves
    inside = slice(round(fps), -round(fps))
    return float((passed[inside] * waves[inside].conj()).mean().real)


@pytest.mark.parametrize("fps", [90.0, 100.0, 200.0])
@pytest.mark.parametrize("temporal", BANDS)
def test_the_middle_of_the_band_has_gain_one_at_every_frame_rate(temporal, fps):
    assert gain_at(MIDDLE, temporal, fps) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("fps", [90.0, 100.0, 200.0])
@pytest.mark.parametrize("hertz", [LOW, HIGH])
def test_a_butterworth_band_ends_at_the_same_hertz_at_every_frame_rate(hertz, fps):
    assert gain_at(hertz, "butterworth", fps) == pytest.approx(0.5, abs=0.03)


def test_an_ideal_band_passes_nothing_beside_it_and_all_within():
    assert gain_at(2 * HIGH, "ideal", 100) == pytest.approx(0, abs=0.01)
    assert gain_at(0.8 * HIGH, "ideal", 100) == pytest.approx(1, abs=0.02)
    assert gain_at(0.4 * LOW, "ideal", 100) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("temporal", BANDS)
def test_nothing_is_delayed(temporal):
    bump = np.exp(-(((np.arange(100) - 47) / 6) ** 2))
    assert np.argmax(band(temporal, LOW, HIGH, 100, 100.0) @ bump) == 47
    there = band(temporal, LOW, HIGH, 40, 100.0)
    assert_allclose(there, there[::-1, ::-1], atol=1e-3)  # time could run either way


@pytest.mark.parametrize("frames", [1, 2, 3, 50])
@pytest.mark.parametrize("temporal", TEMPORAL)
def test_what_stands_still_is_outside_every_band(temporal, frames):
    moving = band(temporal, LOW, 40.0, frames, 100.0)
    assert moving.shape == (frames, frames)
    assert_allclose(moving @ np.ones(frames), 0, atol=1e-12)
    assert moving.any() == (frames > 1)


def test_the_onset_is_what_all_frames_differ_from():
    x = np.array([3.0, 4.0, 1.0])
    assert_array_equal(band("onset", LOW, HIGH, 3, 1.0) @ x, [0, 1, -2])


def test_a_clip_that_ends_elsewhere_than_it_began_has_no_jump():
    """Taken to begin again at its end, a rise of the face would jump back by all of it."""
    rise = np.linspace(0, 1, 50)
    passed = band("ideal", LOW, 20.0, 50, 100.0) @ rise
    assert np.abs(np.diff(passed)).max() < 2 * np.diff(rise).max()


@pytest.mark.parametrize("temporal", BANDS)
def test_a_band_beyond_half_the_frame_rate_is_refused_naming_it(temporal):
    band(temporal, LOW, HIGH, 20, 25.0)
    with pytest.raises(ValueError, match="needs more than 24 frames a second; fps is 24"):
        band(temporal, LOW, HIGH, 20, 24.0)


def test_an_ideal_band_that_so_few_frames_cannot_show_is_refused():
    with pytest.raises(ValueError, match=r"3 frames at fps 100 show 16\.6667 Hz and its multiples"):
        band("ideal", LOW, HIGH, 3, 100.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((0.5, "ideal", LOW, HIGH), "gain is 0.5; expected at least 1"),
        ((np.inf, "ideal", LOW, HIGH), "gain is inf"),
        ((2.0, "box", LOW, HIGH), "temporal is 'box', none of"),
        ((2.0, "ideal", 0.0, HIGH), "the band is 0.0 to 12.0 Hz"),
        ((2.0, "ideal", HIGH, LOW), "the band is 12.0 to 1.0 Hz"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        check(*settings)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 9, 9), np.uint8),
        np.zeros((2, 9, 9, 4), np.uint8),
        np.zeros((2, 9, 9, 3), np.float32),
        np.zeros((0, 9, 9, 3), np.uint8),
    ],
)
def test_anything_but_an_rgb_clip_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected \(T, H, W, 3\) uint8"):
        check_clip(wrong)


def test_a_change_of_luma_goes_to_all_colours_alike_and_ends_at_black_and_white():
    clip = np.array([[[[10, 100, 250]]]], np.uint8)
    assert_array_equal(repaint(clip, np.full((1, 1, 1), -20.5)), [[[[0, 79.5, 229.5]]]])
    assert_array_equal(repaint(clip, np.full((1, 1, 1), 7.0)), [[[[17, 107, 255]]]])


def test_a_change_of_colours_goes_to_each_its_own():
    clip = np.array([[[[10, 100, 200]]]], np.uint8)
    assert_array_equal(repaint(clip, np.array([[[[1.0, 2, 3]]]])), [[[[11, 102, 203]]]])
