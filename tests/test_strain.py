import numpy as np
import pytest
from numpy.testing import assert_allclose

from features.strain import StrainConfig, strain

SHARP = StrainConfig(sigma=0)
Y, X = np.mgrid[-12:13, -12:13].astype(np.float32)


def test_a_translation_has_no_strain():
    assert_allclose(strain(np.stack([0 * X + 0.7, 0 * Y - 1.3]), StrainConfig()), 0, atol=1e-6)


def test_a_small_rotation_has_no_strain():
    assert_allclose(strain(0.02 * np.stack([-Y, X]), SHARP), 0, atol=1e-6)


def test_a_stretch_along_one_axis_is_its_rate():
    assert_allclose(strain(0.1 * np.stack([X, 0 * X]), SHARP), 0.1, rtol=1e-5)
    assert_allclose(strain(0.1 * np.stack([0 * Y, Y]), SHARP), 0.1, rtol=1e-5)


def test_an_expansion_is_its_rate_times_root_two():
    assert_allclose(strain(0.1 * np.stack([X, Y]), SHARP), 0.1 * np.sqrt(2), rtol=1e-5)


def test_a_shear_counts_by_half_its_square():
    assert_allclose(strain(0.1 * np.stack([Y, 0 * X]), SHARP), 0.1 / np.sqrt(2), rtol=1e-5)


def test_smoothing_keeps_a_linear_field():
    inside = strain(0.1 * np.stack([X, 0 * X]), StrainConfig(sigma=1))[:, 8:-8, 8:-8]
    assert_allclose(inside, 0.1, rtol=1e-4)


@pytest.mark.parametrize("shape", [(17, 17), (3, 17, 17)])
def test_any_other_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(2, H, W\)"):
        strain(np.zeros(shape, np.float32), SHARP)


def test_a_negative_sigma_is_refused():
    with pytest.raises(ValueError, match="cannot be negative"):
        StrainConfig(sigma=-1)
