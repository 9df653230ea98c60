"""Scores as a person reads them."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

MEASURES = ("accuracy", "UF1", "UAR")


def show(scores: Mapping[str, Any], title: str) -> None:
    """Print the tables and the line that says what they rest on, to stdout."""
    console = Console(highlight=False)
    console.print(title, soft_wrap=True, markup=False)  # a path may be wide, or hold a [
    console.print(overall(scores), per_class(scores), sep="\n")
    console.print(basis(scores["counts"]), soft_wrap=True)


def overall(scores: Mapping[str, Any]) -> Table:
    """Accuracy, UF1 and UAR beside what needs no network."""
    table = Table()
    table.add_column("pooled over folds")
    for name in MEASURES:
        table.add_column(name, justify="right")
    for row in ("network", "majority"):
        table.add_row(row, *(spread(scores[row][name]) for name in MEASURES))
    table.add_row("chance", "", "", percent(scores["chance"]["UAR"]))
    return table


def per_class(scores: Mapping[str, Any]) -> Table:
    """F1 and recall of each emotion."""
    table = Table()
    table.add_column("emotion")
    for name in ("n", "F1", "recall"):
        table.add_column(name, justify="right")
    for name, row in scores["per_class"].items():
        table.add_row(name, str(row["n"]), spread(row["F1"]), spread(row["recall"]))
    return table


def basis(counts: Mapping[str, Any]) -> str:
    """Say in one line what the figures rest on."""
    epochs = ", ".join(map(str, counts["epochs"]))
    return (
        f"{counts['samples']} samples, {counts['subjects']} subjects, {counts['classes']} classes"
        f" · {counts['folds']} folds × {counts['seeds']} seeds, {epochs} epochs"
    )


def spread(value: Mapping[str, Any]) -> str:
    """Mean ± standard deviation over seeds, in percent."""
    sd = "" if value["sd"] is None else f" ± {100 * value['sd']:.1f}"
    return percent(value["mean"]) + sd


def percent(value: float) -> str:
    """One decimal: one clip of a hundred is a whole point."""
    return f"{100 * value:.1f} %"
