"""Intervals of a score by drawing subjects again.

Clips of one person resemble each other, so people are drawn, with replacement, and each comes
with all its clips under all seeds: what is asked is how the score would have moved had other
people been filmed. The interval holds the middle 95 % of the draws (percentile interval).

A class that no drawn person shows counts as 0 in that draw, as a class that nobody shows does in
the point estimate: where a class rests on few people the interval reaches far down.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.base import Array
from train.labels import encode, several
from train.measures import measures
from train.predictions import Row

DRAWS, LEVEL, SEED = 2000, 0.95, 0


@dataclass(frozen=True, slots=True)
class Counts:
    """What every measure can be computed from.

    Parameters
    ----------
    people : (P,) ``dataset/subject``, sorted
    confusion : (S, P, C, C) float64 whole numbers
        Clips of a seed and a person, by truth and prediction. Of several labels (S, P, C, 2, 2):
        of each unit, by whether it is shown and whether it is predicted.
    """

    people: tuple[str, ...]
    confusion: Array


def count(seeds: Sequence[Sequence[Row]], classes: Sequence[str]) -> Counts:
    """Count the clips of each seed and person by truth and prediction."""
    people = sorted({person(row) for rows in seeds for row in rows})
    place = {name: i for i, name in enumerate(people)}
    units = several(classes)
    square = (len(classes), 2, 2) if units else (len(classes), len(classes))
    confusion = np.zeros((len(seeds), len(people), *square))
    for counted, rows in zip(confusion, seeds, strict=True):
        who = np.array([place[person(row)] for row in rows])
        truth = encode((row.truth for row in rows), classes)
        guess = encode((row.prediction for row in rows), classes)
        at = (who[:, None], np.arange(len(classes))) if units else (who,)
        np.add.at(counted, (*at, truth, guess), 1)
    return Counts(tuple(people), confusion)


def person(row: Row) -> str:
    """Who it is: subject 1 of two datasets is two people."""
    return f"{row.dataset}/{row.subject}"


def draw(people: int) -> Array:
    """How often each person is drawn, (DRAWS, people) float64; the same at every call."""
    random = np.random.default_rng(SEED)
    return random.multinomial(people, np.full(people, 1 / people), DRAWS).astype(np.float64)


def drawn(confusion: Array, often: Array) -> Array:
    """Confusions of the draws, (S, P, …) and (D, P) -> (D, S, …)."""
    seeds, people, *square = confusion.shape
    flat = confusion.swapaxes(0, 1).reshape(people, -1)
    return (often @ flat).reshape(len(often), seeds, *square)


def interval(values: Array) -> tuple[float, float]:
    """The middle 95 % of the draws, (D,)."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def intervals(
    confusion: Array,
    shown: Sequence[int],
    of_counts: Callable[[Array, Sequence[int]], dict[str, Array]] = measures,
) -> Mapping[str, tuple[float, float] | None]:
    """Interval of each measure's mean over seeds, of (S, P, …); None of a single person."""
    again = resampled(confusion)
    found = of_counts(confusion.sum(1) if again is None else again, shown)
    return {
        name: None if again is None else interval(values.mean(1)) for name, values in found.items()
    }


def resampled(confusion: Array) -> Array | None:
    """Confusions of the draws of (S, P, …), (D, S, …); None: one person has no spread."""
    people = confusion.shape[1]
    return drawn(confusion, draw(people)) if people > 1 else None
