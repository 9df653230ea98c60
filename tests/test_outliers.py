"""How far a sample lies from the others, in deviations that outliers do not stretch."""

import numpy as np
import pytest

from pipeline.outliers import Measure, deviations, farthest


def far(values, unit="px"):
    return deviations(Measure("m", unit, np.array(values, float)))


def test_of_normal_values_a_deviation_is_a_standard_deviation():
    values = np.random.default_rng(0).normal(5, 2, 20_000)
    assert far(values) == pytest.approx((values - 5) / 2, abs=0.15)


def test_an_outlier_does_not_hide_itself_nor_another():
    calm = list(np.linspace(1, 2, 20))
    assert far([*calm, 50, 60])[-2:].min() > 50


def test_too_little_is_as_far_as_too_much():
    values = far([1, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 0, 2.4])
    assert values[-2] == pytest.approx(-values[-1])


@pytest.mark.parametrize(
    ("unit", "step"), [("px", 0.001), ("px/px", 0.0001), ("grey levels", 0.1), ("1", 0.001)]
)
def test_samples_that_are_alike_but_for_noise_make_no_outlier(unit, step):
    near = [0.5 + sign * step / k for k in (90, 80, 70) for sign in (1, -1)]
    values = far([0.5, *near, 0.5 + step], unit)
    assert np.abs(values).max() < 1


def test_nothing_but_zeros_makes_no_outlier():
    assert far([0] * 8, "1").tolist() == [0] * 8


def test_of_fewer_than_eight_values_nobody_is_far_from_the_others():
    assert np.isnan(far([1, 2])).all()
    assert np.isnan(far([1, 2, 3, 4, 5, 6, 90, np.nan])).all()
    assert far([1, 2, 3, 4, 5, 6, 7, 90])[-1] > 5


def test_what_was_not_measured_is_not_told_and_moves_no_other():
    known = list(range(1, 10))
    values = far([*known[:2], np.nan, *known[2:]])
    assert np.delete(values, 2).tolist() == far(known).tolist()
    assert np.isnan(values[2])
    assert np.isnan(far([np.nan, np.nan])).all()


def test_a_sample_is_as_far_as_its_farthest_measure():
    distances = [np.array([1.0, -5, np.nan, np.nan]), np.array([-2.0, 3, 0.5, np.nan])]
    assert farthest(distances).tolist() == [2, 5, 0.5, 0]
