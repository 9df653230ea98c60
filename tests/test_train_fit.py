from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from features.console import MerError
from features.progress import Steps
from train.config import FitConfig
from train.fit import batches, class_weights, fit, rate, seed_of
from train.folds import loso
from train.models.base import Input, Model, load
from train.planes import FLOW
from train.predict import predict
from train.tally import Tally
from train.task import Job, Task
from train.workers import compute

MODEL = load("ststnet")
CONFIG = FitConfig(epochs=8, batch_size=8, learning_rate=1e-2)
SUBJECTS, CLASSES, CLIPS = 4, 3, 4
TRUTH = np.tile(np.repeat(np.arange(CLASSES), CLIPS), SUBJECTS)
GROUP = np.repeat([f"d/{s}" for s in range(SUBJECTS)], CLASSES * CLIPS).astype(object)


def pattern(seed=0):
    """Each class lights its own third of the face, under noise."""
    x = np.random.default_rng(seed).normal(0, 0.3, (len(TRUTH), 3, 28, 28)).astype(np.float32)
    for plane, c in zip(x, TRUTH, strict=True):
        plane[:, :, 9 * c : 9 * c + 9] += 0.5
    return x[:, :2], x[:, 2:]


def pool(truth, workers=1, seed=0, x=None, config=CONFIG, tally=None):
    """The probabilities of all samples, each from the fold that tests it."""
    job = Job("ststnet", CLASSES, pattern() if x is None else x, config, "cpu", tally=tally)
    tasks = [Task(seed, fold.name, truth, fold.train, fold.test) for fold in loso(GROUP)]
    pooled = np.zeros((len(truth), CLASSES), np.float32)
    for task, answer in compute(job, tasks, workers):
        pooled[task.test] = answer.probabilities
    return pooled


@pytest.fixture(scope="module")
def learned():
    return pool(TRUTH)


def test_a_pattern_is_learned(learned):
    assert (learned.argmax(1) == TRUTH).mean() > 0.9


def test_shuffled_labels_are_not():
    """48 guesses among 3 classes: chance is 1/3, and 0.6 is four standard errors above."""
    shuffled = np.random.default_rng(0).permutation(TRUTH)
    assert (pool(shuffled).argmax(1) == shuffled).mean() < 0.6


def test_probabilities_sum_to_1(learned):
    np.testing.assert_allclose(learned.sum(1), 1, rtol=1e-5)


def test_the_same_seed_gives_the_same_bits(learned):
    assert np.array_equal(pool(TRUTH), learned)


def test_another_seed_gives_others(learned):
    assert not np.array_equal(pool(TRUTH, seed=1), learned)


def test_two_workers_give_the_same_bits_and_count_their_epochs_in_one_memory(learned):
    tally = Tally([(0, fold.name) for fold in loso(GROUP)], CONFIG.epochs)
    assert np.array_equal(pool(TRUTH, workers=2, tally=tally), learned)
    assert tally.steps() == Steps(SUBJECTS * CONFIG.epochs, SUBJECTS * CONFIG.epochs)


def test_a_fit_does_not_see_its_test_samples(learned):
    """Whatever the tested subject looks like, the others' network stays the same."""
    x = pattern()
    for one in x:
        one[GROUP == "d/3"] = one[GROUP == "d/3"][::-1] * -2
    job = Job("ststnet", CLASSES, x, CONFIG, "cpu")
    fold = loso(GROUP)[3]
    probe = fold.train[:5]  # asks the network of fold d/3 about samples that did not change
    asked = [Task(0, "d/3", TRUTH, fold.train, probe)]
    before = Job("ststnet", CLASSES, pattern(), CONFIG, "cpu")
    (_, with_other_test), (_, as_it_was) = (next(compute(j, asked, 1)) for j in (job, before))
    assert np.array_equal(with_other_test.probabilities, as_it_was.probabilities)


def test_fitting_leaves_the_callers_random_numbers_and_threads_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    threads = torch.get_num_threads()
    pool(TRUTH, config=FitConfig(epochs=1))
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == threads


def test_the_seed_of_a_fold_is_the_same_in_every_process():
    assert seed_of(0, "d/1") == 0xF94EFDCC4924730
    assert len({seed_of(s, f) for s in range(5) for f in ("d/1", "d/2")}) == 10


def test_an_epoch_shows_each_sample_once():
    rows = torch.cat(list(batches(20, 8, torch.Generator().manual_seed(0))))
    assert sorted(rows.tolist()) == list(range(20))


def test_epochs_are_shuffled():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.cat(list(batches(20, 8, generator))).tolist() for _ in range(2))
    assert first != second
    assert first != list(range(20))


def test_a_last_batch_of_one_sample_is_left_out():
    assert [len(rows) for rows in batches(17, 8, torch.Generator())] == [8, 8]


def test_a_network_comes_back_in_eval_mode_with_the_statistics_of_its_epochs():
    x, truth = [torch.from_numpy(one) for one in pattern()], torch.from_numpy(TRUTH)
    network = fit(MODEL, CLASSES, x, truth, CONFIG, seed=0)
    assert not network.training
    steps = -(-len(truth) // CONFIG.batch_size) * CONFIG.epochs
    assert int(network.streams[2].num_batches_tracked) == steps  # train mode at every step
    assert torch.equal(predict(network, x), predict(network, x))  # no dropout


def test_a_fit_that_diverges_is_refused():
    x = pattern()
    x[0][0] = np.nan
    with pytest.raises(MerError, match="the fit diverged"):
        pool(TRUTH, x=x, config=FitConfig(epochs=1))


def test_one_training_sample_is_refused():
    job = Job("ststnet", CLASSES, pattern(), CONFIG, "cpu")
    task = Task(0, "d/0", TRUTH, np.array([0]), np.array([1]))
    with pytest.raises(MerError, match="fold d/0: 1 training sample"):
        next(compute(job, [task], 1))


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        ({"epochs": 0}, "epochs 0"),
        ({"batch_size": 1}, "batches of 1"),
        ({"learning_rate": 0}, "learning rate 0"),
        ({"learning_rate": float("nan")}, "learning rate nan"),
        ({"weight_decay": -1}, "weight decay -1"),
        ({"optimizer": "lion"}, "optimizer 'lion'; known: adam, adamw, sgd"),
        ({"schedule": "step"}, "schedule 'step'"),
        ({"warmup": -1}, "warmup -1"),
        ({"decay_every": 0}, "decay_every 0"),
        ({"decay": 1.5}, "decay 1.5"),
        ({"floor": -0.1}, "floor -0.1"),
        ({"validation": 1}, "validation on one in 1"),
        ({"augment": ("turn",)}, "augment 'turn'; known: flip, shift, magnify"),
        ({"class_weights": "some"}, "class_weights 'some'"),
    ],
)
def test_an_impossible_config_is_refused(bad, cause):
    with pytest.raises(ValueError, match=cause):
        FitConfig(**bad)


def test_the_cosine_starts_at_the_rate_and_ends_near_nothing():
    config = FitConfig(epochs=4, learning_rate=0.2, schedule="cosine")
    assert [rate(config, epoch) for epoch in (1, 3)] == [0.2, pytest.approx(0.1)]
    assert 0 < rate(config, 4) < 0.04
    assert rate(FitConfig(learning_rate=0.2), 7) == 0.2


def test_the_cosine_falls_to_its_floor():
    config = FitConfig(epochs=1000, learning_rate=0.2, schedule="cosine", floor=0.1)
    assert rate(config, 1) == 0.2
    assert rate(config, 501) == pytest.approx((0.2 + 0.02) / 2)
    assert rate(config, 1000) == pytest.approx(0.02, rel=1e-3)


def test_by_steps_the_rate_is_halved_after_every_ten_epochs():
    config = FitConfig(epochs=100, learning_rate=0.2, schedule="steps")
    found = [rate(config, epoch) for epoch in (1, 10, 11, 20, 21)]
    assert found == pytest.approx([0.2, 0.2, 0.1, 0.1, 0.05])


def test_by_steps_the_rate_stays_at_its_floor():
    config = load("mmnet").fit  # 0.987 an epoch for 50 epochs, then no less
    found = [rate(config, epoch) / config.learning_rate for epoch in (1, 2, 51, 52, 74)]
    assert found == pytest.approx([1, 0.987, *[0.987**50] * 3])


def test_the_rate_rises_evenly_through_the_warmup():
    config = FitConfig(epochs=9, learning_rate=0.2, warmup=3)
    found = [rate(config, epoch) for epoch in range(1, 6)]
    assert found == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.2])


def test_balanced_classes_weigh_the_same_and_an_absent_one_nothing():
    truth = torch.tensor([0, 0, 0, 2])
    weight = class_weights(truth, 4, "balanced")
    torch.testing.assert_close(weight, torch.tensor([2 / 3, 0, 2, 0]))
    assert weight[truth].sum() == len(truth)


def test_by_the_root_a_class_of_four_times_the_samples_weighs_twice_as_much():
    truth = torch.tensor([0, 0, 0, 0, 2])
    weight = class_weights(truth, 4, "root")
    torch.testing.assert_close(weight[2] / weight[0], torch.tensor(2.0))
    torch.testing.assert_close(weight[truth].mean(), torch.tensor(1.0))
    assert weight[[1, 3]].tolist() == [0, 0]
    assert class_weights(truth, 4, "none") is None


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimizer_learns(optimizer):
    config = FitConfig(8, 8, 1e-2, optimizer=optimizer, schedule="cosine", class_weights="balanced")
    assert (pool(TRUTH, config=config).argmax(1) == TRUTH).mean() > 0.8


class OwnLoss(nn.Module):
    """A network that is trained by a loss of its own: the bias goes to 3, whatever the truth."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, x):
        return self.bias.expand(len(x), -1)

    def losses(self, inputs, truth, weight):
        return (self.bias - 3).square().sum()


def test_a_networks_own_losses_are_what_is_trained():
    model = Model(OwnLoss, (Input("x"),), "flow")
    x, config = [torch.zeros(6, 1)], FitConfig(epochs=200, batch_size=6, learning_rate=0.1)
    network = fit(model, 2, x, torch.zeros(6, dtype=torch.long), config, seed=0)
    torch.testing.assert_close(network.bias.data, torch.full((2,), 3.0), atol=0.05, rtol=0)


class Watching(nn.Module):
    """A network that keeps what it is shown in training, and what it is asked afterwards."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(classes))
        self.shown, self.asked = [], []

    def forward(self, flow):
        (self.shown if self.training else self.asked).append(flow.clone())
        return self.bias.expand(len(flow), -1)


FLOW_ONLY = Model(Watching, (Input("flow", planes=FLOW),), "flow")


def ramps(n=8):
    """Flow whose u grows to the right, clip by clip another amount; v is 1."""
    across = torch.arange(1.0, 6).expand(n, 1, 5, 5) * torch.arange(1.0, n + 1)[:, None, None, None]
    return torch.cat([across, torch.ones_like(across)], dim=1)


def test_training_clips_are_mirrored_with_the_sign_of_u_and_tested_ones_are_not():
    x, truth = ramps(), torch.zeros(8, dtype=torch.long)
    config = FitConfig(epochs=4, batch_size=8, augment=("flip",))
    network = fit(FLOW_ONLY, 2, [x], truth, config, 0)
    shown = torch.cat(network.shown)
    mirrored = shown[:, 0, 0, 0] < 0
    assert 5 < mirrored.sum() < 27  # of 32
    back = shown.clone()
    back[mirrored] = shown[mirrored].flip(-1) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    slope = back[:, 0, 0, 1] - back[:, 0, 0, 0]
    torch.testing.assert_close(back[:, 0], slope[:, None, None] * ramps(1)[0, 0])
    assert torch.equal(back[:, 1], torch.ones_like(back[:, 1]))
    predict(network, [x])
    assert torch.equal(network.asked[-1], x)


def test_every_epoch_changes_clips_anew_and_the_order_stays_as_without():
    x, truth = ramps(), torch.zeros(8, dtype=torch.long)
    plain = FitConfig(epochs=3, batch_size=8)
    without = fit(FLOW_ONLY, 2, [x], truth, plain, 0).shown
    config = replace(plain, augment=("magnify",))
    shown = fit(FLOW_ONLY, 2, [x], truth, config, 0).shown
    grown = [a / b for a, b in zip(shown, without, strict=True)]
    factors = torch.stack([g[:, 0, 0, 0] for g in grown])  # (epoch, clip)
    for g, f in zip(grown, factors, strict=True):
        torch.testing.assert_close(g, f[:, None, None, None].expand_as(g))
    assert ((factors > 0.8 - 1e-6) & (factors < 1.25 + 1e-6)).all()
    assert len(factors.unique()) == factors.numel()
    other = fit(FLOW_ONLY, 2, [x], truth, config, 1).shown
    assert not torch.equal(other[0], shown[0])


def test_a_pattern_is_learned_from_changed_clips_too():
    config = replace(CONFIG, augment=("shift", "magnify"))  # mirrored, two of the classes are one
    assert (pool(TRUTH, config=config).argmax(1) == TRUTH).mean() > 0.8
