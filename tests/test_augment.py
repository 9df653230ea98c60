import numpy as np
import pytest
import torch

from features.strain import StrainConfig, strain
from features.tvl1_config import Tvl1Config
from train.augment import flip, magnify, shift
from train.planes import AMOUNT, FLOW, PICTURE, RIGHTWARD_SHARE
from train.tvl1 import tvl1

BOTH = (FLOW, (AMOUNT,))  # flow and strain
SHARP = StrainConfig(sigma=0)


def numbers(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(samples=16, side=12):
    """Flow (B, 2, H, W) and its strain (B, 1, H, W)."""
    flow = torch.randn(samples, 2, side, side, generator=numbers(7))
    return [flow, strained(flow)]


def strained(flow):
    return torch.from_numpy(strain(flow.numpy(), SHARP))


def changed(before, after):
    return (before != after).flatten(1).any(1)


def texture(samples=1, side=48):
    """A smooth picture, grey levels."""
    rough = torch.rand(samples, 1, side, side, generator=numbers(3))
    for _ in range(6):
        rough = torch.nn.functional.avg_pool2d(rough, 3, 1, padding=1, count_include_pad=False)
    low, high = rough.amin(), rough.amax()
    return 255 * ((rough - low) / (high - low))[:, 0]


def test_mirrored_twice_a_clip_is_itself():
    inputs = batch()
    once = flip(inputs, BOTH, numbers(), odds=1.0)
    again = flip(once, BOTH, numbers(), odds=1.0)
    assert all(changed(a, b).all() for a, b in zip(inputs, once, strict=True))
    for found, wanted in zip(again, inputs, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_mirrored_motion_goes_the_other_way():
    flow = torch.zeros(1, 2, 3, 5)
    flow[0, 0, 1, 0], flow[0, 1, 2, 1] = 2.0, 3.0  # rightward at the left; downward
    (found,) = flip([flow], (FLOW,), numbers(), odds=1.0)
    assert found[0, 0, 1, 4] == -2
    assert found[0, 1, 2, 3] == 3
    assert len(found.nonzero()) == 2


def test_the_flow_of_mirrored_frames_is_the_mirrored_flow():
    """Seen, not told: TV-L1 measures both."""
    onset = texture()
    apex = onset.roll((1, 2), (1, 2))  # 1 px down, 2 px rightward
    config = Tvl1Config()
    seen = tvl1(onset.flip(-1), apex.flip(-1), config)
    (told,) = flip([tvl1(onset, apex, config)], (FLOW,), numbers(), odds=1.0)
    inside = (..., slice(12, -12), slice(12, -12))
    assert seen[inside].mean((0, 2, 3)).tolist() == pytest.approx([-2, 1], abs=0.2)
    torch.testing.assert_close(told[inside], seen[inside], rtol=0, atol=0.2)


def test_strain_does_not_care_for_a_mirror():
    flow, measured = batch()
    mirrored, told = flip([flow, measured], BOTH, numbers())
    torch.testing.assert_close(strained(mirrored), told)


def test_a_picture_and_an_amount_keep_their_sign_and_a_share_of_a_vector_turns_it():
    x = torch.rand(1, 3, 2, 2, generator=numbers()) + 1
    (found,) = flip([x], ((PICTURE, AMOUNT, RIGHTWARD_SHARE),), numbers(), odds=1.0)
    torch.testing.assert_close(found[:, :2], x[:, :2].flip(-1))
    torch.testing.assert_close(found[:, 2], -x[:, 2].flip(-1))


def test_about_half_of_the_clips_are_mirrored_each_with_all_its_inputs():
    flow, measured = batch(samples=200, side=4)
    mirrored, told = flip([flow, measured], BOTH, numbers())
    assert 80 < changed(flow, mirrored).sum() < 120
    assert (changed(flow, mirrored) == changed(measured, told)).all()


def test_a_tag_moves_by_whole_pixels_no_further_than_allowed():
    x = torch.zeros(300, 1, 20, 20)
    x[:, 0, 10, 10] = 5.0
    (found,) = shift([x], ((AMOUNT,),), numbers(), most=0.1)
    assert (found.flatten(1).sum(1) == 5).all()
    places = found.nonzero()[:, 2:] - 10
    assert places.unique(dim=0).shape == (25, 2)  # each of 5 x 5
    assert places.abs().max() == 2


def test_a_tag_moves_in_its_own_clip_and_plane_alone():
    x = torch.zeros(3, 2, 8, 8)
    x[1, 1, 4, 4] = 1.0
    (found,) = shift([x], (FLOW,), numbers(), most=0.3)
    assert found.nonzero()[:, :2].tolist() == [[1, 1]]


def test_what_comes_in_repeats_the_border():
    x = torch.arange(10.0).expand(40, 1, 10, 10)  # 0 … 9 from left to right
    (found,) = shift([x], ((PICTURE,),), numbers(), most=0.2)
    steps = found[:, 0, 0]
    by = (steps[:, 5] - 5).round()
    wanted = (torch.arange(10.0) + by[:, None]).clamp(0, 9)
    assert by.unique().tolist() == [-2, -1, 0, 1, 2]
    torch.testing.assert_close(steps, wanted)


def test_the_strain_of_moved_motion_is_the_moved_strain():
    flow, measured = batch()
    away, told = shift([flow, measured], BOTH, numbers(), most=0.2)
    assert changed(flow, away).any()
    inside = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(strained(away)[inside], told[inside])


def test_inputs_of_two_sizes_move_by_the_same_share():
    small, large = torch.zeros(50, 1, 10, 10), torch.zeros(50, 1, 40, 40)
    small[:, 0, 5, 5] = large[:, 0, 20, 20] = 1.0
    found = shift([small, large], ((AMOUNT,), (AMOUNT,)), numbers(), most=0.25)
    by = [one.nonzero()[:, 2:] / one.shape[-1] - 0.5 for one in found]
    assert by[1].abs().max() > 0.2
    assert (by[0] - by[1]).abs().max() <= 0.5 / 10 + 0.5 / 40


def test_motion_not_pictures_is_magnified_each_clip_by_one_factor():
    flow, measured = batch()
    frames = texture(16, 12)[:, None]
    told = (*BOTH, (PICTURE,), (RIGHTWARD_SHARE,))
    stronger = magnify([flow, measured, frames, frames], told, numbers())
    factor = (stronger[0] / flow)[:, 0, 0, 0]
    torch.testing.assert_close(stronger[0], flow * factor.view(-1, 1, 1, 1))
    torch.testing.assert_close(stronger[1], measured * factor.view(-1, 1, 1, 1))
    torch.testing.assert_close(strained(stronger[0]), stronger[1])
    torch.testing.assert_close(stronger[2], frames, rtol=0, atol=0)
    torch.testing.assert_close(stronger[3], frames, rtol=0, atol=0)
    assert len(factor.unique()) == 16


def test_factors_lie_between_their_bounds_as_many_above_one_as_below():
    ones = torch.ones(2000, 1, 1, 1)
    (found,) = magnify([ones], ((AMOUNT,),), numbers(), 0.5, 2.0)
    assert 0.5 <= found.min() < 0.51
    assert 1.98 < found.max() <= 2
    assert found.log().mean().abs() < 0.03


def test_a_dynamic_image_of_twice_the_change_is_twice_the_image():
    """Why a dynamic image is an amount: it is linear in what the frames differ by."""
    from features.dynamic_image import DynamicImageConfig, dynamic_image

    frames = texture(6, 16)[..., None].repeat(1, 1, 1, 3).numpy().astype(np.float64)
    stronger = frames[:1] + 2 * (frames - frames[:1])
    config = DynamicImageConfig()
    np.testing.assert_allclose(
        dynamic_image(stronger, config), 2 * dynamic_image(frames, config), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("change", [flip, shift, magnify])
def test_nothing_given_is_written_to(change):
    inputs = batch()
    before = [x.clone() for x in inputs]
    change(inputs, BOTH, numbers())
    for x, was in zip(inputs, before, strict=True):
        torch.testing.assert_close(x, was, rtol=0, atol=0)


@pytest.mark.parametrize("change", [flip, shift, magnify])
def test_one_seed_gives_one_batch_and_torchs_own_numbers_are_left_alone(change):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    one, same, other = (change(batch(), BOTH, numbers(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("change", [flip, shift, magnify])
def test_axes_between_clip_and_plane_change_with_their_clip(change):
    """Flows of several gains, (B, G, 2, H, W)."""
    flow = batch()[0]
    (stacked,) = change([torch.stack([flow, 2 * flow], 1)], (FLOW,), numbers())
    (alone,) = change([flow], (FLOW,), numbers())
    torch.testing.assert_close(stacked, torch.stack([alone, 2 * alone], 1))


@pytest.mark.parametrize("change", [flip, shift, magnify])
def test_a_plane_without_a_meaning_is_refused(change):
    with pytest.raises(ValueError, match=r"2 planes .*, of which 1 are told"):
        change(batch(), ((AMOUNT,), (AMOUNT,)), numbers())


@pytest.mark.parametrize(("least", "most"), [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_factors_that_are_no_range_are_refused(least, most):
    with pytest.raises(ValueError, match="expected 0 < least <= most"):
        magnify(batch(), BOTH, numbers(), least, most)
