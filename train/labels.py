"""Labels as words and as numbers: one class a sample, or the action units that it shows.

                 one class                        several labels
    words        surprise                         AU1+AU4, or none
    truth        (N,) position in the classes     (N, C) of 0 and 1
    predicted    the likeliest                    every unit with p > 0.5

The classes alone say which it is: action units are several labels, all else is one. Truth is int64
in both, so that a loss made for the one does not take the other.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from features.base import Array
from features.protocol import NONE, joined

UNIT = re.compile(r"AU(\d+)")
THRESHOLD = 0.5  # of a probability: where the logit is 0


def several(classes: Sequence[str]) -> bool:
    """Whether classes are action units, of which a sample may show several."""
    return bool(classes) and all(UNIT.fullmatch(name) for name in classes)


def shown(label: str) -> list[str]:
    """Units of a label, as they stand in it."""
    return [] if label == NONE else label.split("+")


def in_order(units: Iterable[str]) -> str:
    """Join units to a label, by number: the same units give the same label."""
    return joined(sorted(units, key=lambda name: (len(name), name)))


def encode(labels: Iterable[str], classes: Sequence[str]) -> Array:
    """Turn words into numbers.

    Returns
    -------
    (N,) int64 in [0, C), or (N, C) int64 of 0 and 1 for several labels
    """
    if several(classes):
        there = [set(shown(label)) for label in labels]
        found = [name in units for units in there for name in classes]
        return np.array(found, np.int64).reshape(-1, len(classes))
    place = {name: i for i, name in enumerate(classes)}
    return np.array([place[label] for label in labels], np.int64)


def word(truth: Array, classes: Sequence[str]) -> str:
    """Turn one row of `encode` back into words."""
    if truth.ndim:
        return in_order(classes[i] for i in np.flatnonzero(truth))
    return classes[int(truth)]


def predicted(probabilities: Array, classes: Sequence[str]) -> str:
    """What probabilities of the classes, (C,), say in words."""
    if several(classes):
        return word(probabilities > THRESHOLD, classes)
    return classes[int(probabilities.argmax())]
