"""Epochs are counted however fits run, and what was done before is told from what is new."""

from dataclasses import replace

import pytest

from features.progress import Steps
from tests.test_at_once import OF, SHORT, Left, job, leave_at, tasks
from train.oracle import Answer
from train.plan import tallied
from train.tally import Tally
from train.work import work_folder
from train.workers import compute

FITS, EPOCHS = 4, SHORT.epochs


def counted(at_once=1, parts=0, config=SHORT, work=None):
    """Fit all tasks; what was told before, and is after each of them."""
    asked = tasks(parts)
    tally = Tally([key for task in asked for key in task.keys], config.epochs)
    told = [tally.steps()]
    found = []
    for _, answer in compute(job(config, at_once=at_once, tally=tally, work=work), asked, 1):
        told.append(tally.steps())
        found.append(answer)
    return told, found


def test_a_fit_alone_counts_its_epochs():
    told, _ = counted()
    assert told == [Steps(n * EPOCHS, FITS * EPOCHS) for n in range(FITS + 1)]


def test_a_stack_counts_the_epochs_of_all_its_members():
    told, _ = counted(at_once=2)
    assert told == [Steps(n * EPOCHS, FITS * EPOCHS) for n in (0, 2, 2, 4, 4)]


@pytest.mark.parametrize("at_once", [1, 4])
def test_fits_that_choose_an_epoch_count_and_the_total_is_mended_when_it_is_chosen(at_once):
    config = replace(SHORT, epochs=5)
    told, answers = counted(at_once, parts=3, config=config)
    assert told[0] == Steps(0, 2 * FITS * 5)
    whole = FITS * 5 + sum(answer.epoch for answer in answers)
    assert whole < 2 * FITS * 5
    assert told[-1] == Steps(whole, whole)


@pytest.mark.parametrize(("at_once", "before"), [(1, 2), (4, 8)])
def test_epochs_that_a_run_finds_done_are_told_apart(tmp_path, monkeypatch, at_once, before):
    def ran():
        with work_folder(tmp_path / "r", OF, 0.0, False) as work:
            return counted(at_once, work=work)

    with monkeypatch.context() as patch:
        leave_at(3, patch)
        with pytest.raises(Left):
            ran()
    told, _ = ran()
    assert told[-1] == Steps(FITS * EPOCHS, FITS * EPOCHS, before)


def test_finished_fits_are_counted_as_done_but_not_those_a_stack_trains_again():
    asked = tasks(3)
    finished = [(task, Answer(2, None, 1, None)) for task in asked[:3]]
    alone, stacks = (tallied(asked, finished, at_once, 5).steps() for at_once in (1, 2))
    assert alone == Steps(3 * 7, 3 * 7 + 10, 3 * 7)
    assert stacks == Steps(2 * 7, 2 * 7 + 2 * 10, 2 * 7)
