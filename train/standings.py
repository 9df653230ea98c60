"""Runs beside each other, beside what others published, and beside what needs no network."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from features.console import USAGE, MerError
from train.finished import Finished
from train.predictions import Predictions
from train.published import Published, published
from train.scores import scores
from train.scoring import scoring
from train.tables import ORACLE, between, percent, spread
from train.written import Written

COLUMNS = ("run", "model", "protocol", "N", "published", "ours, last epoch", "95 %", ORACLE)


def measure_of(runs: Sequence[Finished], asked: str | None) -> str:
    """The measure to tabulate: the one asked for, else that of the runs' kind of labels.

    Raises
    ------
    MerError
        Exit code 2: a run is not measured so.
    """
    kinds = [scoring(run.predictions.classes) for run in runs]
    measure = asked or kinds[0].tabled
    for run, kind in zip(runs, kinds, strict=True):
        if measure not in kind.names:
            raise MerError(
                f"{run.name} has no {measure}; it has {', '.join(kind.names)}",
                "take another --measure, and runs of classes and of action units apart",
                USAGE,
            )
    return measure


def standings(runs: Sequence[Finished], measure: str) -> list[dict[str, Any]]:
    """A row a run, and first the majority for every set of samples among them.

    Of action units, all of them always stands beside the majority.

    Returns
    -------
    rows of run, model, protocol, samples, published, ours, oracle
        ``ours``, ``oracle``: {mean, sd, seeds, interval}; ``oracle`` may be None.
        ``published``: list of {value, samples, source}.
    """
    constants: dict[Any, dict[str, Any]] = {}
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
        for name in ("majority", "always"):
            if name in found:
                constants.setdefault(
                    (tested(run.predictions), name),
                    {
                        "run": constant(name, run), "model": None, **both, "published": [],
                        "ours": found[name][measure], "oracle": None,
                    },
                )  # fmt: skip
    return [*constants.values(), *rows]


def constant(name: str, run: Finished) -> str:
    """What to call the majority of a run: that of a control has other labels."""
    return f"{name}, labels shuffled" if run.told.get("shuffle_labels") else name


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
