"""The measures, from counts: thousands of draws are scored at once.

The figures that are reported are scikit-learn's (scores.py, unit_scores.py); these are for their
intervals.
"""

from collections.abc import Sequence

import numpy as np

from features.base import Array

MEASURES = ("accuracy", "UF1", "UAR", "weighted F1")
UNIT_MEASURES = ("F1", "two-class F1", "balanced accuracy")


def measures(confusion: Array, shown: Sequence[int]) -> dict[str, Array]:
    """Accuracy, UF1, UAR and weighted F1.

    Parameters
    ----------
    confusion : (…, C, C), truth in rows
    shown : the classes that UF1 and UAR are means over

    Returns
    -------
    name -> (…), each in [0, 1]
    """
    n, each = confusion.sum(-1), f1(confusion)
    total = n.sum(-1)
    found = (
        share(hits(confusion).sum(-1), total),
        each[..., shown].mean(-1),
        recall(confusion)[..., shown].mean(-1),
        share((n * each).sum(-1), total),
    )
    return dict(zip(MEASURES, found, strict=True))


def unit_measures(confusion: Array, shown: Sequence[int]) -> dict[str, Array]:
    """F1, F1 of both sides, and the mean recall of both sides, each a mean over units.

    Parameters
    ----------
    confusion : (…, U, 2, 2), of each unit: truth in rows, not shown and shown
    shown : the units that the means are over

    Returns
    -------
    name -> (…), each in [0, 1]; 0 of no unit at all
    """
    chosen = confusion[..., shown, :, :]
    sides = f1(chosen)
    each = sides[..., 1], sides.mean(-1), recall(chosen).mean(-1)
    found = (values.sum(-1) / max(1, len(shown)) for values in each)
    return dict(zip(UNIT_MEASURES, found, strict=True))


def f1(confusion: Array) -> Array:
    """2 TP / (2 TP + FP + FN) of each class, (…, C, C) -> (…, C)."""
    return share(2 * hits(confusion), confusion.sum(-1) + confusion.sum(-2))


def recall(confusion: Array) -> Array:
    """TP / n of each class, (…, C, C) -> (…, C)."""
    return share(hits(confusion), confusion.sum(-1))


def hits(confusion: Array) -> Array:
    """The diagonal, (…, C, C) -> (…, C)."""
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def share(part: Array, whole: Array) -> Array:
    """Divide; 0 of 0 is 0."""
    return np.divide(part, whole, out=np.zeros_like(part, np.float64), where=whole > 0)
