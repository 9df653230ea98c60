"""From the command to the first step of a fit, beyond importing torch.

442 samples of flow and strain, 224 px, as MEGC2019 has; `mer-train` as it is typed, which reads
the store, makes folds and tries which way is faster. The clock stops after the first step of the
first fit that counts: the steps of a trial do not. Best of some; `make bench-train` runs it.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

TIMES, PATIENCE = 3, 120  # s
MARK = "MER_FIRST_STEP"  # the file to write after it; set in mer-train and its workers alone
WAYS = {
    "in one process": ["--workers", "1", "--folds-at-once", "1"],
    "in one process, the way chosen": ["--workers", "1"],
    "in a process a core, the way chosen": [],
}


def watched() -> None:
    """In a process that trains: say when the first step is done."""
    from train import fit, stacked, workers

    fit_unit = workers.fit_unit

    def marked(done: Callable[..., object]) -> Callable[..., object]:
        def then(*args: object, **kwargs: object) -> object:
            done(*args, **kwargs)
            Path(os.environ[MARK]).touch()
            os._exit(0)

        return then

    def counts(*args: object) -> object:
        for taken in (fit, stacked):
            taken.step = marked(taken.step)
        return fit_unit(*args)

    workers.fit_unit = counts


def store_at(path: Path) -> None:
    """A store of noise with people and emotions of the composite's numbers."""
    from benchmarks.store import CHANNELS, SIDE, content
    from benchmarks.training import CLIPS, PEOPLE, sizes
    from features.publish import publish

    generator = np.random.default_rng(0)
    owner = np.repeat(np.arange(PEOPLE), sizes(CLIPS, PEOPLE))
    emotions = generator.choice(["negative", "positive", "surprise"], CLIPS)
    told = content(CLIPS)
    index = [
        {**row, "subject": f"{who:02}", "emotion": str(emotion)}
        for row, who, emotion in zip(told.index, owner, emotions, strict=True)
    ]

    def read(_: str, name: str) -> np.ndarray:
        return generator.normal(0, 0.5, (CHANNELS[name], SIDE, SIDE)).astype(np.float32)

    publish(path, replace(told, index=index), read)


def seconds_to_import() -> float:
    """What a process takes to start and to import torch."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - started


def seconds_to_step(store: Path, folder: Path, words: Sequence[str]) -> float:
    """What mer-train takes from its start to the first step of a fit."""
    mark = folder / "mark"
    mark.unlink(missing_ok=True)
    asked = ["--features", store, "-o", folder / "run", "--device", "cpu", "--force", *words]
    started = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, __file__, *map(str, asked)], env={**os.environ, MARK: str(mark)},
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        while not mark.exists():
            time.sleep(0.005)
            if child.poll() is not None or time.perf_counter() > started + PATIENCE:
                sys.exit(f"no first step; exit code {child.returncode}")
        return time.perf_counter() - started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def main() -> None:
    table = Table("STSTNet", "import torch, s", "to the first step, s", "beyond, s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store_at(folder / "flow.h5")
        for way, words in WAYS.items():
            both = [
                (seconds_to_import(), seconds_to_step(folder / "flow.h5", folder / str(n), words))
                for n in range(TIMES)
            ]
            alone, step = map(min, zip(*both, strict=True))
            table.add_row(way, f"{alone:.2f}", f"{step:.2f}", f"{step - alone:.2f}")
    Console(width=100).print(table)


if MARK in os.environ:
    watched()  # in workers too, which run this file as far as here
if __name__ == "__main__":
    if MARK in os.environ:
        from train.cli import cli

        cli()
    else:
        main()
