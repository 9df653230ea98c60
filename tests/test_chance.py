"""What networks draw: the share that is dropped, from the stream they are given and no other."""

import pytest
import torch
from torch import nn

from train import chance
from train.augment import uniform


def numbers(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_and_what_is_left_grows(share):
    drop = nn.Dropout(share)
    with chance.own(numbers()):
        found = drop(torch.ones(200, 500))
    assert (found == 0).float().mean().item() == pytest.approx(share, abs=0.006)  # 6 sigma
    torch.testing.assert_close(found.max().item(), 1 / (1 - share), rtol=1e-4, atol=0)
    assert found.mean().item() == pytest.approx(1, abs=0.06)


def test_all_or_nothing_is_dropped_by_a_share_of_1_or_0():
    x = torch.ones(3, 4)
    with chance.own(numbers()):
        assert torch.equal(nn.Dropout(1.0)(x), 0 * x)
        assert torch.equal(nn.Dropout(0.0)(x), x)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Dropout1d, (20, 30, 7)), (nn.Dropout2d, (20, 30, 4, 5)), (nn.Dropout3d, (9, 30, 2, 3, 4))],
)
def test_whole_filters_are_dropped_together(layer, shape):
    with chance.own(numbers()):
        found = layer(0.5)(torch.ones(shape)).flatten(2)
    assert torch.equal(found.amin(2), found.amax(2))
    assert 0.3 < (found[..., 0] == 0).float().mean() < 0.7


def test_nothing_is_drawn_of_a_network_that_is_asked():
    own, x = numbers(), torch.ones(5)
    before = own.get_state()
    with chance.own(own):
        assert torch.equal(nn.Dropout(0.5).eval()(x), x)
    assert torch.equal(own.get_state(), before)


def test_torchs_own_generator_is_not_touched_inside_and_is_used_outside():
    before = torch.get_rng_state()
    with chance.own(numbers()):
        nn.Dropout(0.5)(torch.ones(5))
        first = torch.rand(2, 3)
        torch.rand((2, 3))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.shape == (2, 3)
    torch.rand(1)
    assert not torch.equal(torch.get_rng_state(), before)


def test_a_generator_that_a_network_names_is_asked():
    with chance.own(numbers()):
        found = torch.rand(3, generator=numbers(7))
    assert torch.equal(found, torch.rand(3, generator=numbers(7)))


@pytest.mark.parametrize("kind", [torch.int16, torch.float32])
@pytest.mark.parametrize("shape", [(3, 5), (7,), (4, 1, 2), ()])
def test_each_row_is_what_its_generator_alone_draws(kind, shape):
    both = chance.draw(shape, kind, [numbers(1), numbers(2)])
    for seed, row in zip((1, 2), both, strict=True):
        assert row.shape == shape
        assert torch.equal(row, chance.draw(shape, kind, [numbers(seed)])[0])


def test_the_streams_of_a_fit_are_each_its_own():
    streams = chance.Draws.of(5, torch.device("cpu")).named()
    found = {tuple(torch.rand(4, generator=own).tolist()) for _, own in streams}
    assert len(found) == 3


def test_what_is_asked_for_is_what_is_drawn():
    network = nn.Sequential(nn.Dropout2d(0.5), nn.Flatten(), nn.Dropout(0.5), nn.Dropout(0.0))
    x = torch.ones(2, 3, 4, 4)
    asked = chance.asked_for(lambda: network(x.to("meta")))
    assert asked == [((2, 3, 1, 1), torch.int16), ((2, 48), torch.int16)]
    own = numbers(4)
    made = [chance.draw(shape, kind, [own])[0] for shape, kind in asked]
    with chance.given(made):
        found = network(x)
    with chance.own(numbers(4)):
        assert torch.equal(found, network(x))


def test_clips_of_several_fits_are_changed_each_by_its_own_generator():
    x = torch.zeros(6, 1)
    found = uniform(x, [numbers(1), numbers(2)])
    assert torch.equal(found, torch.cat([uniform(x[:3], numbers(1)), uniform(x[3:], numbers(2))]))
