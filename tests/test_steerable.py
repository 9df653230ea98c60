import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import fft

from features.steerable import cut, paste, phases, pictures, pyramid, spectra, turned
from tests.moving import moved, picture


def rebuilt(seen: np.ndarray, shape) -> np.ndarray:
    sums = np.zeros_like(seen)
    for band in shape.bands:
        paste(sums, band, cut(seen, band))
    return pictures(sums, shape)


def between(seen: np.ndarray, low: float, high: float) -> np.ndarray:
    """A spectrum's waves of low to high, of the Nyquist frequency."""
    y, x = (2 * fft.fftshift(fft.fftfreq(n)) for n in seen.shape[1:])
    radius = np.hypot(y[:, None], x)
    return seen * ((low <= radius) & (radius <= high))


@pytest.mark.parametrize("settings", [(2, 8), (1, 4), (3, 5)])
@pytest.mark.parametrize("size", [(64, 64), (45, 70)])
def test_the_bands_add_up_to_what_is_between_the_coarsest_and_the_finest(size, settings):
    shape = pyramid(*size, *settings)
    noise = np.random.default_rng(2).uniform(0, 255, (2, *size))
    finest = 2 ** (-1 / settings[0])
    seen = between(spectra(noise, shape), 2 ** -float(int(np.log2(min(shape.padded))) - 2), finest)
    wanted = pictures(seen, shape)
    assert wanted.std() > 10
    assert np.abs(rebuilt(seen, shape) - wanted).max() < 1e-10
    assert np.abs(rebuilt(seen.astype(np.complex64), shape) - wanted).max() < 1e-3


def test_the_way_to_spectra_and_back_loses_nothing():
    noise = np.random.default_rng(2).uniform(0, 255, (2, 45, 70))
    shape = pyramid(45, 70)
    assert np.abs(pictures(spectra(noise, shape), shape) - noise).max() < 1e-10


def test_light_and_the_finest_noise_are_in_no_band():
    shape = pyramid(64, 64)
    light = spectra(np.full((1, 64, 64), 200.0), shape)
    assert np.abs(rebuilt(light, shape)).max() < 1e-9
    chequered = np.indices((96, 96)).sum(axis=0) % 2 * 255.0
    finest = fft.fftshift(fft.fft2(chequered))[None]
    assert np.abs(rebuilt(between(finest, 0.1, 2), shape)).max() < 1e-9


def test_cut_out_bands_take_eight_pictures_not_sixtyfour():
    shape = pyramid(224, 224)
    assert len(shape.bands) == 8 * 12
    assert sum(band.response.size for band in shape.bands) < 8.7 * np.prod(shape.padded)


def test_no_turn_gives_the_frame_itself():
    frames = np.stack([picture(0, 0), picture(0.3, 0.1)])
    assert np.abs(turned(frames, np.zeros((1, 2)), [1], 2.0, pyramid(96, 96))).max() == 0


def test_the_phase_of_the_first_frame_is_where_motion_starts():
    """Turned back by all of its phase the second frame is the first."""
    frames = np.stack([picture(0, 0), picture(0.6, -0.4)])
    back = frames[1] + turned(frames, np.array([[0, -1.0]]), [1], 0.0, pyramid(96, 96))[0]
    assert np.abs(moved(frames[0], back)).max() < 0.03
    assert moved(frames[0], frames[1]) == pytest.approx([0.6, -0.4], abs=0.01)


def test_a_wide_average_of_phases_is_the_same_for_a_motion_of_all():
    frames = np.stack([picture(0, 0), picture(0.3, 0)])
    moved_by = [
        moved(
            frames[0], frames[1] + turned(frames, np.array([[0, 3.0]]), [1], s, pyramid(96, 96))[0]
        )
        for s in (0.0, 4.0)
    ]
    assert moved_by[0] == pytest.approx(moved_by[1], abs=0.06)


def test_where_there_is_nothing_to_see_a_phase_counts_for_nothing():
    """Left half: amplitude 1, turned by 0.2; right half: a thousandth of it, turned by 2."""
    left = np.arange(20) < 10
    still = np.tile(np.where(left, 1, 1e-3), (16, 1)).astype(complex)
    signals = np.stack([still, still * np.exp(1j * np.where(left, 0.2, 2.0))])
    assert_allclose(phases(signals, (3.0, 3.0))[1][:, left], 0.2, atol=0.01)
    assert_allclose(phases(signals, (0.0, 0.0))[1][:, ~left], 2.0)
    assert not phases(signals, (3.0, 3.0))[0].any()


def test_an_average_reaches_as_far_down_and_right_as_it_is_told():
    signals = np.ones((2, 21, 21), complex)
    signals[1, 10, 10] = 1j
    spread = phases(signals, (2.0, 0.0))[1]
    assert spread[:, 10].std() > 0.02
    assert not spread[:, 9].any()
    assert_allclose(spread.sum(), np.pi / 2)
