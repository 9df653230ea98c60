"""A figure of every seed, and over seeds."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier

from features.base import Array
from features.console import MerError
from train.predictions import Predictions, Row

Seeds = Sequence[Sequence[Row]]


def by_seed(predictions: Predictions) -> list[list[Row]]:
    """Rows of each seed, seeds ascending."""
    return [predictions.of(seed) for seed in predictions.seeds()]


def over_seeds(
    values: Iterable[float], interval: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Mean, sample standard deviation (n - 1; none of a single seed), and interval."""
    values = [float(value) for value in values]
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {
        "mean": float(np.mean(values)),
        "sd": sd,
        "seeds": values,
        "interval": None if interval is None else list(interval),
    }


def most_frequent(rows: Sequence[Row], truth: Array) -> Array:
    """Guess each row of a seed from nothing but the truths of its other folds.

    Parameters
    ----------
    truth : (N,), or (N, C) of 0 and 1: each column is guessed alone

    Returns
    -------
    The like of truth
        The first value of several that are equally frequent.

    Raises
    ------
    MerError
        If there is one fold only.
    """
    folds = np.array([row.fold for row in rows], object)
    guess = np.empty_like(truth)
    for fold in sorted(set(folds)):
        here = folds == fold
        others = truth[~here]
        if not len(others):
            raise MerError(
                f"seed {rows[0].seed} has the single fold {fold}: no majority to compare with",
                "score a run of two or more folds",
            )
        nothing = np.zeros((len(others), 1))
        constant = DummyClassifier(strategy="most_frequent").fit(nothing, others.tolist())
        guess[here] = constant.predict(np.zeros((here.sum(), 1)))
    return guess
