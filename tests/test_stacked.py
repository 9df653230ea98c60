"""Fits in one stack: each learns what it learns alone, and none sees another."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from train.config import FitConfig
from train.fit import fit
from train.members import Member, side_by_side
from train.models.base import Input, Model, load
from train.predict import predict
from train.stacked import Stack, fit_stack

pytestmark = pytest.mark.usefixtures("one_thread")

SAMPLES, CLASSES = 18, 3
TRUTH = torch.arange(SAMPLES) % CLASSES
LEAD = {"tokens": (4,)}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no GPU"))]  # fmt: skip


def inputs_of(model, device="cpu", seed=0):
    generator = torch.Generator().manual_seed(seed)
    found = []
    for one in model.takes:
        shape = (SAMPLES, *LEAD.get(one.feature, ()), len(one.planes), *(one.size or (28, 28)))
        found.append(0.5 * torch.randn(shape, generator=generator).to(device))
    return found


def members(counts=(16, 13, 9), epochs=(2, 2, 2), truth=TRUTH):
    """Folds of 3, 3 and 2 batches of 5; the last are of 1, which is left out, 3 and 4 samples."""
    order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(1))
    return [
        Member(order.roll(5 * number)[:count], truth, 100 + number, last)
        for number, (count, last) in enumerate(zip(counts, epochs, strict=True))
    ]


def config_of(model, **changes):
    return replace(model.fit, **{"epochs": 2, "batch_size": 5, **changes})


def stacked(model, inputs, who, config, **callbacks):
    stack = Stack(model, CLASSES, inputs, who, config)
    fit_stack(stack, **callbacks)
    return stack


def asked_of(stack):
    return stack.predict(torch.arange(SAMPLES).expand(len(stack.members), -1).to(stack.device))


def assert_as_alone(model, config, who=None, device="cpu"):
    """Predictions after the last epoch and the loss of every epoch, of every member."""
    inputs, who, told = inputs_of(model, device), who or members(), []
    stack = stacked(
        model, inputs, who, config, tell=told.append, watch=lambda _, one: asked_of(one)
    )
    for number, (member, found) in enumerate(zip(who, asked_of(stack), strict=True)):
        losses = []
        train = member.train.to(device)
        network = fit(
            model, CLASSES, [x[train] for x in inputs], member.truth.to(device)[train], config,
            member.seed, tell=losses.append, until=member.until,
        )  # fmt: skip
        torch.testing.assert_close(found, predict(network, inputs), rtol=1e-3, atol=1e-4)
        mine = [each[number] for each in told if number in each]
        assert mine == pytest.approx(losses, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["ststnet", "off_apexnet", "artnet_lite", "sssnet"])
def test_each_learns_what_it_learns_alone_with_dropout_and_batch_norm(name, device):
    model = load(name)
    assert_as_alone(model, config_of(model), device=device)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_so_it_does_with_every_optimizer_weights_of_classes_and_changed_clips(optimizer):
    model = load("ststnet")
    config = config_of(
        model, epochs=3, optimizer=optimizer, learning_rate=1e-2, weight_decay=0.1,
        schedule="cosine", class_weights="balanced", augment=("flip", "shift", "magnify"),
    )  # fmt: skip
    uneven = torch.where(torch.arange(SAMPLES) < 9, 0, TRUTH)
    assert_as_alone(model, config, members(epochs=(3, 3, 3), truth=uneven))


def test_so_it_does_when_a_sample_shows_several_labels():
    several = (torch.arange(SAMPLES)[:, None] % torch.tensor([2, 3, 4]) == 0).long()
    model = load("ststnet")
    stack = stacked(model, inputs_of(model), members(truth=several), config_of(model))
    rows = torch.arange(SAMPLES).expand(3, -1)
    for member, found in zip(stack.members, stack.predict(rows, True), strict=True):
        shown = [x[member.train] for x in stack.inputs]
        alone = fit(model, CLASSES, shown, several[member.train], stack.config, member.seed)
        expected = predict(alone, stack.inputs, True)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_a_stack_of_one_is_a_fit():
    model = load("ststnet")
    assert_as_alone(model, config_of(model), members((16,), (2,)))


def test_members_stop_after_their_own_last_epoch():
    model = load("ststnet")
    assert_as_alone(model, config_of(model, epochs=4), members(epochs=(1, 4, 2)))


def test_what_is_wrong_with_one_fold_changes_no_bit_of_another():
    """The sample that is poisoned is one that only the second fold trains on."""
    model = load("ststnet")
    inputs, who = inputs_of(model), members()
    only = set(who[1].train.tolist())
    keep = [replace(m, train=torch.tensor([n for n in m.train.tolist() if n not in only or n > 8]))
            for m in who]  # fmt: skip
    keep[1] = who[1]
    poisoned = next(n for n in only if n <= 8)
    assert not any(poisoned in keep[n].train for n in (0, 2))
    before = stacked(model, inputs, keep, config_of(model))
    bad = [x.clone() for x in inputs]
    bad[0][poisoned] = torch.nan
    after = stacked(model, bad, keep, config_of(model))
    assert not after.rows["weights"][1].isfinite().all()
    for name, row in before.rows.items():
        assert torch.equal(row[[0, 2]], after.rows[name][[0, 2]]), name


def test_a_stack_left_after_any_epoch_goes_on_to_the_same_bits():
    model = load("ststnet")
    config, inputs, kept = config_of(model, epochs=4, augment=("flip",)), inputs_of(model), {}
    who = members(epochs=(4, 3, 4))
    whole = stacked(
        model, inputs, who, config, keep=lambda epoch, state: kept.update({epoch: state()})
    )
    for epoch in (1, 2, 3):
        again = stacked(model, inputs, who, config, start=(epoch, kept[epoch]))
        assert all(torch.equal(row, again.rows[name]) for name, row in whole.rows.items())


@pytest.mark.parametrize(
    "part",
    ["weights", "steps", "mean", "square", "running_mean", "order", "change", "chance"],
)
def test_each_part_of_its_state_decides_the_bits(part):
    """So the test above would see it missing."""
    model = load("ststnet")
    config, inputs, kept = config_of(model, epochs=3, augment=("flip",)), inputs_of(model), {}
    whole = stacked(
        model, inputs, members(epochs=(3, 3, 3)), config,
        keep=lambda epoch, state: kept.update({epoch: state()}),
    )  # fmt: skip
    found = [name for name in kept[1] if name.endswith(part)]
    assert found
    mixed = {**kept[2], **{name: kept[1][name] for name in found}}
    again = stacked(model, inputs, members(epochs=(3, 3, 3)), config, start=(2, mixed))
    assert not all(torch.equal(row, again.rows[name]) for name, row in whole.rows.items())


def test_a_step_takes_the_members_whose_batches_are_of_one_size():
    of = {number: [torch.arange(size) for size in sizes]
          for number, sizes in ((0, (5, 5)), (3, (5, 2)), (4, (5, 2)), (7, (5,)))}  # fmt: skip
    found = [(who.tolist(), tuple(rows.shape)) for who, rows in side_by_side(of)]
    assert found == [([0, 3, 4, 7], (4, 5)), ([0], (1, 5)), ([3, 4], (2, 2))]


def test_the_callers_random_numbers_are_left_alone():
    model = load("ststnet")
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    stacked(model, inputs_of(model), members(), config_of(model))
    assert torch.equal(torch.rand(2), expected)


def test_a_network_of_a_stack_is_as_its_state_dict_says():
    model = load("ststnet")
    stack = stacked(model, inputs_of(model), members(), config_of(model))
    for number, found in enumerate(asked_of(stack)):
        network = model.build(CLASSES)
        network.load_state_dict(stack.network(number))
        torch.testing.assert_close(found, predict(network, stack.inputs), rtol=1e-4, atol=1e-5)


class Drawing(nn.Module):
    """A network that draws by `torch.rand`, as those of several phases do."""

    def __init__(self, classes):
        super().__init__()
        self.head = nn.Linear(4, classes)
        self.gain = nn.Parameter(torch.tensor(1.0))  # a number has no axis of its own

    def forward(self, x):
        if self.training:
            turned = torch.rand(len(x), generator=None, device="cpu").to(x.device) < 0.5
            x = torch.where(turned[:, None], -x, x)
        return self.gain * self.head(x)


def test_what_a_network_draws_itself_is_drawn_for_each_member_too():
    model = Model(Drawing, (Input("x"),), "flow")
    config = FitConfig(epochs=3, batch_size=5, learning_rate=0.1)
    inputs = [torch.randn(SAMPLES, 4, generator=torch.Generator().manual_seed(2))]
    stack = stacked(model, inputs, members(epochs=(3, 3, 3)), config)
    for member, found in zip(stack.members, asked_of(stack), strict=True):
        shown = [inputs[0][member.train]]
        alone = fit(model, CLASSES, shown, TRUTH[member.train], config, member.seed)
        torch.testing.assert_close(found, predict(alone, inputs), rtol=1e-4, atol=1e-5)
