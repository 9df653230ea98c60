import math
import tomllib
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.net_facts import (
    assert_eval_repeats_and_ignores_the_batch,
    assert_folds_train_together,
    learned,
    noise,
    parameters,
    untaught,
)
from train.models import artnet, artnet_control, artnet_control_lite, artnet_lite
from train.models.artnet import FULL_SCALE, ARTNet, stem
from train.models.artnet_control import ARTNetControl

SIZES = {"widths": (8, 8, 16, 16), "layers": 2, "heads": 2, "hidden": 32}
SMALL = partial(ARTNet, **SIZES)
CONTROL = partial(ARTNetControl, **SIZES)
BOTH = pytest.mark.parametrize("kind", [SMALL, CONTROL])
SCALE = torch.tensor(FULL_SCALE)[:, None, None]
TOKENS = noise(4, 4, 3, 24, 24) * SCALE
GAINS = torch.tensor([1.0, 2.0, 4.0, 8.0])


@pytest.fixture(autouse=True)
def one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def test_it_has_about_half_a_million_parameters():
    assert parameters(lambda: ARTNet(3)) == 506_787


def test_the_control_has_as_many():
    assert parameters(lambda: ARTNetControl(3)) == 506_787


def test_the_lite_size_has_24171():
    assert parameters(lambda: artnet_lite.MODEL.build(3)) == 24_171


@BOTH
@pytest.mark.parametrize("classes", [3, 5])
def test_a_sample_gets_one_logit_a_class(kind, classes):
    assert kind(classes)(TOKENS).shape == (4, classes)


def test_56_px_become_7_by_7_cells_of_128():
    layers = stem((32, 64, 128, 128))
    with torch.no_grad():
        assert layers[:-2](torch.zeros(2, 3, 56, 56)).shape == (2, 128, 7, 7)


@BOTH
def test_every_parameter_is_taught(kind):
    assert untaught(kind(3), [TOKENS]) == []


def test_a_gain_is_one_token_and_only_its_own():
    network = SMALL(3).eval()
    changed = TOKENS.clone()
    changed[2, 3] = 0  # sample 2, gain 8
    moved = (network.seen(changed) != network.seen(TOKENS)).any(-1)
    assert network.seen(TOKENS).shape == (4, 4, 16)
    assert moved.nonzero().tolist() == [[2, 3]]


@pytest.mark.parametrize("gain", range(4))
def test_every_gain_changes_the_answer(gain):
    network = SMALL(3).eval()
    changed = TOKENS.clone()
    changed[:, gain] = 0
    assert not torch.allclose(network(changed), network(TOKENS), rtol=0, atol=1e-6)


def test_attention_relates_five_tokens_and_each_to_each():
    network = SMALL(3).eval()
    seen = {}
    first = network.layers[0].attend[1]
    first.register_forward_hook(lambda module, x, y: seen.update(x=x[0]))
    network(TOKENS)
    weights = first.weights(seen["x"])
    assert weights.shape == (4, 2, 5, 5)
    assert (weights > 0).all()
    assert weights.std() > 0


def test_the_answer_is_read_from_the_token_that_asks():
    network = SMALL(3).eval()
    seen = {}
    network.layers.register_forward_hook(lambda _, x, y: seen.update(tokens=x[0], out=y))
    network.norm.register_forward_hook(lambda _, x, y: seen.update(read=x[0]))
    network(TOKENS)
    assert torch.equal(seen["tokens"][:, 0], network.asking.expand(4, -1))
    assert torch.equal(seen["read"], seen["out"][:, 0])


def test_tokens_in_another_order_say_the_same_if_their_gains_come_along():
    """What a gain is comes from its embedding, not from its place in the sequence."""
    network = SMALL(3).eval()
    order = [0, 3, 1, 2]
    other = SMALL(3, gains=tuple(GAINS[order].tolist())).eval()
    state = network.state_dict()
    other.load_state_dict({**state, "by_index": state["by_index"][order]})
    torch.testing.assert_close(other(TOKENS[:, order]), network(TOKENS), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(network(TOKENS[:, order]), network(TOKENS), rtol=1e-4, atol=1e-5)


def test_a_token_is_divided_by_its_scale_and_the_root_of_its_gain_and_clamped():
    network = SMALL(3)
    seen = {}
    network.stem.register_forward_hook(lambda _, x, y: seen.update(planes=x[0]))
    tokens = torch.ones(1, 4, 3, 24, 24) * torch.tensor([1.0, -100.0, 0.1])[:, None, None]
    network(tokens)
    found = seen["planes"][:, :, 0, 0]  # (4 gains, 3 planes)
    torch.testing.assert_close(found[:, 0], 0.5 / GAINS.sqrt())
    assert torch.equal(found[:, 1], torch.full((4,), -3.0))
    torch.testing.assert_close(found[:, 2], 2 / GAINS.sqrt())


def test_tokens_of_an_ideal_magnifier_stay_apart():
    """Stretched to a range of their own, they would all be the same."""
    seen = {}
    network = SMALL(3)
    network.stem.register_forward_hook(lambda _, x, y: seen.update(planes=x[0]))
    network(0.1 * TOKENS[:1, :1] * GAINS[:, None, None, None])
    size = seen["planes"].square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(size / size[0], GAINS.sqrt(), rtol=1e-4, atol=1e-4)


def test_the_control_sees_the_first_gain_alone():
    network = CONTROL(3).eval()
    others = TOKENS.clone()
    others[:, 1:] = 0
    assert torch.equal(network(others), network(TOKENS))
    others[:, 0] = 0
    assert not torch.equal(network(others), network(TOKENS))


def test_the_control_is_artnet_on_what_an_ideal_magnifier_gives():
    network, control = SMALL(3).eval(), CONTROL(3).eval()
    control.load_state_dict(network.state_dict())
    ideal = TOKENS[:, :1] * GAINS[:, None, None, None]
    torch.testing.assert_close(control(TOKENS), network(ideal))


def test_training_leaves_out_gains_but_never_the_first():
    network = SMALL(3, token_dropout=1.0, dropout=0.0).train()
    seen = {}
    network.layers[0].register_forward_hook(lambda _, x, y: seen.update(tokens=x[0]))
    network(TOKENS)
    assert seen["tokens"][:, :2].all(-1).all()  # the asking one and gain 1
    assert not seen["tokens"][:, 2:].any()


def test_a_gain_is_left_out_whole_and_about_as_often_as_told():
    network = SMALL(3, token_dropout=0.5).train()
    seen = []
    network.layers[0].register_forward_hook(lambda _, x, y: seen.append((x[0] == 0)[:, 2:]))
    for _ in range(30):
        network(TOKENS)
    gone = torch.cat(seen)  # (120, 3, 16)
    assert torch.equal(gone.all(-1), gone.any(-1))
    assert 0.4 < gone.all(-1).float().mean() < 0.6


def test_its_loss_is_smoothed_and_weighted():
    network = SMALL(3).eval()
    truth, weight = torch.tensor([0, 1, 2, 0]), torch.tensor([1.0, 2.0, 4.0])
    log = network(TOKENS).log_softmax(1)
    hot = torch.nn.functional.one_hot(truth, 3) * 0.9 + 0.1 / 3
    expected = -(hot * weight * log).sum() / weight[truth].sum()
    torch.testing.assert_close(network.losses([TOKENS], truth, weight), expected)
    plain = cross_entropy(network(TOKENS), truth)
    assert not math.isclose(network.losses([TOKENS], truth, None).item(), plain.item())


def test_a_sample_in_eval_mode_has_one_answer():
    assert_eval_repeats_and_ignores_the_batch(SMALL(3), [TOKENS])


def test_training_mode_goes_by_the_batch_and_by_chance():
    network = SMALL(3)
    assert not torch.equal(network.train()(TOKENS), network.train()(TOKENS))


@pytest.mark.slow
@pytest.mark.parametrize("gains", [(2.0, 4.0), (1.0, 0.5)])
def test_gains_that_do_not_begin_with_1_are_refused(gains):
    with pytest.raises(ValueError, match="expected 1 first"):
        ARTNet(3, gains=gains)


def test_two_or_six_gains_will_do():
    for gains in ((1.0, 4.0), (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)):
        assert SMALL(3, gains=gains)(noise(2, len(gains), 3, 24, 24)).shape == (2, 3)


@BOTH
def test_16_random_samples_are_learned_by_heart(kind):
    tokens = noise(16, 4, 3, 24, 24) * SCALE
    assert learned(kind(3), [tokens], torch.arange(16) % 3, steps=40, rate=5e-3) == 1


@BOTH
def test_folds_can_be_trained_side_by_side(kind):
    assert_folds_train_together(lambda: kind(3), [TOKENS])


@pytest.mark.parametrize(
    ("file", "size"),
    [
        (artnet, None),
        (artnet_control, None),
        (artnet_lite, (28, 28)),
        (artnet_control_lite, (28, 28)),
    ],
)
def test_it_takes_the_tokens_of_its_recipe_in_their_units(file, size):
    (taken,) = file.MODEL.takes
    assert (taken.feature, taken.size, taken.scale, taken.clamp) == ("tokens", size, (1.0,), None)
    assert file.MODEL.recipe == "artnet"


def test_its_gains_are_those_of_its_recipe_without_the_onset():
    recipe = Path(__file__).parents[1] / "pipeline" / "recipes" / "artnet.toml"
    onset, *gains = tomllib.loads(recipe.read_text())["magnified"]["gains"]
    assert onset == 0
    torch.testing.assert_close(ARTNet(3).octaves.exp2()[:, 0], torch.tensor(gains).float())
