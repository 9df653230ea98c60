"""Show on stderr how far a long loop is: a bar on a terminal, plain lines otherwise."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import click

Item = TypeVar("Item")


def follow(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Give the items on as they come, and show how many of `total` have."""
    yield from (_bar if sys.stderr.isatty() else _lines)(items, total, what)


def _bar(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            bar.advance(task)
            yield item


def _lines(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """At most ten lines: a log file is read by people too."""
    start = time.monotonic()
    for done, item in enumerate(items, start=1):
        if done * 10 // total > (done - 1) * 10 // total:
            click.echo(f"{what} {done}/{total}, {time.monotonic() - start:.0f} s", err=True)
        yield item
