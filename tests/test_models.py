"""Facts that hold for every network there is."""

import pytest
import torch

from features.console import MerError
from train.models.base import load, names

CLASSES = 4


def batch(model):
    planes = 2 * ("flow" in model.takes) + ("strain" in model.takes)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(6, planes, *model.size, generator=generator)


@pytest.mark.parametrize("name", names())
def test_a_model_gives_one_finite_logit_a_class(name):
    model = load(name)
    logits = model.build(CLASSES)(batch(model))
    assert logits.shape == (6, CLASSES)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", names())
def test_every_parameter_gets_a_gradient(name):
    model = load(name)
    torch.manual_seed(0)
    network = model.build(CLASSES)
    network(batch(model)).square().sum().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@pytest.mark.parametrize("name", names())
def test_in_eval_mode_a_sample_does_not_depend_on_its_batch(name):
    model = load(name)
    network = model.build(CLASSES).eval()
    x = batch(model)
    torch.testing.assert_close(network(x)[:1], network(x[:1]))


def test_a_mistyped_model_is_refused_with_the_nearest_name():
    with pytest.raises(MerError, match="no model 'STSNet'") as refusal:
        load("STSNet")
    assert "did you mean 'ststnet'?" in refusal.value.cause
    assert refusal.value.exit_code == 2


def test_an_unknown_model_is_refused_with_all_names():
    with pytest.raises(MerError) as refusal:
        load("base")  # a file of the folder, yet no model
    assert all(name in refusal.value.remedy for name in names())
