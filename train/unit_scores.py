"""Scores of action units, of which a sample may show several.

The predictions of all folds of a seed are pooled; every unit is then scored by itself, as shown or
not, and the units count alike, however rare:

    F1                 mean over units of 2 TP / (2 TP + FP + FN)
    two-class F1       mean over units of the F1 of "shown" and that of "not shown"
    balanced accuracy  mean over units of the recalls of both; 1/2 by chance, whatever is guessed

A unit that nobody shows counts as 0 in F1, as a class does that nobody shows. Only within one
dataset of several are units left out that nobody shows there. Two constants stand beside every
network: per unit the majority of the other folds, which mostly never says a unit, so that its F1
is 0; and all units always, whose F1 is what a network must beat.

Varanka et al., IEEE TAFFC 2024 (CD6ME); its toolbox calls F1 "binary" and two-class F1 "macro".
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import f1_score, multilabel_confusion_matrix, recall_score

from features.base import Array
from train import bootstrap
from train.labels import encode, in_order, word
from train.measures import UNIT_MEASURES, f1, recall, unit_measures
from train.predictions import Row
from train.seeds import Seeds, most_frequent, over_seeds

EACH = {"average": None, "zero_division": 0}  # of every unit, none left out


def scores(seeds: Seeds, classes: Sequence[str]) -> dict[str, Any]:
    """What is reported of several labels a sample.

    Returns
    -------
    chance, network, majority, always, per_dataset, per_class, per_subject, confusion
        ``per_class``: unit -> n that show it, F1, recall. ``per_subject``: share of unit
        decisions that are right. ``confusion``: unit -> [[TN, FP], [FN, TP]] over seeds.
    """
    return {
        "chance": {"balanced accuracy": 1 / 2},
        "network": pooled(seeds, classes),
        "majority": pooled([constant(rows, classes) for rows in seeds], classes),
        "always": pooled([always(rows, classes) for rows in seeds], classes),
        "per_dataset": per_dataset(seeds, classes),
        "per_class": per_class(seeds, classes),
        "per_subject": per_subject(seeds, classes),
        "confusion": confusion(seeds, classes),
    }


def constant(rows: Sequence[Row], classes: Sequence[str]) -> list[Row]:
    """The rows as the majority of the other folds would have them, unit by unit.

    A unit that half of them show is not predicted.
    """
    truth, _ = pair_of(rows, classes)
    guesses = most_frequent(rows, truth)
    return [
        replace(row, prediction=word(guess, classes))
        for row, guess in zip(rows, guesses, strict=True)
    ]


def always(rows: Sequence[Row], classes: Sequence[str]) -> list[Row]:
    """The rows as if every unit were said of every sample."""
    return [replace(row, prediction=in_order(classes)) for row in rows]


def pair_of(rows: Sequence[Row], classes: Sequence[str]) -> tuple[Array, Array]:
    """Truths and predictions, (N, C) of 0 and 1 each."""
    return (
        encode((row.truth for row in rows), classes),
        encode((row.prediction for row in rows), classes),
    )


def pooled(
    seeds: Seeds, classes: Sequence[str], shown: Sequence[int] | None = None
) -> dict[str, Any]:
    """Each measure of each seed's pooled predictions, over seeds, with its interval.

    Parameters
    ----------
    shown : the units that the measures are means over; None = all
    """
    shown = range(len(classes)) if shown is None else shown
    within = bootstrap.intervals(bootstrap.count(seeds, classes).confusion, shown, unit_measures)
    values = [measured(*pair_of(rows, classes), shown) for rows in seeds]
    return {
        name: over_seeds([of_seed[name] for of_seed in values], within[name])
        for name in UNIT_MEASURES
    }


def measured(truth: Array, guess: Array, shown: Sequence[int]) -> dict[str, float]:
    """The measures by scikit-learn, of (N, C) each; 0 of no unit at all."""
    sides = ((truth, guess), (1 - truth, 1 - guess))
    f1s, recalls = (
        [measure(*side, **EACH) for side in sides] for measure in (f1_score, recall_score)
    )
    values = f1s[0], np.mean(f1s, 0), np.mean(recalls, 0)
    means = (float(each[[*shown]].mean()) if len(shown) else 0.0 for each in values)
    return dict(zip(UNIT_MEASURES, means, strict=True))


def per_dataset(seeds: Seeds, classes: Sequence[str]) -> dict[str, Any]:
    """The figures of each dataset's samples alone, over the units that someone shows there."""
    found = {}
    for dataset in sorted({row.dataset for row in seeds[0]}):
        part = [[row for row in rows if row.dataset == dataset] for rows in seeds]
        there = sum(pair_of(rows, classes)[0].sum(0) for rows in part)
        shown = np.flatnonzero(there).tolist()
        found[dataset] = {
            "samples": len(part[0]),
            "subjects": len({row.subject for row in part[0]}),
            "classes": [classes[unit] for unit in shown],
            "network": pooled(part, classes, shown),
            "per_class": per_class(part, classes),
            "confusion": confusion(part, classes),
        }
    return found


def per_class(seeds: Seeds, classes: Sequence[str]) -> dict[str, Any]:
    """F1 and recall of each unit over seeds, and how many samples show it."""
    pairs = [pair_of(rows, classes) for rows in seeds]
    again = bootstrap.resampled(bootstrap.count(seeds, classes).confusion)
    n = pairs[0][0].sum(0)
    found: dict[str, Any] = {name: {"n": int(n[c])} for c, name in enumerate(classes)}
    for measure, point, counted in (("F1", f1_score, f1), ("recall", recall_score, recall)):
        values = np.array([point(*pair, **EACH) for pair in pairs])
        spread = None if again is None else counted(again)[..., 1].mean(1)
        for c, name in enumerate(classes):
            within = None if spread is None else bootstrap.interval(spread[:, c])
            found[name][measure] = over_seeds(values[:, c], within)
    return found


def per_subject(seeds: Seeds, classes: Sequence[str]) -> dict[str, Any]:
    """Share of the unit decisions that are right on each subject, over seeds."""
    counts = bootstrap.count(seeds, classes)
    every = counts.confusion.sum((2, 3, 4))  # (S, P)
    right = counts.confusion.trace(axis1=3, axis2=4).sum(2)
    return {
        person: {
            "n": int(every[0, p]) // len(classes),
            "accuracy": over_seeds(right[:, p] / every[:, p]),
        }
        for p, person in enumerate(counts.people)
    }


def confusion(seeds: Seeds, classes: Sequence[str]) -> dict[str, list[list[int]]]:
    """Of each unit, truth in rows and prediction in columns, not shown first; over seeds."""
    squares = sum(multilabel_confusion_matrix(*pair_of(rows, classes)) for rows in seeds)
    return dict(zip(classes, squares.tolist(), strict=True))
