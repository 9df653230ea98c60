import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

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


def test_borders_count_as_much_as_the_middle():
    whole = strain(0.1 * np.stack([X, Y]), SHARP)
    assert_allclose(whole[0, [0, 0, -1, -1], [0, -1, 0, -1]], 0.1 * np.sqrt(2), rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (25, 27)])  # less than the Gaussian, and more
def test_the_flow_is_smoothed_by_a_gaussian_with_mirrored_borders(shape):
    flow = np.random.default_rng(0).normal(0, 1, (2, *shape)).astype(np.float32)
    smooth = gaussian_filter(flow.astype(float), (0, 1, 1), mode="reflect")
    assert_allclose(strain(flow, StrainConfig(sigma=1)), strain(smooth, SHARP), atol=1e-6)


def test_many_flows_at_once_are_the_same_as_one_by_one():
    flows = np.random.default_rng(0).normal(0, 1, (2, 3, 2, 9, 7)).astype(np.float32)
    together = strain(flows, StrainConfig())
    assert together.shape == (2, 3, 1, 9, 7)
    for one, flow in zip(together.reshape(6, 1, 9, 7), flows.reshape(6, 2, 9, 7), strict=True):
        assert_array_equal(one, strain(flow, StrainConfig()))


# What published variants make of u = ax + by, v = cx + dy, away from the borders.
A, B, C, D = 0.01, 0.02, 0.05, 0.1
AFFINE = np.stack([A * X + B * Y, C * X + D * Y])
PUBLISHED = {
    "infinitesimal": np.sqrt(A**2 + D**2 + (B + C) ** 2 / 2),
    "forward": np.sqrt(A**2 + D**2 + (B + C) ** 2 / 2),
    "wrapped": np.sqrt(A**2 + D**2 + (B + C) ** 2 / 2),
    "meb": 8 * np.sqrt(B**2 + C**2 + (A**2 + D**2) / 2),
    "exchanged": np.sqrt(B**2 + C**2 + (A + D) ** 2 / 4),
}


@pytest.mark.parametrize("variant", PUBLISHED)
def test_a_published_variant_is_computed_faults_and_all(variant):
    inside = strain(AFFINE, StrainConfig(sigma=0, variant=variant))[0, 1:-1, 1:-1]
    assert_allclose(inside, PUBLISHED[variant], rtol=1e-4)


def test_the_variant_of_meb_takes_a_rotation_for_strain():
    turned = strain(0.02 * np.stack([-Y, X]), StrainConfig(sigma=0, variant="meb"))[0, 1:-1, 1:-1]
    assert_allclose(turned / 8, 0.028, atol=5e-4)  # measured on that code


def test_variants_differ_in_what_lies_beyond_the_border():
    stretch = 0.1 * np.stack([X, 0 * X])
    edges = {
        name: strain(stretch, StrainConfig(sigma=0, variant=name))[0, 12, [0, -1]]
        for name in PUBLISHED
    }
    assert_allclose(edges["infinitesimal"], 0.1, rtol=1e-5)  # one-sided
    assert_allclose(edges["forward"], 0.1, rtol=1e-4)  # the neighbour's
    assert_allclose(edges["wrapped"], [2.4, 0.1], rtol=1e-4)  # from the far side, 24 px away
    # zeros outside: 4 times 1.1, of u = -1.1 and 1.1 one pixel inside; once more along y
    assert_allclose(edges["meb"], 4.4 / np.sqrt(2), rtol=1e-4)


def test_an_impulse_tells_which_neighbours_a_difference_takes():
    impulse = np.zeros((2, 9, 9), np.float32)
    impulse[0, 4, 4] = 1
    row = {name: strain(impulse, StrainConfig(sigma=0, variant=name))[0, 4] for name in PUBLISHED}
    assert_array_equal(row["infinitesimal"].nonzero()[0], [3, 5])
    assert_array_equal(row["forward"].nonzero()[0], [3, 4])
    assert_array_equal(row["wrapped"].nonzero()[0], [4, 5])


def test_the_last_row_and_column_of_forward_differences_repeat_the_ones_before():
    flow = np.random.default_rng(0).normal(0, 1, (2, 9, 7)).astype(np.float32)
    found = strain(flow, StrainConfig(sigma=0, variant="forward"))[0]
    assert_array_equal(found[-1], found[-2])
    assert_array_equal(found[:, -1], found[:, -2])


def test_gates_silence_the_lowest_and_highest_share_of_each_samples_range():
    rates = np.linspace(0.1, 0.5, 41).astype(np.float32)  # strain of column j, u'' is small
    u = np.broadcast_to(np.cumsum(rates), (5, 41))
    flow = np.stack([u, 0 * u])
    flow = np.stack([flow, 10 * flow])
    open_, gated = (
        strain(flow, StrainConfig(sigma=0, gate_low=low, gate_high=high))[:, 0, 2, :]
        for low, high in [(0, 0), (0.25, 0.1)]
    )
    for before, after in zip(open_, gated, strict=True):
        spread = before.max() - before.min()
        kept = (before >= before.min() + 0.25 * spread) & (before <= before.max() - 0.1 * spread)
        assert_array_equal(after, np.where(kept, before, 0))
        assert 0 < kept.sum() < kept.size


@pytest.mark.parametrize("shape", [(17, 17), (3, 17, 17), (2, 1, 17)])
def test_any_other_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(…, 2, H, W\)"):
        strain(np.zeros(shape, np.float32), SHARP)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"sigma": -1}, "sigma is -1 px"),
        ({"sigma": 40}, "sigma is 40 px"),
        ({"variant": "bem"}, "variant is 'bem', none of infinitesimal"),
        ({"gate_low": -0.1}, "gates are -0.1 and 0"),
        ({"gate_low": 0.5, "gate_high": 0.5}, "leave some of it"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(setting, words):
    with pytest.raises(ValueError, match=words):
        StrainConfig(**setting)
