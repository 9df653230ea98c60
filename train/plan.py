"""The fits of a run: every fold under every seed."""

from collections.abc import Sequence

import numpy as np

from features.base import Array
from train.data import Examples
from train.folds import Fold, validation
from train.oracle import Answer
from train.request import Request
from train.tally import Tally
from train.task import Task, units


def plan(request: Request, examples: Examples, made: Sequence[Fold]) -> list[Task]:
    """Every fold under every seed."""
    tasks = []
    for seed in range(request.seeds):
        truth = labels(examples.truth, seed, request.shuffle_labels)
        for fold in made:
            parts = request.fit.validation
            inner = validation(fold, examples.group, truth, parts) if parts else None
            tasks.append(Task(seed, fold.name, truth, fold.train, fold.test, inner))
    return tasks


def labels(truth: Array, seed: int, shuffle: bool) -> Array:
    """Give what a seed trains and is scored with: the truth, or the truth permuted."""
    return np.random.default_rng(seed).permutation(truth) if shuffle else truth


def tallied(
    tasks: Sequence[Task], finished: Sequence[tuple[Task, Answer]], at_once: int, epochs: int
) -> Tally:
    """Count the epochs of finished fits as had, but of those that are trained again."""
    tally = Tally([key for task in tasks for key in task.keys], epochs)
    keys = frozenset(task.key for task, _ in finished)
    again = {task.key for unit in units(tasks, keys, at_once) for task in unit}
    for task, answer in finished:
        if task.key not in again:
            for key in task.keys:
                last = answer.epoch if key == task.key else epochs
                tally.begin(key, last, last)
    return tally
