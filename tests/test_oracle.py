import numpy as np
import torch

from tests.test_train_fit import CLASSES, CONFIG, GROUP, MODEL, TRUTH, pattern
from train.fit import fit
from train.folds import loso
from train.oracle import Oracle
from train.workers import Job, Task, compute


def answers():
    job = Job("ststnet", CLASSES, pattern(), CONFIG, "cpu")
    tasks = [Task(0, fold.name, TRUTH, fold.train, fold.test) for fold in loso(GROUP)]
    return list(compute(job, tasks, 1))


def test_the_oracle_is_never_worse_on_any_fold_and_of_one_epoch_each():
    for task, answer in answers():
        last, best = (
            (found.argmax(1) == TRUTH[task.test]).sum()
            for found in (answer.probabilities, answer.oracle)
        )
        assert best >= last
        assert 1 <= answer.oracle_epoch <= CONFIG.epochs


def test_who_looks_on_changes_nothing_of_the_fit():
    x, truth = [torch.from_numpy(one) for one in pattern()], torch.from_numpy(TRUTH)
    oracle = Oracle([one[:6] for one in x], truth[:6])
    watched = fit(MODEL, CLASSES, x, truth, CONFIG, 0, watch=oracle.watch)
    alone = fit(MODEL, CLASSES, x, truth, CONFIG, 0)
    for name, value in alone.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    assert oracle.epoch


def test_the_labels_of_a_tested_subject_change_its_oracle_and_no_prediction():
    fold = loso(GROUP)[0]
    turned = TRUTH.copy()
    turned[fold.test] = (turned[fold.test] + 1) % CLASSES
    job = Job("ststnet", CLASSES, pattern(), CONFIG, "cpu")
    ((_, one),) = compute(job, [Task(0, fold.name, TRUTH, fold.train, fold.test)], 1)
    ((_, other),) = compute(job, [Task(0, fold.name, turned, fold.train, fold.test)], 1)
    assert np.array_equal(one.probabilities, other.probabilities)
    assert not np.array_equal(one.oracle, other.oracle)


class Scripted(torch.nn.Module):
    """Says the class that it is told to."""

    def __init__(self, says: int) -> None:
        super().__init__()
        self.says = says

    def forward(self, x):
        return torch.nn.functional.one_hot(torch.full((len(x),), self.says), 3).float()


def test_of_equal_epochs_the_first_is_taken_and_a_state_brings_it_back():
    oracle = Oracle([torch.zeros(3, 1)], torch.tensor([1, 1, 2]))
    for epoch, says in enumerate([0, 1, 1, 2], start=1):
        oracle.watch(epoch, Scripted(says))
    assert oracle.epoch == 2
    other = Oracle([torch.zeros(3, 1)], torch.tensor([1, 1, 2]))
    rest = other.restore({**oracle.state(), "network.a": torch.zeros(1)})
    assert list(rest) == ["network.a"]
    other.watch(5, Scripted(1))
    assert other.epoch == 2
    assert torch.equal(other.probabilities, oracle.probabilities)
