"""Show on stderr how far a long loop is: a bar on a terminal, plain lines otherwise."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import click

Item = TypeVar("Item")

LOOK = 0.25  # s between two looks at steps, which nobody announces
LATEST = 600.0  # s after which a line is due, however slow the steps


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


@dataclass(frozen=True, slots=True)
class Steps:
    """How far the steps are that items are made of.

    Parameters
    ----------
    done, total : of all items; the total may be an estimate
    before : of those done, what was done before this loop began: it says nothing of its rate
    """

    done: int
    total: int
    before: int = 0


def follow_steps(
    items: Iterable[Item], total: int, what: str, steps: Callable[[], Steps], of: str
) -> Iterator[Item]:
    """Give the items on as they come, and show how far the steps are that they are made of.

    Parameters
    ----------
    total, what : of the items
    steps : called from another thread, several times a second
    of : what a step is called
    """
    pace, come = Pace(), 0

    def line() -> tuple[Steps, str]:
        now = steps()
        return now, pace.line(now, of, f"{what} {come:,}/{total:,}", time.monotonic())

    with (_steps_bar if sys.stderr.isatty() else _steps_lines)(line) as show:
        with _again(show):
            for item in items:
                come += 1
                yield item
        show(True)


class Pace:
    """How fast steps are done, in words; it is known from the second look at which some are."""

    def __init__(self) -> None:
        self.began: tuple[float, int] | None = None

    def line(self, steps: Steps, of: str, items: str, now: float) -> str:
        """Tell how far it is, how fast, and what is left.

        Parameters
        ----------
        now : s
        """
        parts = [f"{of} {steps.done:,}/{steps.total:,}", items]
        fresh = steps.done - steps.before
        if self.began is None:
            if fresh > 0:  # what precedes the first step is no part of its rate
                self.began = now, fresh
        elif fresh > self.began[1] and now > self.began[0]:
            rate = (fresh - self.began[1]) / (now - self.began[0])
            parts.append(per_time(rate))
            if left := max(steps.total - steps.done, 0):
                parts.append(f"{in_words(left / rate)} left")
        return " · ".join(parts)


def per_time(rate: float) -> str:
    """A rate in words.

    Parameters
    ----------
    rate : 1/s
    """
    units = {"s": rate, "min": rate * 60, "h": rate * 3600}
    unit = next((name for name, count in units.items() if count >= 1), "h")
    return f"{units[unit]:.{0 if units[unit] >= 10 else 1}f}/{unit}"


def in_words(seconds: float) -> str:
    """A time in the unit that fits it, of one or two digits mostly."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


Line = Callable[[], tuple[Steps, str]]
Show = Callable[[bool], None]  # whether it is for the last time


@contextmanager
def _steps_bar(line: Line) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(20), TextColumn("{task.description}"))  # whole in 80 columns
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=None)

        def show(last: bool) -> None:
            steps, words = line()
            bar.update(
                task, completed=steps.done, total=steps.total, description=words, refresh=True
            )

        yield show


@contextmanager
def _steps_lines(line: Line) -> Iterator[Show]:
    """At each tenth, and where that takes long every ten minutes."""
    start = time.monotonic()
    tenth, latest = 0, start

    def show(last: bool) -> None:
        nonlocal tenth, latest
        steps, words = line()
        now = time.monotonic()
        reached = steps.done * 10 // max(steps.total, 1)
        if last or tenth < reached < 10 or now - latest > LATEST:
            click.echo(f"{words}, {in_words(now - start)}" if last else words, err=True)
            tenth, latest = max(tenth, reached), now

    yield show


@contextmanager
def _again(show: Show) -> Iterator[None]:
    """Look over and over, from a thread that no signal is handed to: they are the main one's."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK):
            show(False)

    thread = threading.Thread(target=look, daemon=True)
    try:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            thread.start()  # it keeps the mask it starts with
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield
    finally:
        over.set()
        if thread.is_alive():
            thread.join()
