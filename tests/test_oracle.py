from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.test_train_fit import CLASSES, CONFIG, GROUP, MODEL, TRUTH, pattern
from train.fit import fit, seed_of
from train.folds import loso, validation
from train.oracle import Oracle
from train.predict import predict
from train.task import Job, Task
from train.work import FitWork, Work
from train.workers import compute, one_thread


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
    slow = replace(CONFIG, learning_rate=1e-4)  # not all are right, or wrong, from the first epoch
    job = Job("ststnet", CLASSES, pattern(), slow, "cpu")
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


NESTED = replace(CONFIG, validation=3)


def nested(truth=TRUTH, x=None, work=None):
    """The first fold, its epoch chosen on people of its training part."""
    fold = loso(GROUP)[0]
    inner = validation(fold, GROUP, TRUTH, NESTED.validation)
    job = Job("ststnet", CLASSES, pattern() if x is None else x, NESTED, "cpu", work)
    ((task, answer),) = compute(job, [Task(0, fold.name, truth, fold.train, fold.test, inner)], 1)
    return task, answer


def test_the_epoch_is_the_one_that_is_best_on_training_people_and_counts_for_a_new_fit():
    task, answer = nested()
    x, truth = [torch.from_numpy(one) for one in pattern()], torch.from_numpy(TRUTH)
    kept, held = task.inner.train, task.inner.test
    oracle = Oracle([one[held] for one in x], truth[held])
    with one_thread():
        fit(MODEL, CLASSES, [one[kept] for one in x], truth[kept], CONFIG,
            seed_of(0, task.inner.name), watch=oracle.watch)  # fmt: skip
        assert answer.epoch == oracle.epoch < CONFIG.epochs
        again = fit(MODEL, CLASSES, [one[task.train] for one in x], truth[task.train], CONFIG,
                    seed_of(0, task.fold), until=oracle.epoch)  # fmt: skip
        wanted = predict(again, [one[task.test] for one in x]).numpy()
    assert np.array_equal(answer.probabilities, wanted)


def test_whoever_is_tested_does_not_choose_the_epoch():
    fold = loso(GROUP)[0]
    turned = TRUTH.copy()
    turned[fold.test] = (turned[fold.test] + 1) % CLASSES
    x = pattern()
    for one in x:
        one[fold.test] *= -3
    assert nested(turned)[1].epoch == nested()[1].epoch == nested(x=x)[1].epoch
    assert np.array_equal(nested(turned)[1].probabilities, nested()[1].probabilities)


def test_a_nested_fit_goes_on_to_the_same_bits_and_keeps_one_network(tmp_path, monkeypatch):
    """Left while the epoch is chosen, then while the network is fitted anew."""
    _, whole = nested()
    work = Work(tmp_path, {"a": 1}, 0.0, keep_networks=True)

    def left(fold, epoch):
        def keep(self, number, state, kept=FitWork.keep):
            kept(self, number, state)
            if (self.of["fold"], number) == (fold, epoch):
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(FitWork, "keep", keep)
            with pytest.raises(KeyboardInterrupt):
                nested(work=work)

    name = loso(GROUP)[0].name
    left(f"{name}, validation", 3)
    left(name, 1)
    found = nested(work=work)[1]
    assert found.epoch == whole.epoch
    assert np.array_equal(found.probabilities, whole.probabilities)
    assert [path.name for path in work.networks.glob("*.json")] == ["0-d%2F0.json"]
