"""What a fit is asked to do, and what all fits of a run share."""

from __future__ import annotations  # a fold is named below; its file loads scikit-learn

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from features.base import Array
from features.console import MerError
from train.config import FitConfig
from train.streamed import Clips, placed
from train.tally import Key, Tally
from train.work import Work

if TYPE_CHECKING:
    from train.folds import Fold


@dataclass(frozen=True, slots=True)
class Job:
    """What all fits of a run share.

    Parameters
    ----------
    inputs : (N, …) float32 each, all samples
    work : where every fit keeps what it has done; None to keep nothing
    backbone : file of weights that every network begins with
    at_once : fits that are trained as one stack; 1: each alone
    tally : where every fit counts its epochs; None to count nothing
    """

    model: str
    classes: int
    inputs: tuple[Array, ...]
    config: FitConfig
    device: str
    work: Work | None = None
    backbone: Path | None = None
    at_once: int = 1
    tally: Tally | None = None

    def clips(self) -> list[Clips]:
        """The inputs, on the device or, where they have no room there, beside it."""
        return placed(self.inputs, torch.device(self.device), self.free())

    def had(self, task: Task) -> None:
        """Count all epochs of a fit that was finished before."""
        if self.tally:
            self.tally.begin(task.key, self.config.epochs, self.config.epochs)

    def free(self) -> int | None:
        """Bytes that are free on the device; None where it has no memory of its own."""
        return None if self.device == "cpu" else torch.cuda.mem_get_info(self.device)[0]


@dataclass(frozen=True, slots=True)
class Task:
    """One fit: a fold under a seed.

    Parameters
    ----------
    truth : (N,) int64, or (N, classes) of 0 and 1; labels of all samples under this seed
    train, test : rows of the inputs
    inner : training rows split again by people, to choose the epoch on; None: the last counts
    """

    seed: int
    fold: str
    truth: Array
    train: Array
    test: Array
    inner: Fold | None = None

    @property
    def key(self) -> Key:
        """Which fit of the run this is."""
        return self.seed, self.fold

    @property
    def keys(self) -> list[Key]:
        """Every fit that it takes: its own is the last."""
        return [self.key] if self.inner is None else [self.held().key, self.key]

    def held(self) -> Task:
        """The fit on whose test people this one's epoch is chosen."""
        assert self.inner is not None
        return Task(self.seed, self.inner.name, self.truth, self.inner.train, self.inner.test)


def checked(task: Task, probabilities: Array) -> Array:
    """Refuse what a diverged network says."""
    several = task.truth.ndim == 2
    sound = np.isfinite(probabilities) if several else abs(probabilities.sum(1) - 1) < 1e-3
    if not sound.all():  # NaN compares false
        raise MerError(
            f"fold {task.fold}, seed {task.seed}: the fit diverged, its output is no number",
            "lower --learning-rate",
        )
    return probabilities


def units(tasks: Sequence[Task], finished: frozenset[Key], at_once: int) -> list[tuple[Task, ...]]:
    """What is trained together, as evenly as can be; a unit that is finished is left out.

    A unit with a single fit to do is trained whole: with fewer beside it, last bits would differ.
    """
    count = max(1, -(-len(tasks) // at_once))
    cuts = [len(tasks) * number // count for number in range(count + 1)]
    every = [tuple(tasks[a:b]) for a, b in pairwise(cuts)]
    return [unit for unit in every if any(task.key not in finished for task in unit)]
