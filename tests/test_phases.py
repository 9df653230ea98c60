import numpy as np
import pytest
import torch

from features.dynamic_image import DynamicImageConfig, dynamic_image
from train.phases import of_both_phases, one_phase, present

LINEAR = DynamicImageConfig(form="linear")


def numbers(seed=0):
    return torch.Generator().manual_seed(seed)


def tagged(samples):
    """Whole, rise and fall of many clips, told apart by their value."""
    return [torch.full((samples, 3, 2, 2), value) for value in (1.0, 2.0, 3.0)]


def shares(found):
    return [(found[:, 0, 0, 0] == value).float().mean().item() for value in (1.0, 2.0, -3.0)]


def test_the_negative_of_a_linear_dynamic_image_is_that_of_the_clip_run_backwards():
    frames = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
    backwards = dynamic_image(frames[::-1], LINEAR)
    np.testing.assert_allclose(-dynamic_image(frames, LINEAR), backwards, atol=1e-4)


def test_phases_are_given_by_their_odds():
    found = one_phase(*tagged(4000), numbers())
    assert shares(found) == pytest.approx([0.2, 0.5, 0.3], abs=0.03)
    found = one_phase(*tagged(4000), numbers(), odds=(0.0, 0.9, 0.1))
    assert shares(found) == pytest.approx([0.0, 0.9, 0.1], abs=0.03)


def test_a_fall_that_holds_nothing_is_never_given_and_the_rise_is():
    whole, rise, fall = tagged(4000)
    found = one_phase(whole, rise, 0 * fall, numbers())
    assert shares(found) == pytest.approx([0.2, 0.8, 0.0], abs=0.03)


def test_a_clip_gets_a_picture_of_its_own():
    generator = torch.Generator().manual_seed(5)
    whole, rise, fall = (torch.rand(64, 3, 4, 4, generator=generator) for _ in range(3))
    found = one_phase(whole, rise, fall, numbers())
    same = torch.stack([(found == one).flatten(1).all(1) for one in (whole, rise, -fall)])
    assert (same.sum(0) == 1).all()
    assert same.any(1).all()


def test_one_seed_gives_one_choice_and_another_seed_another():
    one, same, other = (one_phase(*tagged(64), numbers(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("odds", [(0.5, 0.5, 0.5), (1.2, -0.2, 0.0)])
def test_odds_that_are_none_are_refused(odds):
    with pytest.raises(ValueError, match="three that add up to 1"):
        one_phase(*tagged(2), numbers(), odds)


def test_a_tested_clip_is_judged_by_the_mean_of_its_phases():
    rise, fall = torch.tensor([[0.8, 0.2], [0.8, 0.2]]), torch.tensor([[0.4, 0.6], [0.4, 0.6]])
    found = of_both_phases(rise.log(), fall.log(), torch.tensor([True, False]))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.4], [0.8, 0.2]]))


def test_a_phase_is_present_where_any_value_is_not_zero():
    x = torch.zeros(3, 2, 4, 4)
    x[1, 1, 3, 0] = -1e-6
    assert present(x).tolist() == [False, True, False]
