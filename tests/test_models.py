"""Facts that hold for every network there is."""

import tomllib
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from features.console import MerError
from features.protocol import load as load_protocol
from train.fit import loss_of
from train.loss import check_losses
from train.models.base import load, names

CLASSES = 4
ROOT = Path(__file__).parents[1]


# What one sample of a feature is stored as, by the recipe that stores it.
FLOW, IMAGE = (2, 224, 224), (3, 224, 224)
STORED = {
    ("afn", "trdi"): IMAGE,
    ("afn", "midi"): IMAGE,
    ("artnet", "tokens"): (4, 3, 56, 56),
    ("classical", "hoof"): (5, 5, 8),
    ("classical", "lbp_top"): (5, 5, 3, 59),
    ("classical", "mdmo"): (2, 6, 6),
    ("dianet", "rise_image"): IMAGE,
    ("dynamic", "dynamic_image"): IMAGE,
    ("dynamic", "rise_image"): IMAGE,
    ("dynamic", "fall_image"): IMAGE,
    ("dianet", "fall_image"): IMAGE,
    ("fdp", "eight"): (8, 1, 64, 64),
    ("fdp", "target"): (1, 64, 64),
    ("flow", "flow"): FLOW,
    ("flow", "strain"): (1, 224, 224),
    ("fmanet", "rise_flow"): FLOW,
    ("fmanet", "fall_flow"): FLOW,
    ("fr", "flow"): FLOW,
    ("htnet", "regions"): (5, 3, 14, 14),
    ("mmnet", "frames"): (2, 3, 224, 224),
}


def parameters(name):
    return load(name).parameters(CLASSES)


SMALL = [name for name in names() if parameters(name) < 1e5]  # the others' own tests look at them
TRUTH = torch.arange(6) % CLASSES


def batch(model):
    generator = torch.Generator().manual_seed(0)
    made = []
    for one in model.takes:
        shape = STORED[model.recipe, one.feature]
        shape = (*shape[:-2], *(one.size or shape[-2:]))
        made.append(torch.randn(6, *shape, generator=generator))
    return made


def network(model):
    """As a fit leaves it that has no epochs, or before its first."""
    made = model.build(CLASSES)
    if model.solved:
        made.solve(batch(model), TRUTH, None)
    return made


@pytest.mark.parametrize("name", SMALL)
def test_a_model_gives_one_finite_logit_a_class(name):
    model = load(name)
    logits = network(model)(*batch(model))
    assert logits.shape == (6, CLASSES)
    assert logits.isfinite().all()


def test_what_a_model_says_of_its_planes_is_said_of_each():
    silent = set()
    for name in names():
        model = load(name)
        if model.solved:
            continue
        for one in model.takes:
            if one.planes:
                assert len(one.planes) == STORED[model.recipe, one.feature][-3], name
            else:
                silent.add(name)
        if name in silent:
            assert not model.fit.augment, name
    assert silent == {"htnet", "htnet_lite"}  # mirrored, its areas would have to change places


@pytest.mark.parametrize("name", [name for name in SMALL if not load(name).solved])
def test_every_parameter_gets_a_gradient(name):
    model = load(name)
    torch.manual_seed(0)
    made = network(model)
    loss_of(made, batch(model), TRUTH, None).backward()
    without = [n for n, p in made.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@pytest.mark.parametrize("name", names())
def test_what_is_solved_has_one_epoch_and_nothing_to_train(name):
    model = load(name)
    with torch.device("meta"):
        made = model.build(CLASSES)
    assert hasattr(made, "solve") == model.solved == (not any(True for _ in made.parameters()))
    assert model.fit.epochs == 1 or not model.solved


SOLVED = {name for name in names() if load(name).solved}
ONE_CLASS = {"fmanet", "fmanet_lite", "phase_image", "phase_image_control", "phase_image_lite"}


@pytest.mark.parametrize("name", sorted({*SMALL, "fr"} - ONE_CLASS - SOLVED))
def test_every_parameter_gets_a_gradient_from_several_labels(name):
    """Samples that show all classes and none: no loss for one class takes them."""
    model = load(name)
    torch.manual_seed(0)
    network = model.build(CLASSES)
    truth = torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 1]] * 2)
    loss = loss_of(network, batch(model), truth, torch.ones(CLASSES))
    loss.backward()
    assert loss.isfinite()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_losses_for_one_class_alone_are_those_that_several_labels_are_refused():
    for name in names():
        check_losses(name, load(name), load_protocol("megc2019"))
        wanted = f"{name} is trained by a loss for one class a sample"
        refusal = pytest.raises(MerError, match=wanted) if name in ONE_CLASS else nullcontext()
        with refusal, torch.device("meta"):
            check_losses(name, load(name), load_protocol("cd6me"))


def test_every_model_has_the_recipe_that_it_is_made_for():
    for name in names():
        recipe = ROOT / "pipeline" / "recipes" / f"{load(name).recipe}.toml"
        stored = tomllib.loads(recipe.read_text())["features"]
        assert {one.feature for one in load(name).takes} <= set(stored), name


@pytest.mark.parametrize("name", ["fdp", "htnet", "mmnet", "resnet"])
def test_a_model_too_large_for_a_cpu_has_a_lite_size_or_is_a_backbone(name):
    assert parameters(name) > 3e6
    assert name == "resnet" or parameters(f"{name}_lite") < 1e6


@pytest.mark.parametrize("name", SMALL)
def test_in_eval_mode_a_sample_does_not_depend_on_its_batch(name):
    model = load(name)
    made = network(model).eval()
    inputs = batch(model)
    torch.testing.assert_close(made(*inputs)[:1], made(*(x[:1] for x in inputs)))


def test_a_mistyped_model_is_refused_with_the_nearest_name():
    with pytest.raises(MerError, match="no model 'STSNet'") as refusal:
        load("STSNet")
    assert "did you mean 'ststnet'?" in refusal.value.cause
    assert refusal.value.exit_code == 2


def test_an_unknown_model_is_refused_with_all_names():
    with pytest.raises(MerError) as refusal:
        load("base")  # a file of the folder, yet no model
    assert all(name in refusal.value.remedy for name in names())
