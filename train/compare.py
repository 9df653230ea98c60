"""How far apart runs are on the same samples, and whether chance would do as much.

Subjects are drawn, and subjects are swapped: clips of one person are not independent. The
interval draws the same people for both runs. The test asks how often the difference would be as
large if, person by person, it were a coin's throw which run made which predictions: all throws
where there are few enough, else a fixed number of them.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from math import comb, lcm
from typing import Any

import numpy as np

from features.base import Array
from features.console import MerError, printable
from train.bootstrap import count, draw, drawn, interval
from train.finished import Finished
from train.labels import several
from train.measures import hits
from train.predictions import Predictions, Row
from train.scoring import scoring
from train.seeds import by_seed

EXACT_TO = 14  # people: 16384 throws
THROWS, SEED = 20_000, 0


def compare(runs: Sequence[Finished]) -> dict[str, Any]:
    """Every run against the first.

    Returns
    -------
    first, samples, subjects, swaps, runs
        ``swaps``: "exact", or how many throws. Each of ``runs``: run, measures: name ->
        {score, first, difference, interval, p}, signs: {better, equal, worse, p}.

    Raises
    ------
    MerError
        If the runs did not predict the same samples with the same truths.
    """
    first, *others = runs
    for other in others:
        check_same(first, other)
    people = len({(row.dataset, row.subject) for row in first.predictions.rows})
    return {
        "first": first.name,
        "samples": len({row.sample_id for row in first.predictions.rows}),
        "subjects": people,
        "swaps": "exact" if people <= EXACT_TO else THROWS,
        "runs": [
            {"run": other.name, **paired(first.predictions, other.predictions)} for other in others
        ],
    }


def check_same(first: Finished, other: Finished) -> None:
    """Refuse to pair runs that differ in a sample, whom it is of, its truth, or their kind."""
    if several(first.predictions.classes) != several(other.predictions.classes):
        raise MerError(
            f"one of {first.name} and {other.name} is of action units, the other of classes",
            "compare runs of one protocol",
        )
    one, two = (truths(run.predictions) for run in (first, other))
    for run, told in ((first, one), (other, two)):
        if clash := sorted(sample for sample, known in told.items() if len(known) > 1):
            raise MerError(
                f"{run.path}: the truth of {printable(clash[0])} differs between seeds",
                "labels were shuffled: a control is compared with nothing",
            )
    if one == two:
        return
    odd = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
    only = [len(mine.keys() - theirs.keys()) for mine, theirs in ((one, two), (two, one))]
    both = len(odd) - sum(only)
    raise MerError(
        f"{first.name} and {other.name} differ in {len(odd)} samples: {only[0]} only in the "
        f"first, {only[1]} only in the second, {both} of another subject or truth; "
        f"such as {', '.join(map(printable, odd[:5]))}",
        "compare runs of one protocol on stores of the same samples",
    )


def truths(predictions: Predictions) -> dict[str, set[tuple[str, str, str]]]:
    """What is said of each sample beside its prediction; more than one if seeds disagree."""
    told: dict[str, set[tuple[str, str, str]]] = {}
    for row in predictions.rows:
        told.setdefault(row.sample_id, set()).add((row.dataset, row.subject, row.truth))
    return told


def paired(first: Predictions, other: Predictions) -> dict[str, Any]:
    """Differences of the two, other minus first, of the mean over seeds."""
    classes = sorted({*first.classes, *other.classes})
    one, two = together(by_seed(first), by_seed(other), classes)
    kind, shown = scoring(classes), list(range(len(classes)))

    def over_seeds(confusion: Array) -> dict[str, Array]:
        return {name: value.mean(-1) for name, value in kind.of_counts(confusion, shown).items()}

    before, after = over_seeds(one.sum(1)), over_seeds(two.sum(1))
    people = one.shape[1]
    often, swap = draw(people), throws(people)
    drawn_one, drawn_two = over_seeds(drawn(one, often)), over_seeds(drawn(two, often))
    moved = drawn(two - one, swap)
    swapped_one, swapped_two = over_seeds(one.sum(1) + moved), over_seeds(two.sum(1) - moved)
    found = {}
    for name in kind.compared:
        difference = float(after[name] - before[name])
        found[name] = {
            "score": float(after[name]),
            "first": float(before[name]),
            "difference": difference,
            "interval": list(interval(drawn_two[name] - drawn_one[name])) if people > 1 else None,
            "p": p_of(difference, swapped_two[name] - swapped_one[name], people),
        }
    return {"measures": found, "signs": signs(one, two)}


def together(
    first: Sequence[Sequence[Row]], other: Sequence[Sequence[Row]], classes: Sequence[str]
) -> tuple[Array, Array]:
    """Confusions (S, P, …) of both, each repeated to as many seeds as both divide.

    A mean over seeds is the same over the repeated ones, and seeds then pair.
    """
    counted = [count(seeds, classes).confusion for seeds in (first, other)]
    seeds = lcm(*map(len, counted))
    one, two = (np.repeat(confusion, seeds // len(confusion), axis=0) for confusion in counted)
    return one, two


def throws(people: int) -> Array:
    """Whose predictions are swapped, (M, people) of 0 and 1: all there are, or THROWS of them."""
    if people <= EXACT_TO:
        return np.array(list(product((0.0, 1.0), repeat=people)))
    return np.random.default_rng(SEED).integers(0, 2, (THROWS, people)).astype(np.float64)


def p_of(difference: float, swapped: Array, people: int) -> float:
    """Share of throws whose difference is at least as large, either way.

    What was seen is itself a throw: where not all are made it is counted as one more.
    """
    as_large = int((np.abs(swapped) >= abs(difference) - 1e-12).sum())
    if people <= EXACT_TO:
        return as_large / len(swapped)
    return (as_large + 1) / (len(swapped) + 1)


def signs(one: Array, two: Array) -> Mapping[str, Any]:
    """On how many people the other run is right more often, and the exact two-sided sign test."""
    right = hits(two - one)  # (S, P, …)
    gained = right.sum((0, *range(2, right.ndim)))  # of each person, over seeds and classes
    better, worse = int((gained > 0).sum()), int((gained < 0).sum())
    decided, fewer = better + worse, min(better, worse)
    tail = sum(comb(decided, k) for k in range(fewer + 1)) / 2**decided
    equal = len(gained) - decided
    return {"better": better, "equal": equal, "worse": worse, "p": min(1.0, 2 * tail)}
