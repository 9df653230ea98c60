"""One resampling, at exact positions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from pipeline.resample import cut


def shifted(x: float, y: float = 0.0) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y]])


def waves(size: int = 120) -> np.ndarray:
    """Slanted stripes, 16 px long in x; each row begins elsewhere, so that rounding averages."""
    y, x = np.mgrid[:size, :size]
    wave = 128 + 100 * np.sin(2 * np.pi * (x / 16 + y * 0.618))
    return np.rint(np.repeat(wave[..., None], 3, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize("shift", [0.0, 0.013, 0.25, 0.5, -0.31])
def test_a_shift_of_a_hundredth_pixel_is_kept(shift):
    wave = np.exp(-2j * np.pi * np.arange(16, 96) / 16)  # five whole waves
    still, moved = (
        cut(waves(), shifted(x), 120)[16:96, 16:96, 1] @ wave for x in (0.37, 0.37 + shift)
    )
    phases = np.angle(still / moved) * 16 / (2 * np.pi)
    assert phases.mean() == pytest.approx(shift, abs=0.006)  # rounded to 1/32: 0.0156


def test_an_identity_changes_no_pixel():
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3)).astype(np.uint8)
    assert (cut(noise, shifted(0), 50) == noise).all()


def test_axes_and_channels_keep_their_places():
    frame = np.zeros((60, 60, 3), np.uint8)
    frame[20, 30] = (250, 150, 50)
    assert cut(frame, shifted(5, -7), 60)[13, 35].tolist() == [250, 150, 50]


def test_a_smooth_picture_turned_and_shrunk_is_what_the_formula_says():
    y, x = np.mgrid[:200, :200].astype(float)
    wave = 128 + 60 * np.sin(x / 9) + 50 * np.cos(y / 11)
    frame = np.rint(np.repeat(wave[..., None], 3, -1)).astype(np.uint8)
    matrix = np.array([[0.88, -0.1, 8], [0.1, 0.88, -4]])
    back = np.linalg.inv(matrix[:, :2])
    y, x = np.mgrid[20:120, 30:130].astype(float)
    u, v = np.einsum("ij,jkl->ikl", back, np.stack([x - 8, y + 4]))
    expected = 128 + 60 * np.sin(u / 9) + 50 * np.cos(v / 11)
    seen = cut(frame, matrix, 150)[20:120, 30:130, 0]
    assert np.abs(seen - expected).max() < 3  # the anti-alias blur takes 0.3 % of the amplitude


def test_beyond_the_frame_the_border_is_repeated_and_never_wrapped():
    frame = np.zeros((60, 60, 3), np.uint8)
    frame[:, :, 1] = 40
    frame[:, 30:] = 200
    crop = cut(frame, shifted(20), 60)  # 20 px more on the left than there is
    assert (crop[:, :20] == crop[:, 20:21]).all()
    assert (cut(frame, shifted(500), 60)[:, :, 1] == 40).all()  # wholly beside the frame
    assert (cut(frame, np.array([[0.4, 0, 300], [0, 0.4, 0]]), 60)[:, :, 1] == 40).all()


def test_a_smaller_crop_does_not_fold_fine_stripes_back():
    stripes = np.zeros((240, 240, 3), np.uint8)
    stripes[:, ::2] = 255
    quarter = cut(stripes, np.array([[0.26, 0, 0], [0, 0.26, 0]]), 56)
    assert np.ptp(quarter[8:-8, 8:-8].astype(int)) < 12


def test_a_crop_does_not_change_with_what_lies_far_from_it():
    rng = np.random.default_rng(1)
    wide = gaussian_filter(rng.uniform(0, 255, (500, 600, 3)), (1, 1, 0)).astype(np.uint8)
    matrix = np.array([[0.5, 0.02, -90], [-0.02, 0.5, -80]])
    inner = wide[90:420, 110:500]
    moved_back = matrix @ np.array([[1, 0, 110], [0, 1, 90], [0, 0, 1]])
    assert_allclose(cut(inner, moved_back, 64).astype(int), cut(wide, matrix, 64), atol=1)
