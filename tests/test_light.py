import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from features.light import exposure, grey, local_contrast, normalised

RNG = np.random.default_rng(0)
SKIN = (128 + 400 * gaussian_filter(RNG.normal(size=(96, 96)), 3)).astype(np.float32)
INNER = np.s_[..., 13:-13, 13:-13]  # where a window of 25 px sees no border


def test_grey_is_the_luma_of_bt_601_and_not_rounded():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 31]]], np.uint8)
    seen = grey(colours[None])[0, 0]
    assert seen.dtype == np.float32
    assert_allclose(seen, [76.245, 149.685, 29.07, 18.264], atol=1e-3)


def test_grey_of_what_is_no_colour_frame_is_refused():
    with pytest.raises(ValueError, match=r"expected \(T, H, W, 3\)"):
        grey(np.zeros((4, 8, 8), np.uint8))


def test_a_lamp_that_brightens_is_fitted_away_frame_by_frame():
    lit = np.stack([SKIN, 1.05 * SKIN + 8, 0.8 * SKIN - 5]).astype(np.float32)
    fitted = exposure(lit)
    assert (fitted[0] == SKIN).all()
    assert_allclose(fitted, np.stack([SKIN] * 3), atol=0.01)


def test_an_expression_is_no_lamp():
    """A tenth of the face turns dark; the light of the rest is fitted as if it had not."""
    mouth = SKIN.copy()
    mouth[40:70, 30:61] -= 90
    fitted = exposure(np.stack([SKIN, 1.1 * mouth]).astype(np.float32))[1]
    assert np.abs((fitted - SKIN)[:38]).mean() < 1.5
    assert (fitted - SKIN)[45:65, 35:55].mean() == pytest.approx(-90, abs=4)


def test_a_black_frame_stays_finite():
    dark = exposure(np.stack([SKIN, np.zeros_like(SKIN)]))
    assert np.isfinite(dark).all()


def test_local_contrast_does_not_see_gain_offset_or_a_ramp():
    ramp = np.linspace(0.96, 1.04, 96, dtype=np.float32)[:, None]
    still, lit = local_contrast(np.stack([SKIN, 1.05 * SKIN * ramp + 8]))
    assert np.abs(still - lit)[INNER].mean() < 0.6  # of standard deviations of 30
    assert np.abs(SKIN - (1.05 * SKIN * ramp + 8))[INNER].mean() > 10


def test_local_contrast_has_mean_nought_and_deviation_thirty():
    (seen,) = local_contrast(SKIN[None])
    assert seen[INNER].mean() == pytest.approx(0, abs=3)
    assert seen[INNER].std() == pytest.approx(30, rel=0.15)


def test_where_there_is_only_noise_it_is_not_made_a_texture():
    (seen,) = local_contrast(RNG.normal(100, 0.3, (1, 64, 64)).astype(np.float32))
    assert seen.std() < 5


def test_a_normalisation_goes_by_its_name():
    lit = np.stack([SKIN, 1.2 * SKIN])
    assert normalised(lit, "none") is lit
    assert (normalised(lit, "exposure") == exposure(lit)).all()
    assert (normalised(lit, "local") == local_contrast(lit)).all()
