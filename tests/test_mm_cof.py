import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter, map_coordinates

from features.mm_cof import MmCofConfig, _carried, mm_cof

RNG = np.random.default_rng(0)
RISE = gaussian_filter(RNG.normal(0, 20, (2, 40, 50)), (0, 5, 5)).astype(np.float32)
OTHER = gaussian_filter(RNG.normal(0, 20, (2, 40, 50)), (0, 5, 5)).astype(np.float32)
IN_PLACE = MmCofConfig(on_onset=False)
PLAIN = {"norm": "minmax", "low": 1.0, "high": 1.0, "on_onset": False}  # no modulation


def direction(found: np.ndarray) -> np.ndarray:
    """Unit vectors where there is motion."""
    return found[:2, found[2] > 0] / found[2, found[2] > 0]


def unit(flow: np.ndarray, found: np.ndarray) -> np.ndarray:
    return (flow / np.hypot(*flow))[:, found[2] > 0]


def test_a_fall_that_undoes_the_rise_leaves_the_direction_of_the_rise():
    found = mm_cof(RISE, -RISE, IN_PLACE)
    assert (found[2] > 0).mean() > 0.9
    assert_allclose(direction(found), unit(RISE, found), atol=1e-4)


def test_the_skin_itself_going_back_leaves_the_direction_of_the_rise_too():
    y, x = np.mgrid[:40, :50].astype(float)
    rise = np.stack([3 + 0.1 * x, 2 - 0.05 * y])  # x ↦ 3 + 1.1 x, y ↦ 2 + 0.95 y
    back = -np.stack([3 + 0.1 * (x - 3) / 1.1, 2 - 0.05 * (y - 2) / 0.95])
    inside = np.s_[:, 5:30, 5:40]  # where the rise leads to a pixel of the picture
    wrong = {}
    for on_onset in (True, False):
        found = mm_cof(rise, back, MmCofConfig(theta=0.5, on_onset=on_onset))[inside]
        wrong[on_onset] = np.abs(direction(found) - unit(rise[inside], found)).max()
    assert wrong[True] < 1e-4 < 0.01 < wrong[False]


def test_theta_weighs_the_two_phases():
    found = mm_cof(RISE, OTHER, MmCofConfig(theta=0.7, **PLAIN))
    lengths = [np.hypot(*flow) for flow in (RISE, OTHER)]
    first, second = ((m - m.min()) / (m.max() - m.min()) for m in lengths)
    assert_allclose(found[2], 0.7 * first + 0.3 * second, atol=1e-6)
    assert_allclose(direction(found), unit(0.7 * RISE - 0.3 * OTHER, found), atol=1e-3)


def test_with_all_weight_on_the_rise_the_fall_does_not_matter():
    one, other = (mm_cof(RISE, fall, MmCofConfig(theta=1.0)) for fall in (OTHER, -RISE))
    assert_array_equal(one, other)


def test_a_fall_without_motion_has_no_weight():
    still = mm_cof(RISE, 0 * RISE, MmCofConfig(theta=0.6))
    assert_array_equal(still, mm_cof(RISE, OTHER, MmCofConfig(theta=1.0)))


def test_a_step_enhances_from_tau_on_and_suppresses_below():
    plain = mm_cof(RISE, OTHER, MmCofConfig(**PLAIN))[2]
    settings = {**PLAIN, "low": 0.25, "high": 1.25}
    found = mm_cof(RISE, OTHER, MmCofConfig(tau=0.4, **settings))[2]
    assert ((plain < 0.4).any(), (plain > 0.8).any()) == (True, True)
    assert_allclose(found, np.where(plain >= 0.4, 1.25 * plain, 0.25 * plain).clip(0, 1), atol=1e-6)


def test_a_smooth_modulation_is_halfway_at_tau_and_ends_where_the_step_does():
    plain = mm_cof(RISE, OTHER, MmCofConfig(**PLAIN))[2]
    settings = {**PLAIN, "low": 0.5, "high": 1.5, "modulation": "smooth"}
    y, x = np.unravel_index(np.abs(plain - 0.3).argmin(), plain.shape)
    tau = float(plain[y, x])
    soft, hard = (
        mm_cof(RISE, OTHER, MmCofConfig(tau=tau, steepness=k, **settings))[2] for k in (20, 1e4)
    )
    step = mm_cof(RISE, OTHER, MmCofConfig(tau=tau, **{**settings, "modulation": "step"}))[2]
    assert_allclose(soft[y, x], tau, rtol=1e-5)  # gain 1, the mean of 0.5 and 1.5
    away = abs(plain - tau) > 0.01
    assert_allclose(hard[away], step[away], atol=1e-6)
    assert abs(soft - step).max() > 0.01


def test_one_bad_pixel_sets_the_range_of_minmax_alone():
    bad = RISE.copy()
    bad[:, 3, 4] = 100
    change = {
        norm: np.abs(
            np.median(mm_cof(bad, -bad, MmCofConfig(norm=norm, on_onset=False))[2])
            - np.median(mm_cof(RISE, -RISE, MmCofConfig(norm=norm, on_onset=False))[2])
        )
        for norm in ("robust", "minmax")
    }
    assert change["robust"] < 0.01 < 0.1 < change["minmax"]


def test_magnitude_is_a_share_and_the_direction_as_long_as_it():
    found = mm_cof(RISE, OTHER, MmCofConfig())
    assert found.dtype == np.float32
    assert found.shape == (3, 40, 50)
    assert (found[2].min(), found[2].max()) == (0, 1)
    assert_allclose(np.hypot(*found[:2]), found[2], atol=1e-4)


def test_scaling_both_flows_changes_nothing():
    twice = mm_cof(2 * RISE, 2 * OTHER, IN_PLACE)
    assert_allclose(twice, mm_cof(RISE, OTHER, IN_PLACE), atol=1e-5)


def test_where_everything_moves_alike_nothing_stands_out():
    even = np.full((2, 20, 20), 1.5, np.float32)
    assert_array_equal(mm_cof(even, -even, MmCofConfig()), 0)


def test_the_fall_is_taken_where_the_rise_has_carried_the_pixel():
    y, x = np.mgrid[:40, :50].astype(float)
    carried = np.stack([map_coordinates(w, [y + RISE[1], x + RISE[0]], order=1, mode="nearest")
                        for w in OTHER])  # fmt: skip
    found = mm_cof(RISE, OTHER, MmCofConfig(theta=0.0, **{**PLAIN, "on_onset": True}))
    length = np.hypot(*carried)
    assert_allclose(found[2], (length - length.min()) / np.ptp(length), atol=1e-5)
    assert_allclose(direction(found), -unit(carried, found), atol=1e-3)


def test_a_position_is_not_rounded_to_a_thirty_second_of_a_pixel():
    x = np.broadcast_to(np.arange(50, dtype=np.float32), (40, 50))
    shift = np.full((2, 40, 50), [[[0.01]], [[0.0]]], np.float32)
    assert_allclose(_carried(np.stack([x, -x]), shift)[0, :, :-1], x[:, :-1] + 0.01, atol=1e-5)


@pytest.mark.parametrize("flaw", [np.nan, np.inf, -np.inf, 1e30])
def test_a_rise_beyond_reason_reads_nothing_beyond_the_picture(flaw):
    rise = RISE.copy()
    rise[:, 5, 5] = flaw
    assert np.isfinite(_carried(OTHER, rise)).all()


@pytest.mark.parametrize(
    ("rise", "fall"), [((3, 8, 8), (3, 8, 8)), ((2, 8, 8), (2, 8, 9)), ((2, 8), (2, 8))]
)
def test_any_other_shape_is_refused(rise, fall):
    with pytest.raises(ValueError, match=r"expected twice \(2, H, W\)"):
        mm_cof(np.zeros(rise), np.zeros(fall), MmCofConfig())


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"theta": 1.5}, "theta is 1.5"),
        ({"norm": "max"}, "norm is 'max', none of robust, minmax"),
        ({"modulation": "soft"}, "modulation is 'soft', none of step, smooth"),
        ({"low": 2.0}, "expected 0 ≤ low ≤ high"),
        ({"steepness": 0.0}, "steepness is 0.0"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(setting, words):
    with pytest.raises(ValueError, match=words):
        MmCofConfig(**setting)
