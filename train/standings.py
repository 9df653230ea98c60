"""Runs beside each other, beside what others published, and beside what needs no network."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from train.finished import Finished
from train.predictions import Predictions
from train.published import Published, published
from train.scores import scores
from train.tables import ORACLE, between, percent, spread
from train.written import Written

COLUMNS = ("run", "model", "protocol", "N", "published", "ours, last epoch", "95 %", ORACLE)


def standings(runs: Sequence[Finished], measure: str) -> list[dict[str, Any]]:
    """A row a run, and first a row of the majority for every set of samples among them.

    Returns
    -------
    rows of run, model, protocol, samples, published, ours, oracle
        ``ours``, ``oracle``: {mean, sd, seeds, interval}; ``oracle`` may be None.
        ``published``: list of {value, samples, source}.
    """
    majorities: dict[Any, dict[str, Any]] = {}
    rows = []
    for run in runs:
        found = scores(run.predictions, run.oracle)
        model, protocol = run.told.get("model"), run.told.get("protocol")
        samples = found["counts"]["samples"]
        both = {"protocol": protocol, "samples": samples}
        rows.append(
            {
                "run": run.name,
                "model": model,
                **both,
                "published": [told(one, measure) for one in published(model, protocol, measure)],
                "ours": found["network"][measure],
                "oracle": found["oracle"][measure] if "oracle" in found else None,
            }
        )
        majorities.setdefault(
            tested(run.predictions),
            {
                "run": "majority", "model": None, **both, "published": [],
                "ours": found["majority"][measure], "oracle": None,
            },
        )  # fmt: skip
    return [*majorities.values(), *rows]


def tested(predictions: Predictions) -> Hashable:
    """Equal for runs of one set of samples and folds, whose majority is the same."""
    return frozenset((row.sample_id, row.truth, row.fold) for row in predictions.rows)


def told(one: Published, measure: str) -> dict[str, Any]:
    """A published figure as plain values."""
    return {"value": one.figures[measure], "samples": one.samples, "source": one.source}


def written(rows: Sequence[Mapping[str, Any]], measure: str) -> Written:
    """The rows in words, percent with one decimal; sources become notes."""
    notes: list[str] = []
    cells = []
    for row in rows:
        cited = []
        for one in row["published"]:
            if one["source"] not in notes:
                notes.append(one["source"])
            n = "" if one["samples"] is None else f", N {one['samples']}"
            cited.append(f"{percent(one['value'])}{n} [{notes.index(one['source']) + 1}]")
        cells.append(
            (
                row["run"],
                row["model"] or "",
                row["protocol"] or "",
                str(row["samples"]),
                "; ".join(cited),
                spread(row["ours"]),
                between(row["ours"]),
                "" if row["oracle"] is None else spread(row["oracle"]),
            )
        )
    return Written(measure, COLUMNS, tuple(cells), tuple(notes))
