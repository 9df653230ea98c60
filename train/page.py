"""The pages: one run, or many beside each other. Whole in one file: no network, no script.

    predictions ─▶ scores, paper (one table, also as CSV and LaTeX), compare
    the folder  ─▶ audit, curves, what the run says of itself

All that a run's files say is foreign: the templates escape it, and the page's own policy keeps a
browser from fetching or running anything.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from features.console import MerError, printable
from train import paper, tables
from train.audit import Audit, shuffled
from train.chart import axes, band, curve
from train.compare import compare
from train.curves import Point, accuracies, losses
from train.finished import Finished
from train.labels import several
from train.paper import Scored
from train.predictions import Predictions
from train.scoring import Scoring, scoring
from train.written import comma_separated, latex

REPORT = "report.html"
LEFT_OUT = ("run", "seeds", "seconds")  # shown elsewhere, or another each time


@dataclass(frozen=True, slots=True)
class Audited:
    """A run of a comparison.

    Parameters
    ----------
    link : to the run's own page, relative and quoted; blank if there is none
    """

    scored: Scored
    audit: Audit
    link: str = ""


def run_page(
    one: Scored, audit: Audit, others: Sequence[Scored] = (), curves: Sequence[Point] = ()
) -> str:
    """HTML of a run.

    Parameters
    ----------
    others : runs to be set beside it in the table of scores
    curves : of its fits; none if nobody kept them
    """
    run, scores = one.run, one.scores
    return render(
        "run.html.jinja",
        title=run.name,
        measures=kind_of(one).names,
        units=several(run.predictions.classes),
        run=run,
        scores=scores,
        audit=audit,
        model=paper.facts(one)[0],
        control=shuffled(run.told),
        table=table([one, *others]),
        basis=tables.basis(scores["counts"], tables.what(scores)),
        subjects=hardest_first(scores["per_subject"]),
        curves=drawn(curves, run.predictions),
        facts=facts(run.told),
        stores=stores(run.told),
        differences=[text for text in listed(run.told, "differences") if isinstance(text, str)],
    )


def comparison_page(runs: Sequence[Audited]) -> str:
    """HTML of several runs, the first of which the others are compared with."""
    first, *others = (one.scored.run for one in runs)
    pairs, refusals = paired(first, others)
    return render(
        "comparison.html.jinja",
        title=f"{len(runs)} runs",
        measures=kind_of(runs[0].scored).names,
        runs=runs,
        first=first,
        table=table([one.scored for one in runs]),
        pairs=pairs,
        refusals=refusals,
    )


def link(run: Finished, page: Path) -> str:
    """Where a run's own page lies, as seen from another; blank if there is none."""
    own = None if run.folder is None else run.folder / REPORT
    if own is None or not own.is_file():
        return ""
    return quote(os.path.relpath(own, page.parent))


def table(runs: Sequence[Scored]) -> dict[str, Any]:
    """What the template shows of the table of scores, and the same for papers and programs."""
    lines = paper.lines(runs)
    kind = kind_of(runs[0])
    words = paper.written(lines, kind.names)
    chances = {one.scores["chance"].get(kind.at_chance) for one in runs} - {None}
    return {
        "lines": lines,
        "sources": list(words.notes),
        "chance": ", ".join(map(tables.percent, sorted(chances))),
        "at_chance": kind.at_chance,
        "intervals": tables.intervals(runs[0].scores),
        "oracle": any("oracle" in one.scores for one in runs),
        "texts": [
            ("CSV", "table.csv", comma_separated(words) + "\n"),
            ("LaTeX", "table.tex", latex(words) + "\n"),
        ],
    }


def kind_of(one: Scored) -> Scoring:
    """How a run is measured; a page is of its first run's kind."""
    return scoring(one.run.predictions.classes)


def hardest_first(per_subject: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Subjects by accuracy, those of equal accuracy by name."""
    return sorted(per_subject.items(), key=lambda one: (one[1]["accuracy"]["mean"], one[0]))


def paired(
    first: Finished, others: Sequence[Finished]
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Differences of each run from the first; of those that cannot be paired, why not."""
    pairs, refusals = [], []
    for other in others:
        try:
            pairs.append(compare([first, other]))
        except MerError as error:
            refusals.append((other.name, error.cause))
    return pairs, refusals


def drawn(curves: Sequence[Point], predictions: Predictions) -> dict[str, Any] | None:
    """Paths of the loss and of the oracle's accuracy; None if there are no curves."""
    lost, right = losses(curves), accuracies(curves, predictions)
    if not lost or not right:
        return None
    least, lower, median, upper, greatest = (
        {epoch: float(found[k]) for epoch, found in lost.items()} for k in range(5)
    )
    of_loss = axes(list(lost), [*least.values(), *greatest.values()])
    right = {epoch: 100 * share for epoch, share in right.items()}
    of_accuracy = axes(list(right), [0.0, 100.0])
    return {
        "fits": len({(one.seed, one.fold) for one in curves}),
        "loss": of_loss,
        "all": band(of_loss, least, greatest),
        "half": band(of_loss, lower, upper),
        "median": curve(of_loss, median),
        "ends": (median[of_loss.first], median[of_loss.last]),
        "accuracy": of_accuracy,
        "oracle": curve(of_accuracy, right),
        "last": right[of_accuracy.last],
    }


def facts(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a run's folder says of itself in plain values, in words."""
    return [
        (name.replace("_", " "), in_words(value))
        for name, value in told.items()
        if isinstance(value, str | int | float) and name not in LEFT_OUT
    ]


def in_words(value: str | float) -> str:
    """Text as it is, numbers short, yes or no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def stores(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and blake3 of the stores that a run says it was trained from."""
    for one in listed(told, "stores"):
        if isinstance(one, Mapping):
            yield str(one.get("name", "a store")), str(one.get("blake3", ""))


def listed(told: Mapping[str, Any], name: str) -> list[Any]:
    """A list that a run tells; empty if it tells none."""
    value = told.get(name)
    return value if isinstance(value, list) else []


def render(template: str, **told: Any) -> str:
    """Fill in a template; every text is escaped, and no control character gets through."""
    room = Environment(
        loader=PackageLoader("train", "."), autoescape=True, undefined=StrictUndefined,
        finalize=obeying_nobody, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    room.filters |= {
        "spread": tables.spread, "between": tables.between, "percent": tables.percent,
        "points": tables.points, "part": part, "uri": uri,
        "between_points": partial(tables.between, write=tables.points),
    }  # fmt: skip
    return room.get_template(template).render(**told)


def obeying_nobody(value: object) -> object:
    """Text in which only line ends are obeyed; what the templates made is left as it is."""
    if type(value) is not str:
        return value
    return "\n".join(map(printable, value.split("\n")))


def part(share: float) -> str:
    """A share in [0, 1] as CSS takes it."""
    return f"{100 * share:.0f}%"


def uri(text: str, kind: str) -> str:
    """A text to be downloaded, without a server."""
    return f"data:text/{kind};charset=utf-8,{quote(text)}"
