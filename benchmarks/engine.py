"""What two workers make of the demo's features, beside the bare kernels. `make bench`.

The kernels' time is what one worker's stages take by themselves, decoding included; all that the
wall shows beyond it (scheduling, shards written and synced) is the engine's.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from features.base import file_digest
from pipeline import graph, recipe
from pipeline.cache import Cache
from pipeline.clips import find
from pipeline.datasets import demo
from pipeline.engine import Engine, over

RECIPES = ("flow", "dynamic")


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


def main() -> None:
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
