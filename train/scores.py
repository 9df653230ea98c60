"""Scores of a table of predictions, and of nothing else.

The predictions of all folds of a seed are pooled before anything is computed: a mean of
per-fold F1 would depend on how the clips fall to the subjects. The classes are fixed by
the table, so one that is never seen or never predicted counts as 0 instead of dropping out.
Only within one dataset of several are classes left out that this dataset does not have.

    UF1 = mean over classes of 2 TP / (2 TP + FP + FN)      UAR = mean over classes of TP / n

See et al., "MEGC 2019 - the second facial micro-expressions grand challenge", FG 2019.
Intervals: bootstrap.py. Action units, of which a sample shows several: unit_scores.py.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from features.base import Array
from features.console import MerError
from train import bootstrap, unit_scores
from train import measures as of_counts
from train.labels import several
from train.measures import MEASURES
from train.predictions import Predictions, Row
from train.seeds import Seeds, by_seed, most_frequent, over_seeds


def scores(predictions: Predictions, oracle: Predictions | None = None) -> dict[str, Any]:
    """Everything that is reported, as plain lists, dicts and numbers.

    Parameters
    ----------
    oracle : each fold at the epoch that is best on its own test subject

    Returns
    -------
    counts, classes, chance, network, majority, per_dataset, per_class, per_subject, confusion,
    bootstrap, and oracle if it is given
        ``network``, ``majority``, ``oracle``: measure -> {mean, sd, seeds, interval}; sd is
        None for a single seed, interval (low, high) is None for a single subject.
        ``confusion``: rows truth, columns prediction, summed over seeds.
        Of action units, as `unit_scores.scores` says.

    Raises
    ------
    MerError
        If a seed has one fold only: nothing is left to take a majority from; or the oracle is
        of other samples.
    """
    classes = list(predictions.classes)
    seeds = by_seed(predictions)
    of_labels = unit_scores.scores if several(classes) else of_classes
    found = {
        "counts": counts(predictions),
        "classes": classes,
        **of_labels(seeds, classes),
        "bootstrap": {
            "over": "subjects", "draws": bootstrap.DRAWS, "level": bootstrap.LEVEL,
            "seed": bootstrap.SEED,
        },
    }  # fmt: skip
    if oracle is not None:
        check_oracle(predictions, oracle)
        again = unit_scores.pooled if several(classes) else pooled
        found["oracle"] = again(by_seed(oracle), classes)
    return found


def of_classes(seeds: Seeds, classes: Sequence[str]) -> dict[str, Any]:
    """What is reported of one class a sample."""
    return {
        "chance": {"UAR": 1 / len(classes)},
        "network": pooled(seeds, classes),
        "majority": pooled([constant(rows) for rows in seeds], classes),
        "per_dataset": per_dataset(seeds, classes),
        "per_class": per_class(seeds, classes),
        "per_subject": per_subject(seeds),
        "confusion": confusion(seeds, classes),
    }


def counts(predictions: Predictions) -> dict[str, Any]:
    """How much the scores rest on."""
    first = predictions.of(predictions.seeds()[0])
    return {
        "samples": len(first),
        "subjects": len({(row.dataset, row.subject) for row in first}),
        "classes": len(predictions.classes),
        "folds": len({row.fold for row in first}),
        "seeds": len(predictions.seeds()),
        "epochs": sorted({row.epoch for row in predictions.rows}),
    }


def check_oracle(predictions: Predictions, oracle: Predictions) -> None:
    """Refuse an oracle that is not of these samples, folds and classes."""
    ours, theirs = (
        {(row.seed, row.fold, row.sample_id, row.truth) for row in table.rows}
        for table in (predictions, oracle)
    )
    if ours != theirs or predictions.classes != oracle.classes:
        raise MerError(
            f"oracle.csv is of other samples or classes: {len(ours ^ theirs)} rows differ",
            "remove oracle.csv, or train the run again with --force",
        )


def majority(rows: Sequence[Row]) -> list[str]:
    """Guess each row from nothing but the truths of the other folds of its seed.

    That is the majority of what its fold trained on; the first class by name of several
    equal ones. Anything worth its name beats it.
    """
    return list(most_frequent(rows, np.array([row.truth for row in rows], object)))


def constant(rows: Sequence[Row]) -> list[Row]:
    """The rows as the majority would have predicted them."""
    pairs = zip(rows, majority(rows), strict=True)
    return [replace(row, prediction=guess) for row, guess in pairs]


def pooled(
    seeds: Seeds, classes: Sequence[str], shown: Sequence[str] | None = None
) -> dict[str, Any]:
    """Each measure of each seed's pooled predictions, over seeds, with its interval.

    Parameters
    ----------
    shown : the classes that UF1 and UAR are means over; None = all
    """
    shown = classes if shown is None else shown
    chosen = [classes.index(name) for name in shown]
    within = bootstrap.intervals(bootstrap.count(seeds, classes).confusion, chosen)
    return {
        name: over_seeds([measure(*pair) for pair in map(pair_of, seeds)], within[name])
        for name, measure in zip(MEASURES, measures(classes, shown), strict=True)
    }


def measures(classes: Sequence[str], shown: Sequence[str]) -> Sequence[Callable[..., float]]:
    """scikit-learn's functions of (truth, prediction), in the order of MEASURES."""
    return (
        accuracy_score,
        partial(f1_score, **fixed(shown, "macro")),
        partial(recall_score, **fixed(shown, "macro")),
        partial(f1_score, **fixed(classes, "weighted")),
    )


def pair_of(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Truths and predictions."""
    return [row.truth for row in rows], [row.prediction for row in rows]


def confusion(seeds: Seeds, classes: Sequence[str]) -> list[list[int]]:
    """Truth in rows, prediction in columns, summed over seeds."""
    return sum(confusion_matrix(*pair_of(rows), labels=classes) for rows in seeds).tolist()


def per_dataset(seeds: Seeds, classes: Sequence[str]) -> dict[str, Any]:
    """The figures of each dataset's samples alone, as predicted in the same folds."""
    found = {}
    for dataset in sorted({row.dataset for row in seeds[0]}):
        part = [[row for row in rows if row.dataset == dataset] for rows in seeds]
        there = {row.truth for rows in part for row in rows}
        shown = [name for name in classes if name in there]
        found[dataset] = {
            "samples": len(part[0]),
            "subjects": len({row.subject for row in part[0]}),
            "classes": shown,
            "network": pooled(part, classes, shown),
            "confusion": confusion(part, classes),
        }
    return found


def per_class(seeds: Seeds, classes: Sequence[str]) -> dict[str, Any]:
    """F1 and recall of each class over seeds, and how many samples it has."""
    pairs = [pair_of(rows) for rows in seeds]
    again = bootstrap.resampled(bootstrap.count(seeds, classes).confusion)
    each = {"F1": (f1_score, of_counts.f1), "recall": (recall_score, of_counts.recall)}
    n = Counter(pairs[0][0])
    found: dict[str, Any] = {name: {"n": n[name]} for name in classes}
    for measure, (point, counted) in each.items():
        values = np.array([point(*pair, **fixed(classes, None)) for pair in pairs])
        spread = None if again is None else counted(again).mean(1)
        for c, name in enumerate(classes):
            found[name][measure] = over_seeds(values[:, c], interval(spread, c))
    return found


def interval(spread: Array | None, c: int) -> tuple[float, float] | None:
    """Interval of a class from (draws, C)."""
    return None if spread is None else bootstrap.interval(spread[:, c])


def per_subject(seeds: Seeds) -> dict[str, Any]:
    """Accuracy on each subject over seeds, and how many samples there are of it.

    A subject has no interval: subjects are what is drawn, and of one there is no spread.
    """
    hits: dict[str, list[list[bool]]] = {}
    for i, rows in enumerate(seeds):
        for row in rows:
            per_seed = hits.setdefault(bootstrap.person(row), [[] for _ in seeds])
            per_seed[i].append(row.truth == row.prediction)
    return {
        subject: {
            "n": len(per_seed[0]),
            "accuracy": over_seeds([float(np.mean(hit)) for hit in per_seed]),
        }
        for subject, per_seed in sorted(hits.items())
    }


def fixed(classes: Sequence[str], average: str | None) -> dict[str, Any]:
    """Arguments by which no class drops out of a metric."""
    return {"labels": list(classes), "average": average, "zero_division": 0}
