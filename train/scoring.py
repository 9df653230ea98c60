"""How predictions are measured: of one class a sample, or of several labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from features.base import Array
from train.labels import several
from train.measures import MEASURES, UNIT_MEASURES, measures, unit_measures


@dataclass(frozen=True, slots=True)
class Scoring:
    """What differs between the two kinds of labels, for who works on counts.

    Parameters
    ----------
    names : its measures
    tabled : the measure that a table is of if nobody says
    compared : those by which two runs are compared
    at_chance : the measure whose chance is known, whatever is predicted
    chance : that chance, of a number of classes
    of_counts : the measures of (…, C, C) or (…, C, 2, 2), and of the classes they are means over
    seen : classes that are shown or predicted, of counts (C, C) or (C, 2, 2)
    decided : classes that have a chance, of the like
    """

    names: tuple[str, ...]
    tabled: str
    compared: tuple[str, ...]
    at_chance: str
    chance: Callable[[int], float]
    of_counts: Callable[[Array, Sequence[int]], dict[str, Array]]
    seen: Callable[[Array], Array]
    decided: Callable[[Array], Array]


CLASSES = Scoring(
    names=MEASURES,
    tabled="UF1",
    compared=("UF1", "UAR", "accuracy"),
    at_chance="UAR",
    chance=lambda classes: 1 / classes,
    of_counts=measures,
    seen=lambda confusion: np.flatnonzero(confusion.sum(0) + confusion.sum(1)),
    decided=lambda confusion: np.arange(len(confusion)),
)
UNITS = Scoring(
    names=UNIT_MEASURES,
    tabled="F1",
    compared=UNIT_MEASURES,
    at_chance="balanced accuracy",
    chance=lambda classes: 1 / 2,
    of_counts=unit_measures,
    seen=lambda confusion: np.flatnonzero(confusion[:, 1].sum(-1) + confusion[:, 0, 1]),
    decided=lambda confusion: np.flatnonzero(confusion.sum(-1).all(-1)),  # some show it, some not
)


def scoring(classes: Sequence[str]) -> Scoring:
    """The kind of these classes."""
    return UNITS if several(classes) else CLASSES
