"""Scores of a table of predictions, and of nothing else.

The predictions of all folds of a seed are pooled before anything is computed: a mean of
per-fold F1 would depend on how the clips fall to the subjects. The classes are fixed by
the table, so one that is never seen or never predicted counts as 0 instead of dropping out.

    UF1 = mean over classes of 2 TP / (2 TP + FP + FN)      UAR = mean over classes of TP / n

See et al., "MEGC 2019 - the second facial micro-expressions grand challenge", FG 2019.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from features.console import MerError
from train.predictions import Predictions, Row


def scores(predictions: Predictions) -> dict[str, Any]:
    """Everything that is reported, as plain lists, dicts and numbers.

    Returns
    -------
    counts, classes, chance, network, majority, per_class, per_subject, confusion
        ``network`` and ``majority``: {accuracy, UF1, UAR} -> {mean, sd, seeds}; sd is
        None for a single seed. ``confusion``: rows truth, columns prediction, summed over seeds.

    Raises
    ------
    MerError
        If a seed has one fold only: nothing is left to take a majority from.
    """
    classes = list(predictions.classes)
    seeds = [predictions.of(seed) for seed in predictions.seeds()]
    truths = [[row.truth for row in rows] for rows in seeds]
    network = [[row.prediction for row in rows] for rows in seeds]
    constant = [majority(rows) for rows in seeds]
    return {
        "counts": counts(predictions),
        "classes": classes,
        "chance": {"UAR": 1 / len(classes)},
        "network": pooled(truths, network, classes),
        "majority": pooled(truths, constant, classes),
        "per_class": per_class(truths, network, classes),
        "per_subject": per_subject(seeds),
        "confusion": sum(
            confusion_matrix(truth, guess, labels=classes)
            for truth, guess in zip(truths, network, strict=True)
        ).tolist(),
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


def majority(rows: Sequence[Row]) -> list[str]:
    """Guess each row from nothing but the truths of the other folds of its seed.

    That is the majority of what its fold trained on; the first class by name of several
    equal ones. Anything worth its name beats it.
    """
    folds = np.array([row.fold for row in rows], object)
    truth = np.array([row.truth for row in rows], object)
    guess = np.empty_like(truth)
    for fold in sorted(set(folds)):
        others = truth[folds != fold]
        if not len(others):
            raise MerError(
                f"seed {rows[0].seed} has the single fold {fold}: no majority to compare with",
                "score a run of two or more folds",
            )
        constant = DummyClassifier(strategy="most_frequent").fit(others[:, None], list(others))
        guess[folds == fold] = constant.predict(truth[folds == fold][:, None])
    return list(guess)


def pooled(
    truths: Sequence[Sequence[str]], guesses: Sequence[Sequence[str]], classes: Sequence[str]
) -> dict[str, Any]:
    """Accuracy, UF1 and UAR of each seed's pooled predictions, then over seeds."""
    macro = fixed(classes, "macro")
    measures = {
        "accuracy": accuracy_score,
        "UF1": partial(f1_score, **macro),
        "UAR": partial(recall_score, **macro),
    }
    return {
        name: over_seeds([measure(*pair) for pair in zip(truths, guesses, strict=True)])
        for name, measure in measures.items()
    }


def per_class(
    truths: Sequence[Sequence[str]], guesses: Sequence[Sequence[str]], classes: Sequence[str]
) -> dict[str, Any]:
    """F1 and recall of each class over seeds, and how many samples it has."""
    pairs = list(zip(truths, guesses, strict=True))
    f1 = np.array([f1_score(*pair, **fixed(classes, None)) for pair in pairs])
    recall = np.array([recall_score(*pair, **fixed(classes, None)) for pair in pairs])
    n = Counter(truths[0])
    return {
        name: {"n": n[name], "F1": over_seeds(f1[:, c]), "recall": over_seeds(recall[:, c])}
        for c, name in enumerate(classes)
    }


def per_subject(seeds: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """Accuracy on each subject over seeds, and how many samples there are of it."""
    hits: dict[str, list[list[bool]]] = {}
    for i, rows in enumerate(seeds):
        for row in rows:
            per_seed = hits.setdefault(f"{row.dataset}/{row.subject}", [[] for _ in seeds])
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


def over_seeds(values: Iterable[float]) -> dict[str, Any]:
    """Mean and sample standard deviation (n - 1); none of a single seed."""
    values = [float(value) for value in values]
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "sd": sd, "seeds": values}
