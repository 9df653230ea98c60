"""Stated figures against those that the predictions give, and how a wrong one may have come about.

Stated is what results.json says: ``scores.network.UF1.mean`` as mer-train writes it, or a plain
``UF1`` as others may; in [0, 1], or in percent.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from train.bootstrap import count
from train.finished import Finished
from train.found import Found
from train.predictions import Predictions, Row
from train.scoring import scoring
from train.seeds import by_seed

COARSEST = 0.005  # a figure of two decimals; 0.7 may have been 0.70


def figures(run: Finished) -> Iterator[Found]:
    """Figures that the pooled predictions do not give."""
    seeds, classes = by_seed(run.predictions), run.predictions.classes
    given = stated(run.told, scoring(classes).names)
    if not given:
        sentence = "no figures are stated, so none were compared"
        yield Found("figure", sentence, {}, remark=True)
        return
    for name, value in given.items():
        pooled = over_seeds(name, seeds, classes)
        if close(value, pooled.mean()):
            continue
        explained = how(name, value, run)
        because = f"; the stated one is {explained}" if explained else ""
        yield Found(
            "figure",
            f"stated {name} {float(value):.4g}, pooled it is {pooled.mean():.4g}{because}",
            {
                "measure": name,
                "stated": float(value),
                "pooled": float(pooled.mean()),
                "explained": explained,
            },
        )


def stated(told: Mapping[str, Any], names: Sequence[str]) -> dict[str, Decimal]:
    """The figures of these names that a run states, in [0, 1], with the digits as written."""
    scores = told.get("scores")
    network = scores.get("network") if isinstance(scores, Mapping) else None
    found: dict[str, Decimal] = {}
    for name in names:
        value = network.get(name) if isinstance(network, Mapping) else told.get(name)
        value = value.get("mean") if isinstance(value, Mapping) else value
        if isinstance(value, int | float) and not isinstance(value, bool):
            written = Decimal(repr(value))
            found[name] = written.scaleb(-2) if value > 1 else written
    return found


def close(value: Decimal, true: float) -> bool:
    """Whether a figure is the true one, rounded as it was written."""
    exponent = value.as_tuple().exponent
    half = 0.5 * 10.0**exponent if isinstance(exponent, int) else 0.0  # NaN, infinity
    return abs(float(value) - true) <= min(half, COARSEST) + 1e-9


def over_seeds(name: str, seeds: Sequence[Sequence[Row]], classes: Sequence[str]) -> Any:
    """A measure of the pooled predictions of each seed, (S,)."""
    confusion = count(seeds, classes).confusion.sum(1)
    return scoring(classes).of_counts(confusion, range(len(classes)))[name]


def how(name: str, value: Decimal, run: Finished) -> str:
    """How a figure may have been computed instead; blank if nothing known gives it."""
    seeds, classes = by_seed(run.predictions), run.predictions.classes
    ways: dict[str, Callable[[], float]] = {
        f"the mean of the folds' {name}": lambda: of_folds(name, seeds, classes, False),
        f"the mean of the folds' {name}, each over the classes that the fold has": (
            lambda: of_folds(name, seeds, classes, True)
        ),
        f"the {name} of the best of {len(seeds)} seeds": (
            lambda: float(over_seeds(name, seeds, classes).max())
        ),
    }
    if run.oracle is not None:
        oracle: Predictions = run.oracle
        ways["that of the epochs chosen on the test subjects (oracle.csv)"] = lambda: float(
            over_seeds(name, by_seed(oracle), oracle.classes).mean()
        )
    return next((words for words, way in ways.items() if close(value, way())), "")


def of_folds(name: str, seeds: Sequence[Sequence[Row]], classes: Sequence[str], own: bool) -> float:
    """The mean over folds and seeds of each fold's own measure.

    Parameters
    ----------
    own : leave out classes that a fold neither shows nor predicts, as scikit-learn does
    """
    found = []
    kind = scoring(classes)
    for rows in seeds:
        folds: dict[str, list[Row]] = {}
        for row in rows:
            folds.setdefault(row.fold, []).append(row)
        for part in folds.values():
            confusion = count([part], classes).confusion.sum(1)[0]
            shown = kind.seen(confusion).tolist() if own else range(len(classes))
            found.append(float(kind.of_counts(confusion, shown)[name]))
    return float(np.mean(found))
