"""What the fits of a run said, as tables; also of a run that was interrupted."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from features.base import Array
from features.console import INTERRUPTED, MerError
from train import curves
from train.data import Examples
from train.labels import predicted, word
from train.oracle import Answer
from train.predictions import Predictions, Row, write
from train.task import Task
from train.work import Work


def tabulate(
    name: str, examples: Examples, answers: Iterable[tuple[Task, Answer]]
) -> tuple[Predictions, Predictions]:
    """Pool what the folds say, at the last epoch and at the oracle's; their order does not show."""
    names = examples.classes

    def row(task: Task, i: int, probabilities: Array, epoch: int) -> Row:
        return Row(
            run=name,
            seed=task.seed,
            fold=task.fold,
            sample_id=examples.sample_id[i],
            dataset=examples.dataset[i],
            subject=examples.subject[i],
            truth=word(task.truth[i], names),
            prediction=predicted(probabilities, names),
            probabilities=tuple(float(str(value)) for value in probabilities),  # shortest text
            epoch=epoch,
        )

    last, oracle = [], []
    for task, answer in answers:
        for i, now, best in zip(task.test, answer.probabilities, answer.oracle, strict=True):
            last.append(row(task, i, now, answer.epoch))
            oracle.append(row(task, i, best, answer.oracle_epoch))
    for rows in (last, oracle):
        rows.sort(key=lambda one: (one.seed, one.sample_id))
    return Predictions(names, tuple(last)), Predictions(names, tuple(oracle))


def course(task: Task, answer: Answer) -> list[curves.Point]:
    """How one fit went."""
    losses, hits = answer.losses, answer.oracle_hits
    asked = task.truth[task.test].size  # of several labels, every one of every sample
    return curves.points(task.seed, task.fold, losses, hits, asked)


def interrupted(name: str, examples: Examples, work: Work, tasks: Sequence[Task]) -> MerError:
    """Leave what finished fits predicted in the work folder, marked as partial; say where."""
    results = replace(work, keep_networks=False)  # which are large, and need not be read
    found = []
    for task in tasks:
        with suppress(MerError):  # damaged: the next run tells, and makes it again
            if (answer := results.fit(*task.key).finished()) is not None:
                found.append((task, answer))
    count, again = f"{len(found)} of {len(tasks)} fits", "run the same command again to go on"
    if found:
        last, _ = tabulate(name, examples, found)
        write(work.partial, replace(last, partial=count))
        again += f"; so far: mer-report score {work.partial}"
    return MerError(f"interrupted: {count} are finished and kept", again, INTERRUPTED)
