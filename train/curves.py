"""How the fits of a run went, epoch by epoch; no figure of the run comes from it.

curves.csv   seed, fold, epoch, loss, oracle_accuracy

The loss is that of the training samples. The accuracy is on the people the fold tests, as the
oracle sees it: to stop where it is best would be to choose on the test subject.
"""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from features.base import Array
from features.console import MerError
from features.disk import write_durably
from train.predictions import Predictions

CURVES = "curves.csv"
QUANTILES = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True, slots=True)
class Point:
    """One epoch of one fit.

    Parameters
    ----------
    epoch : counted from 1
    loss : mean over the training samples of that epoch
    oracle_accuracy : on the fold's test samples after it, in [0, 1]
    """

    seed: int
    fold: str
    epoch: int
    loss: float
    oracle_accuracy: float


COLUMNS = tuple(one.name for one in fields(Point))


def points(
    seed: int, fold: str, losses: Sequence[float], hits: Sequence[int], tested: int
) -> list[Point]:
    """Tell the epochs of one fit, each of `losses` and right on `hits` of `tested` samples.

    A fit that was solved at once has no losses, and so no points.
    """
    if not losses:
        return []
    return [
        Point(seed, fold, epoch, loss, right / tested)
        for epoch, (loss, right) in enumerate(zip(losses, hits, strict=True), start=1)
    ]


def write(path: Path, curves: Iterable[Point]) -> None:
    """Write a row a fit and epoch; numbers as the shortest text that reads back the same."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    ordered = sorted(curves, key=lambda one: (one.seed, one.fold, one.epoch))
    writer.writerows([getattr(one, name) for name in COLUMNS] for one in ordered)
    write_durably(path, text.getvalue().encode())


def beside(folder: Path | None) -> list[Point]:
    """The curves that lie in a run's folder; none of a table that stands alone.

    Raises
    ------
    MerError
        If the file does not read.
    """
    path = None if folder is None else folder / CURVES
    if path is None or not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file)
            return [
                Point(
                    seed=int(line["seed"]),
                    fold=line["fold"],
                    epoch=int(line["epoch"]),
                    loss=float(line["loss"]),
                    oracle_accuracy=float(line["oracle_accuracy"]),
                )
                for line in lines
            ]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        cause = f"{path}: does not read ({type(error).__name__}: {error})"
        raise MerError(cause, "restore it, or move it out of the folder") from error


def losses(curves: Sequence[Point]) -> dict[int, Array]:
    """Epoch -> least, quartiles and greatest finite loss of the fits, (5,); epochs ascending."""
    each: dict[int, list[float]] = {}
    for one in curves:
        if math.isfinite(one.loss):
            each.setdefault(one.epoch, []).append(one.loss)
    return {epoch: np.quantile(found, QUANTILES) for epoch, found in sorted(each.items())}


def accuracies(curves: Sequence[Point], predictions: Predictions) -> dict[int, float]:
    """Epoch -> accuracy of all fits' test samples together after it; epochs ascending."""
    tested = Counter((row.seed, row.fold) for row in predictions.rows)
    right: dict[int, float] = {}
    asked: Counter[int] = Counter()
    for one in curves:
        n = tested[one.seed, one.fold]
        right[one.epoch] = right.get(one.epoch, 0.0) + one.oracle_accuracy * n
        asked[one.epoch] += n
    return {epoch: found / asked[epoch] for epoch, found in sorted(right.items()) if asked[epoch]}
