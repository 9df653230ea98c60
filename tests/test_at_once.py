"""How many fits are trained at once: chosen, told, kept to, and never seen in what they find."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from tests.test_train_fit import CLASSES, CONFIG, GROUP, TRUTH, pattern
from tests.tiny_store import tiny_store
from train import at_once
from train.at_once import choose, faster, that_fit
from train.cli import cli
from train.folds import loso, validation
from train.models import base
from train.models.base import Input, Model
from train.oracle import Oracle
from train.task import Job, Task, units
from train.work import work_folder
from train.workers import compute

SHORT = replace(CONFIG, epochs=3, learning_rate=1e-3)
OF = {"model": "ststnet"}


def tasks(parts=0):
    found = []
    for fold in loso(GROUP):
        inner = validation(fold, GROUP, TRUTH, parts) if parts else None
        found.append(Task(0, fold.name, TRUTH, fold.train, fold.test, inner))
    return found


def job(config=SHORT, **given):
    return Job("ststnet", CLASSES, pattern(), config, "cpu", **given)


def answers(job, parts=0, workers=1, finished=frozenset()):
    return {task.key: answer for task, answer in compute(job, tasks(parts), workers, finished)}


def assert_alike(one, other):
    assert one.keys() == other.keys()
    for key, answer in one.items():
        np.testing.assert_allclose(
            answer.probabilities, other[key].probabilities, rtol=1e-3, atol=1e-4
        )
        np.testing.assert_allclose(answer.oracle, other[key].oracle, rtol=1e-3, atol=1e-4)
        assert answer.losses == pytest.approx(other[key].losses, rel=1e-3)
        assert (answer.epoch, answer.oracle_epoch, answer.oracle_hits) == (
            other[key].epoch, other[key].oracle_epoch, other[key].oracle_hits,
        )  # fmt: skip


def test_stacks_of_any_size_say_what_fits_say_alone():
    alone = answers(job())
    for fits in (2, 4):
        assert_alike(answers(job(at_once=fits)), alone)


def test_stacks_choose_the_epochs_that_fits_choose_alone():
    config = replace(SHORT, epochs=5)
    alone = answers(job(config), parts=3)
    assert len({answer.epoch for answer in alone.values()}) > 1
    assert_alike(answers(job(config, at_once=4), parts=3), alone)


@pytest.mark.slow
def test_stacks_in_two_processes_give_the_same_bits():
    one, two = (answers(job(at_once=2), workers=workers) for workers in (1, 2))
    assert all(np.array_equal(one[key].probabilities, two[key].probabilities) for key in one)


def test_a_unit_is_as_large_as_the_others_and_is_left_out_when_it_is_finished():
    all_of_them = tasks()
    keys = [task.key for task in all_of_them]
    assert [len(unit) for unit in units(all_of_them * 2, frozenset(), 5)] == [4, 4]
    (left,) = units(all_of_them, frozenset(keys[:3]), 2)
    assert [task.key for task in left] == keys[2:]
    assert units(all_of_them, frozenset(keys), 2) == []


class Left(Exception):
    pass


def leave_at(epoch, monkeypatch):
    """Whoever looks on at this epoch leaves the run; gives the epochs that were looked at."""
    see, seen = Oracle.see, []

    def leaving(self, number, found):
        seen.append(number)
        if number == epoch:
            raise Left
        see(self, number, found)

    monkeypatch.setattr(Oracle, "see", leaving)
    return seen


def in_folder(path, at_once=2):
    """Fit all tasks with a work folder; what is kept there at the end."""
    with work_folder(path, OF, 0.0, True) as work:
        found = answers(job(at_once=at_once, work=work))
        kept = {task.key: work.fit(*task.key).recover() for task in tasks()}
        stacks = list((work.folder / "fits").glob("stack-*"))
        return found, kept, stacks, len(list(work.networks.glob("*.safetensors")))


def test_an_interrupted_stack_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    whole = answers(job(at_once=2))
    with monkeypatch.context() as patch:
        leave_at(3, patch)
        with pytest.raises(Left):
            in_folder(tmp_path / "r")
    states = sorted(tmp_path.glob(".r.work/fits/stack-*/*.json"))
    assert [json.loads(path.read_text())["epoch"] for path in states] == [1, 2]
    with monkeypatch.context() as patch:
        seen = leave_at(0, patch)
        again, kept, stacks, networks = in_folder(tmp_path / "r")
    assert seen.count(1) == 2  # the second stack alone begins anew
    assert stacks == []
    assert networks == len(whole)
    for key, answer in whole.items():
        for other in (again[key], kept[key]):
            assert np.array_equal(answer.probabilities, other.probabilities)
            assert np.array_equal(answer.oracle, other.oracle)
            assert (answer.losses, answer.oracle_hits) == (other.losses, other.oracle_hits)


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_fit_that_has_chosen_an_epoch_is_not_repeated_to_choose_it_again(
    at_once, tmp_path, monkeypatch
):
    def fitted():
        with work_folder(tmp_path / "r", OF, 0.0, True) as work:
            return answers(job(at_once=at_once, work=work), parts=3)

    see, seen = Oracle.see, []

    def leaving(self, number, found):
        seen.append(number)
        if seen.count(1) == at_once + 1:  # the fit that follows
            raise Left
        see(self, number, found)

    whole = answers(job(at_once=at_once), parts=3)
    with monkeypatch.context() as patch:
        patch.setattr(Oracle, "see", leaving)
        with pytest.raises(Left):
            fitted()
    with monkeypatch.context() as patch:
        seen = leave_at(0, patch)
        again = fitted()
    assert seen.count(1) == 2 * len(whole) - at_once
    assert all(np.array_equal(a.probabilities, again[k].probabilities) for k, a in whole.items())


def test_a_damaged_state_of_a_stack_is_told_and_the_one_before_is_used(
    tmp_path, monkeypatch, capsys
):
    whole = answers(job(at_once=4))
    with monkeypatch.context() as patch:
        leave_at(3, patch)
        with pytest.raises(Left):
            in_folder(tmp_path / "r", at_once=4)
    last = sorted(tmp_path.glob(".r.work/fits/stack-*/*.safetensors"))[-1]
    last.write_bytes(last.read_bytes()[:-1])
    with monkeypatch.context() as patch:
        seen = leave_at(0, patch)
        again, *_ = in_folder(tmp_path / "r", at_once=4)
    assert f"{last.name}: damaged" in capsys.readouterr().err
    assert min(seen) == 2
    assert all(
        np.array_equal(a.probabilities, again[key].probabilities) for key, a in whole.items()
    )


def test_of_a_stack_only_what_is_not_finished_is_given():
    keys = [task.key for task in tasks()]
    whole = answers(job(at_once=4))
    left = answers(job(at_once=4), finished=frozenset(keys[:3]))
    assert list(left) == keys[3:]
    assert np.array_equal(left[keys[3]].probabilities, whole[keys[3]].probabilities)


def test_a_diverged_member_is_refused_by_its_name():
    with pytest.raises(Exception, match="the fit diverged"):
        answers(job(replace(SHORT, learning_rate=1e30), at_once=4))


def test_the_faster_is_chosen_and_a_tie_goes_to_fits_alone():
    assert faster(0.020, 0.010, 8).at_once == 8
    assert faster(0.010, 0.020, 8).at_once == 1
    assert faster(0.014, 0.010, 8).at_once == 1
    assert "10.0 ms alone, 20.0 ms of a stack's" in faster(0.010, 0.020, 8).why


def test_as_many_as_have_room_are_chosen_and_at_least_one():
    assert that_fit(free=10_000, one=1_000, wanted=68) == 6
    assert that_fit(free=10_000_000, one=1_000, wanted=68) == 68
    assert that_fit(free=10, one=1_000, wanted=68) == 1


def test_on_a_cpu_the_choice_is_measured_and_leaves_no_trace():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    choice = choose(job(), tasks(), None)
    assert choice.at_once in (1, 4)
    assert "a step of one takes" in choice.why
    assert torch.equal(torch.rand(2), expected)


def test_what_is_asked_for_is_done_but_for_no_more_fits_than_there_are():
    assert choose(job(), tasks(), 3).at_once == 3
    assert choose(job(), tasks(), 40).at_once == 4
    assert choose(job(), tasks(), 1).at_once == 1
    assert choose(job(), tasks()[:1], None).at_once == 1


class Slow(nn.Module):
    """A network whose step is long."""

    threads = ()

    def __init__(self, classes):
        super().__init__()
        self.head = nn.Linear(28 * 28, classes)

    def forward(self, flow, strain):
        Slow.threads += (torch.get_num_threads(),)
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
        return self.head(strain.flatten(1))


def test_of_a_network_whose_step_is_long_one_step_is_enough_to_choose(monkeypatch):
    slow = Model(Slow, (Input("flow"), Input("strain")), "flow")
    monkeypatch.setattr(base, "load", lambda name: slow)
    monkeypatch.setattr(at_once, "FIRST", 0.2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    assert choose(job(), tasks(), None).at_once == 1
    assert Slow.threads == (1, 1)  # the first step is of two samples
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


class OfItsOwn(nn.Module):
    """A network whose way depends on what it sees: no stack can follow."""

    def __init__(self, classes):
        super().__init__()
        self.head = nn.Linear(28 * 28, classes)

    def forward(self, flow, strain):
        return self.head(strain.flatten(1) * (2.0 if strain.mean() > 0 else 1.0))


@pytest.mark.parametrize("asked", [None, 4])
def test_a_network_that_cannot_be_stacked_is_trained_alone_and_the_reason_told(monkeypatch, asked):
    odd = Model(OfItsOwn, (Input("flow"), Input("strain")), "flow")
    monkeypatch.setattr(base, "load", lambda name: odd)
    choice = choose(job(), tasks(), asked)
    assert choice.at_once == 1
    assert "ststnet cannot be stacked: " in choice.why


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tiny_store(tmp_path_factory.mktemp("store") / "tiny.h5")


def mer_train(*args):
    fast = ("--seeds", 2, "--epochs", 3, "--batch-size", 8, "--device", "cpu", "--workers", 1)
    return CliRunner().invoke(cli, [str(arg) for arg in (*fast, *args)])


def test_a_run_says_how_many_were_trained_at_once_and_scores_as_it_does_alone(store, tmp_path):
    found = {}
    for asked in (1, 3):
        out = tmp_path / str(asked) / "run"
        out.parent.mkdir()
        done = mer_train("--features", store, "--folds-at-once", asked, "-o", out)
        assert done.exit_code == 0, done.output
        assert ("3 fits at once: as asked" in done.stderr) == (asked == 3)
        found[asked] = json.loads((out / "results.json").read_text())
    assert [found[asked]["folds_at_once"] for asked in found] == [1, 3]
    ways = [found[asked]["scores"]["network"]["UAR"]["mean"] for asked in found]
    assert ways[0] == pytest.approx(ways[1], abs=0.05)


def test_a_model_that_is_solved_says_that_it_is_trained_alone(store, tmp_path):
    done = mer_train("--features", store, "--folds-at-once", "none", "-o", tmp_path / "r")
    assert done.exit_code == 2
    svm = replace(job(), model="svm_linear")
    assert "solved at once" in choose(svm, tasks(), 4).why


def test_a_run_that_goes_on_keeps_to_what_it_began_with(tmp_path):
    def chosen(of, fits, found):
        with work_folder(tmp_path / "r", of, 0.0, False) as work:
            found.append(work.at_once(lambda: fits))
            raise Left

    found = []
    for of, fits in ((OF, 4), (OF, 1), ({"model": "fr"}, 1)):
        with pytest.raises(Left):
            chosen(of, fits, found)
    assert found == [4, 4, 1]
