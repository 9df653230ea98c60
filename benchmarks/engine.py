"""What the engine costs beside the kernels. `make bench`.

First with kernels that only count, 50 ms of CPU each: against plain processes on as many cores,
and in CPU time of all processes, which other work on the machine does not change.

Then two workers on the demo's features: the kernels' time is what one worker's stages take by
themselves, decoding included; all that the wall shows beyond it (scheduling, shards written and
synced) is the engine's.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from features.base import file_digest
from pipeline import graph, recipe
from pipeline.cache import Cache
from pipeline.clips import find
from pipeline.datasets import demo
from pipeline.engine import Engine, over

RECIPES = ("flow", "dynamic")
KERNEL_S, ITEMS = 0.05, 300


def tasks(root: Path, name: str, cache: Path) -> list[graph.Task]:
    using = recipe.load(name)
    made = []
    for sample in demo.read(root).samples:
        source = find(root, sample)
        digests = {path: file_digest(path) for path in source.files.values()}
        made.append(graph.task(sample, source, digests, using, None, Cache(cache)))
    return made


def measured(root: Path, name: str, workers: int, folder: Path) -> tuple[float, float]:
    """Wall time of the whole demo, and the sum of its stages, s; workers are started and warm."""
    with Engine(workers) as engine:
        warm = tasks(root, name, folder / f"{name}-{workers}-warm")
        list(engine.map(graph.compute, warm[: 4 * workers]))
        real = tasks(root, name, folder / f"{name}-{workers}")
        started = time.perf_counter()
        outcomes = [outcome for _, outcome in engine.map(graph.compute, real)]
        wall = time.perf_counter() - started
    return wall, sum(sum(outcome.seconds.values()) for outcome in outcomes)


def counted(seconds: float) -> None:
    """A kernel of so much CPU time."""
    started = time.process_time()
    while time.process_time() - started < seconds:
        pass


def spent() -> float:
    """CPU time of this process and of all that it has started and that live, s."""
    here = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in [here, *here.children(recursive=True)])


def scheduling() -> Table:
    """Wall time against plain processes, and CPU beyond the kernels."""
    items, title = [KERNEL_S] * ITEMS, f"{ITEMS} kernels of {KERNEL_S * 1000:.0f} ms"
    table = Table("workers", "plain processes", "engine", "wall", "CPU beyond kernels", title=title)
    for workers in (1, 2):
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            pool.map(counted, items[:8], chunksize=1)
            started = time.perf_counter()
            pool.map(counted, items, chunksize=1)
            plain = time.perf_counter() - started
        with Engine(workers) as engine:
            list(engine.map(counted, items[:20]))
            started, before = time.perf_counter(), spent()
            list(engine.map(counted, items))
            wall, cpu = time.perf_counter() - started, spent() - before
        table.add_row(str(workers), f"{plain:.2f} s", f"{wall:.2f} s", f"{wall / plain:.3f} ×",
                      f"{100 * (cpu / sum(items) - 1):.1f} %")  # fmt: skip
    return table


def main() -> None:
    Console(width=100).print(scheduling())
    title = f"96 demo clips on {os.cpu_count()} cores, workers started"
    table = Table("recipe", "bare kernels", "1 worker", "2 workers", "× of kernels / 1.9",
                  title=title)  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Engine() as engine:
            demo.make(folder / "demo", lambda *given: over(engine, *given))
        for one in RECIPES:
            single, kernels = measured(folder / "demo", one, 1, folder)
            double, _ = measured(folder / "demo", one, 2, folder)
            table.add_row(one, f"{kernels:.1f} s", f"{single:.1f} s", f"{double:.1f} s",
                          f"{double / (kernels / 1.9):.2f}")  # fmt: skip
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
