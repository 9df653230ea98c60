"""Scores as a person reads them."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Column, Table

from features.console import plural
from train.labels import several
from train.written import Written

ORACLE = "oracle (test-selected)"
WARNING = (
    f"{ORACLE}: every fold at the epoch that is best on its own test subject; "
    "to be set beside published figures chosen so, never a score"
)
FEW = 5  # subjects; of fewer, the draws are the same few sets again and again
WIDE = 240  # a file has no edge to wrap at


def show(scores: Mapping[str, Any], title: str) -> None:
    """Print the tables and the line that says what they rest on, to stdout."""
    tables = [overall(scores), per_class(scores)]
    if len(scores["per_dataset"]) > 1:
        tables.insert(1, per_dataset(scores))
    units = several(scores["classes"])
    tables.append(decisions(scores) if units else confusion(scores))
    out(title, *tables, basis(scores["counts"], what(scores)), intervals(scores))
    if unseen := [
        name for name in scores["classes"] if units and not scores["per_class"][name]["n"]
    ]:
        out(f"nobody shows {', '.join(unseen)}: counts as 0")
    if "oracle" in scores:
        out(WARNING)


def what(scores: Mapping[str, Any]) -> str:
    """What is told apart, in words."""
    return "action units" if several(scores["classes"]) else "classes"


def out(*parts: RenderableType) -> None:
    """Print tables and lines to stdout as they stand."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    for part in parts:  # a path may be wide, or hold a [
        console.print(part, soft_wrap=isinstance(part, str), markup=False)


def table_of(*columns: str) -> Table:
    """A table whose first column is words and the others numbers."""
    table = Table()
    for i, name in enumerate(columns):
        table.add_column(name, justify="right" if i else "left")
    return table


def overall(scores: Mapping[str, Any]) -> Table:
    """Each measure beside its interval and what needs no network."""
    oracle, always = scores.get("oracle"), scores.get("always")
    table = table_of(
        "pooled over folds", "network", "95 %", "majority", *(["always"] if always else []),
        "chance", *([ORACLE] if oracle else []),
    )  # fmt: skip
    for name, network in scores["network"].items():
        chance = scores["chance"].get(name)
        table.add_row(
            name,
            spread(network),
            between(network),
            spread(scores["majority"][name]),
            *([spread(always[name])] if always else []),
            "" if chance is None else percent(chance),
            *([spread(oracle[name])] if oracle else []),
        )
    return table


def per_dataset(scores: Mapping[str, Any]) -> Table:
    """The measures on each dataset's samples."""
    pairs = [column for name in scores["network"] for column in (name, "95 %")]
    what = "units" if several(scores["classes"]) else "classes"
    table = table_of("dataset", "n", "subjects", what, *pairs)
    for dataset, row in scores["per_dataset"].items():
        figures = [row["network"][name] for name in scores["network"]]
        cells = [cell for figure in figures for cell in (spread(figure), between(figure))]
        counts = (row["samples"], row["subjects"], len(row["classes"]))
        table.add_row(dataset, *map(str, counts), *cells)
    return table


def per_class(scores: Mapping[str, Any]) -> Table:
    """F1 and recall of each emotion or unit."""
    what = "unit" if several(scores["classes"]) else "emotion"
    table = table_of(what, "n", "F1", "95 %", "recall", "95 %")
    for name, row in scores["per_class"].items():
        figures = [row["F1"], row["recall"]]
        cells = [cell for figure in figures for cell in (spread(figure), between(figure))]
        table.add_row(name, str(row["n"]), *cells)
    return table


def per_subject(scores: Mapping[str, Any]) -> Table:
    """Accuracy on each subject; one subject has no interval."""
    table = table_of("subject", "n", "accuracy")
    for name, row in scores["per_subject"].items():
        table.add_row(name, str(row["n"]), spread(row["accuracy"]))
    return table


def confusion(scores: Mapping[str, Any]) -> Table:
    """Truth in rows, predictions in columns, all seeds together."""
    table = table_of("truth \\ predicted", *scores["classes"])
    for name, row in zip(scores["classes"], scores["confusion"], strict=True):
        table.add_row(name, *map(str, row))
    return table


def decisions(scores: Mapping[str, Any]) -> Table:
    """How each unit was decided, all seeds together."""
    table = table_of("unit", "found", "missed", "false", "rightly none")
    for name, ((none, false), (missed, found)) in scores["confusion"].items():
        table.add_row(name, *map(str, (found, missed, false, none)))
    return table


def comparison(compared: Mapping[str, Any]) -> Table:
    """Each run's distance from the first."""
    table = table_of(
        "run", "measure", "score", f"{compared['first']}", "difference", "95 %", "p (swaps)",
        "subjects better : equal : worse", "p (signs)",
    )  # fmt: skip
    for row in compared["runs"]:
        signs = row["signs"]
        for i, (name, figure) in enumerate(row["measures"].items()):
            table.add_row(
                "" if i else row["run"],
                name,
                percent(figure["score"]),
                percent(figure["first"]),
                points(figure["difference"]),
                between(figure, points),
                f"{figure['p']:.4f}",
                "" if i else f"{signs['better']} : {signs['equal']} : {signs['worse']}",
                "" if i else f"{signs['p']:.4f}",
            )
    return table


def swaps(compared: Mapping[str, Any]) -> str:
    """Say in one line what a comparison rests on."""
    how = "all there are" if compared["swaps"] == "exact" else f"{compared['swaps']} at random"
    return (
        f"{compared['samples']} samples, {compared['subjects']} subjects · difference in points, "
        f"run minus {compared['first']} · swaps of subjects: {how}"
    )


def of_words(written: Written) -> Table:
    """A table whose cells are words already."""
    table = table_of(*written.columns)
    for row in written.rows:
        table.add_row(*(cell.replace("; ", "\n") for cell in row))
    return table


def networks(rows: Iterable[tuple[str, str, str, str]]) -> Table:
    """Each network's name, recipe, number of parameters, and what it is."""
    table = Table("network", "recipe", Column("parameters", justify="right"), "what it is")
    for row in rows:
        table.add_row(*row)
    return table


def basis(counts: Mapping[str, Any], what: str = "classes") -> str:
    """Say in one line what the figures rest on."""
    epochs = ", ".join(map(str, counts["epochs"]))
    return (
        f"{plural(counts['samples'], 'sample')}, {plural(counts['subjects'], 'subject')},"
        f" {counts['classes']} {what}"
        f" · {plural(counts['folds'], 'fold')} × {plural(counts['seeds'], 'seed')}, {epochs} epochs"
    )


def intervals(scores: Mapping[str, Any]) -> str:
    """Say in one line what the intervals are, and of how few people if they are few."""
    bootstrap, subjects = scores["bootstrap"], scores["counts"]["subjects"]
    few = f"; drawn from {plural(subjects, 'subject')}, it means little"
    return (
        f"95 %: {bootstrap['draws']} draws of {bootstrap['over']} with replacement, "
        f"all seeds together; a class not drawn counts as 0{few if subjects < FEW else ''}"
    )


def spread(value: Mapping[str, Any]) -> str:
    """Mean ± standard deviation over seeds, in percent."""
    sd = "" if value["sd"] is None else f" ± {100 * value['sd']:.1f}"
    return percent(value["mean"]) + sd


def percent(value: float) -> str:
    """One decimal: one clip of a hundred is a whole point."""
    return f"{100 * value:.1f} %"


def points(value: float) -> str:
    """A difference of percentages, with its sign; one that rounds to nothing has none."""
    rounded = round(100 * value, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def bare(value: float) -> str:
    """Percent without the sign of it."""
    return f"{100 * value:.1f}"


def between(value: Mapping[str, Any], write: Any = bare) -> str:
    """The interval; nothing where a single subject gives none."""
    interval: Sequence[float] | None = value["interval"]
    return "" if interval is None else f"{write(interval[0])} to {write(interval[1])}"
