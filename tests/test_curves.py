"""Loss and oracle's accuracy of every epoch: what they are, and that they survive."""

import csv
import math

import numpy as np
import pytest
import torch
from torch import nn

from features.console import MerError
from tests.test_train_fit import CLASSES, CONFIG, GROUP, TRUTH, pattern
from train import chart, curves
from train.config import FitConfig
from train.curves import Point, accuracies, beside, points
from train.fit import fit
from train.folds import loso
from train.losses import Losses
from train.models.base import Model
from train.oracle import Answer
from train.predictions import Predictions, Row
from train.task import Job, Task
from train.work import FitWork
from train.workers import compute


class Weighed(nn.Module):
    """Loses the mean of what it is shown, and learns next to nothing of it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def losses(self, inputs, truth, weight):
        return self.weight * inputs[0].mean()


def told(samples, **changes):
    """The losses that a fit of `Weighed` tells."""
    config = FitConfig(epochs=3, batch_size=4, learning_rate=1e-12, **changes)
    found = []
    truth = torch.zeros(len(samples), dtype=torch.int64)
    model = Model(lambda classes: Weighed(), (), "none", config)
    fit(model, 2, [samples], truth, config, 0, tell=found.append)
    return found


def test_the_loss_of_an_epoch_is_the_mean_over_its_samples_not_over_its_steps():
    samples = torch.arange(10, dtype=torch.float32)  # steps of 4, 4 and 2 samples
    assert told(samples) == pytest.approx([4.5] * 3)


def test_the_sample_that_no_step_takes_is_no_part_of_the_mean():
    samples = torch.arange(5, dtype=torch.float32)  # a step of 4; one is left out
    for loss in told(samples):
        assert min(abs(4 * loss + left - 10) for left in samples.tolist()) < 1e-4


def answers():
    job = Job("ststnet", CLASSES, pattern(), CONFIG, "cpu")
    tasks = [Task(0, fold.name, TRUTH, fold.train, fold.test) for fold in loso(GROUP)]
    return list(compute(job, tasks, 1))


def test_a_pattern_that_is_learned_loses_less_and_the_oracle_sees_every_epoch():
    for task, answer in answers():
        assert len(answer.losses) == len(answer.oracle_hits) == CONFIG.epochs
        assert answer.losses[-1] < 0.5 * answer.losses[0]
        best = max(answer.oracle_hits)
        assert answer.oracle_epoch == 1 + answer.oracle_hits.index(best)
        last = (answer.probabilities.argmax(1) == TRUTH[task.test]).sum()
        assert answer.oracle_hits[-1] == last


def test_a_state_brings_the_losses_back_and_leaves_the_rest_to_the_fit():
    one, other = Losses(), Losses()
    for loss in (0.1, 1 / 3, math.inf):
        one.add(loss)
    rest = other.restore({**one.state(), "network.a": torch.zeros(1)})
    assert list(rest) == ["network.a"]
    assert other.each == [0.1, 1 / 3, math.inf]


@pytest.mark.parametrize("losses", [(1 / 3, 0.1), (math.inf, 0.5), ()])
def test_a_finished_fit_keeps_its_course_to_the_bit(tmp_path, losses):
    zeros = np.zeros((2, 3), np.float32)
    work = FitWork(tmp_path / "0-a.json", tmp_path / "0-a", None, {"fold": "a"}, 30)
    work.finish(Answer(3, zeros, 2, zeros, losses, (1,) * len(losses)), {})
    found = work.finished()
    assert (found.losses, found.oracle_hits) == (losses, (1,) * len(losses))


def test_a_fit_that_tells_no_loss_has_no_curve():
    assert points(0, "a", (), (3,), 4) == []


ODD = 'a,"b\n'


def test_the_table_reads_back_the_same_in_the_order_of_seed_fold_and_epoch(tmp_path):
    wanted = points(0, ODD, (1 / 3, 1e-17), (1, 2), 3) + points(1, "a", (2.5,), (0,), 3)
    curves.write(tmp_path / "curves.csv", reversed(wanted))
    assert beside(tmp_path) == wanted
    with (tmp_path / "curves.csv").open(newline="") as file:
        header, first, *_ = csv.reader(file)
    assert header == ["seed", "fold", "epoch", "loss", "oracle_accuracy"]
    assert first == ["0", ODD, "1", str(1 / 3), str(1 / 3)]


def test_a_folder_without_curves_has_none(tmp_path):
    assert beside(tmp_path) == []
    assert beside(None) == []


@pytest.mark.parametrize("text", ["seed,fold\n0,a\n", "seed,fold,epoch,loss,oracle_accuracy\n0,a\n",
                                  "seed,fold,epoch,loss,oracle_accuracy\n0,a,1,x,1\n"])  # fmt: skip
def test_curves_that_do_not_read_end_in_words(tmp_path, text):
    (tmp_path / "curves.csv").write_text(text)
    with pytest.raises(MerError, match=r"curves.csv: does not read"):
        beside(tmp_path)


def test_the_loss_is_shown_by_its_quartiles_and_what_is_no_number_is_left_out():
    fits = [Point(0, str(k), 1, loss, 0.0) for k, loss in enumerate([4, 0, 1, 3, 2, math.inf])]
    found = curves.losses([*fits, Point(0, "0", 2, math.nan, 0.0)])
    assert list(found) == [1]
    assert found[1].tolist() == [0, 1, 2, 3, 4]


def test_the_oracles_accuracy_weighs_a_fold_by_its_samples():
    rows = [Row("r", 0, f, f"{f}{k}", "d", f, "x", "x", (1, 0), 2) for f, n in (("a", 3), ("b", 1))
            for k in range(n)]  # fmt: skip
    course = points(0, "a", (1, 1), (3, 3), 3) + points(0, "b", (1, 1), (0, 1), 1)
    predictions = Predictions(("x", "y"), tuple(rows))
    assert accuracies(course, predictions) == {1: 0.75, 2: 1}
    assert accuracies(points(5, "a", (1,), (1,), 1), predictions) == {}  # of another run


def test_axes_begin_at_0_and_end_at_a_round_number():
    assert (chart.axes([1, 9], [0.3, 1.7]).low, chart.axes([1, 9], [0.3, 1.7]).high) == (0, 2)
    assert chart.axes([1], [-0.3, 0.0003]).low == -0.5
    assert math.copysign(1, chart.axes([1], [1.0]).low) == 1  # or it would be written -0
    nothing = chart.axes([1], [0.0])
    assert (nothing.low, nothing.high) == (0, 1)
    for value in (1e-9, 0.12, 1, 99, 3e7):
        assert value <= chart.beyond(value) <= 2.5 * value


def test_a_curve_goes_from_corner_to_corner_and_a_single_epoch_is_a_dot():
    axes = chart.axes([1, 5], [0, 2])
    assert chart.curve(axes, {1: 0.0, 5: 2.0}) == "M38.0 122.0L310.0 10.0"
    assert chart.curve(chart.axes([3], [2.0]), {3: 2.0}) == "M38.0 10.0L38.0 10.0"
    assert chart.band(axes, {1: 0.0, 5: 0.0}, {1: 2.0, 5: 2.0}) == (
        "M38.0 122.0L310.0 122.0L310.0 10.0L38.0 10.0Z"
    )


def test_of_many_epochs_the_first_and_the_last_are_shown():
    shown = chart.thinned(range(1, 5001))
    assert len(shown) == 200
    assert (shown[0], shown[-1]) == (1, 5000)
    assert chart.thinned([4, 7]) == [4, 7]
