"""The one table of a paper: what was published, the majority, the runs, and their oracles.

row      published, a figure of somebody else's      its source is a note
         majority    of every set of samples there is among the runs; of action units, always too
         run         after the last epoch, with its interval over subjects
         oracle      each fold at the epoch best on its own test subject: no result
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from train.finished import Finished
from train.published import everything
from train.scores import scores
from train.standings import constant, tested
from train.tables import ORACLE, between, percent, spread
from train.written import Written

COLUMNS = ("run", "model", "protocol", "N")


@dataclass(frozen=True, slots=True)
class Scored:
    """A run and what `scores` says of it."""

    run: Finished
    scores: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table.

    Parameters
    ----------
    kind : "published", "majority", "run" or "oracle"
    samples : None where nobody says
    figures : measure -> {mean, sd, seeds, interval}; published ones have a mean alone
    source, verdict : of a published row, else blank; the verdict is how its epoch was chosen
    """

    kind: str
    name: str
    model: str
    protocol: str
    samples: int | None
    figures: Mapping[str, Mapping[str, Any]]
    source: str = ""
    verdict: str = ""


def scored(run: Finished) -> Scored:
    """Score a run from its predictions."""
    return Scored(run, scores(run.predictions, run.oracle))


def lines(runs: Sequence[Scored]) -> list[Line]:
    """Every row, in the order of the table."""
    found: list[Line] = []
    majorities: dict[Any, Line] = {}
    for one in runs:
        model, protocol, samples = facts(one)
        of = (model, protocol, samples)
        found.append(Line("run", one.run.name, *of, one.scores["network"]))
        if "oracle" in one.scores:
            name = f"{one.run.name}, {ORACLE}"
            found.append(Line("oracle", name, *of, one.scores["oracle"]))
        majority = Line(
            "majority", constant("majority", one.run), "", protocol, samples, one.scores["majority"]
        )
        majorities.setdefault(tested(one.run.predictions), majority)
        if "always" in one.scores:
            always = Line(
                "majority", constant("always", one.run), "", protocol, samples, one.scores["always"]
            )
            majorities.setdefault((tested(one.run.predictions), "always"), always)
    wanted = dict.fromkeys(facts(one)[:2] for one in runs)
    return [*cited(wanted), *majorities.values(), *found]


def facts(one: Scored) -> tuple[str, str, int]:
    """Model and protocol as the run tells them, blank if it does not, and how many samples."""
    model, protocol = (one.run.told.get(name) for name in ("model", "protocol"))
    return (
        model if isinstance(model, str) else "",
        protocol if isinstance(protocol, str) else "",
        one.scores["counts"]["samples"],
    )


def cited(wanted: Mapping[tuple[str, str], None]) -> list[Line]:
    """What was published for these models under these protocols."""
    return [
        Line(
            "published",
            one.paper,
            one.model,
            one.protocol,
            one.samples,
            {name: {"mean": value} for name, value in one.figures.items()},
            one.source,
            one.verdict,
        )
        for one in everything()
        if (one.model, one.protocol) in wanted
    ]


def sources(table: Sequence[Line]) -> list[str]:
    """The notes, in the order in which they are first cited."""
    return list(dict.fromkeys(line.source for line in table if line.source))


def written(table: Sequence[Line], measures: Sequence[str]) -> Written:
    """The rows in words, percent with one decimal."""
    notes = sources(table)
    rows = []
    for line in table:
        note = f" [{notes.index(line.source) + 1}]" if line.source else ""
        samples = "" if line.samples is None else str(line.samples)
        cells = [cell for name in measures for cell in words(line.figures.get(name))]
        rows.append((line.name + note, line.model, line.protocol, samples, *cells))
    columns = (*COLUMNS, *(c for name in measures for c in (name, f"{name}, 95 %")))
    return Written("percent; 95 %: subjects drawn again", columns, tuple(rows), tuple(notes))


def words(figure: Mapping[str, Any] | None) -> tuple[str, str]:
    """A figure and its interval; what nobody says stays blank."""
    if figure is None:
        return "", ""
    if "interval" not in figure:
        return percent(figure["mean"]), ""
    return spread(figure), between(figure)
