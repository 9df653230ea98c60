"""What it saves that freed memory stays with its process. `make bench` runs it.

Each time in a new process, the two ways in turn. What loads and compiles at first does not count.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.engine import tasks
from features.memory import keep_freed
from pipeline import graph
from pipeline.datasets import demo
from pipeline.engine import Engine, over

CLIPS, EPOCHS, ROUNDS = 24, 5, 3


def features(recipe: str, folder: Path, share: float) -> None:
    """Some clips of the demo by a recipe."""
    cache = Path(tempfile.mkdtemp(dir=folder))
    for task in tasks(folder / "demo", recipe, cache)[: round(share * CLIPS)]:
        graph.compute(task)


def fit(folder: Path, share: float) -> None:
    """A fit of STSTNet, as anyone writes it: merkit's own would keep its memory."""
    from benchmarks import training  # loads torch, which features need not
    from train.workers import one_thread

    asked = argparse.Namespace(
        samples=training.CLIPS, folds=training.PEOPLE, seeds=1, epochs=round(share * EPOCHS), only=1
    )
    with one_thread():
        case = training.case("ststnet", asked, "cpu")
        training.plain(case, case.model.build)


WORK: dict[str, Callable[[Path, float], None]] = {
    f"features of {CLIPS} clips, flow": partial(features, "flow"),
    f"features of {CLIPS} clips, dynamic": partial(features, "dynamic"),
    f"STSTNet, a fit of {EPOCHS} epochs": fit,
}


def measured(what: str, folder: Path, kept: bool) -> tuple[float, float]:
    """Seconds of work, and how many pages the kernel gave meanwhile."""
    if kept:
        keep_freed()
    work = WORK[what]
    work(folder, 0.2)
    pages, started = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
    work(folder, 1.0)
    spent = time.perf_counter() - started
    return spent, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - pages


def alone(what: str, folder: Path, kept: bool) -> tuple[float, float]:
    """The same in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, what, folder, kept).result()


def main() -> None:
    table = Table("one process, one thread", "given back", "kept", "of the time",
                  "pages given back", "kept", title=f"mean of {ROUNDS}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Engine() as engine:
            demo.make(folder / "demo", lambda *given: over(engine, *given))
        for what in WORK:
            rounds = [[alone(what, folder, kept) for kept in (False, True)] for _ in range(ROUNDS)]
            (back, more), (kept, fewer) = np.mean(rounds, axis=0)
            table.add_row(what, f"{back:.2f} s", f"{kept:.2f} s", f"{kept / back:.0%}",
                          f"{more:,.0f}", f"{fewer:,.0f}")  # fmt: skip
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
