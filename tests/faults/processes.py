"""The real command with real worker processes, to be killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.faults.scenes import ROOT, Clips, Place, wait_for

COMMAND = "from pipeline.cli import cli; cli()"


@dataclass(frozen=True, slots=True)
class Running:
    """``mer-features run`` in a process of its own."""

    process: subprocess.Popen[str]
    errors: Path

    def family(self) -> list[psutil.Process]:
        """The processes that it has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> list[psutil.Process]:
        """Those of them that compute."""
        return [one for one in self.family() if "spawn_main" in " ".join(arguments(one))]


def arguments(process: psutil.Process) -> list[str]:
    """A process's command line; none if it has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def alive(process: psutil.Process) -> bool:
    """Whether a process still does anything."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def environment(place: Place, **more: str) -> dict[str, str]:
    """What a command of this tree, with a cache of its own, needs to be told."""
    told = {"PYTHONPATH": str(ROOT), "MER_CACHE": str(place.cache), "OPENBLAS_NUM_THREADS": "1"}
    return {**os.environ, **told, **more}


@contextmanager
def running(clips: Clips, place: Place, workers: int, before: str = "") -> Iterator[Running]:
    """Start a run; at the end no process of it is left.

    Parameters
    ----------
    before : Python to be executed first, to take a protection away
    """
    place.root.mkdir(parents=True, exist_ok=True)
    errors = place.root.with_name(f"{place.root.name}.errors")
    with errors.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", before + COMMAND, *clips.run(place.out, workers)],
            env=environment(place), stdout=subprocess.DEVNULL, stderr=file, text=True,
        )  # fmt: skip
    run, family = Running(process, errors), []
    try:
        yield run
    finally:
        if process.poll() is None:
            family = run.family()
        process.kill()
        process.wait()
        for one in family:
            if alive(one):
                one.kill()


def see(run: Running, place: Place, shards: int) -> None:
    """Wait until a run has finished some shards."""

    def there() -> bool:
        if run.process.poll() is not None:
            pytest.fail(run.errors.read_text())
        return len(place.shards()) >= shards

    wait_for(there)
