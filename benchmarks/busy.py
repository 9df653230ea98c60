"""What a device does while something runs: how busy it is, and the memory that is taken."""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
import torch

EVERY = 0.1  # s between two looks


@dataclass(slots=True)
class Spent:
    """What a run took.

    Parameters
    ----------
    share : of the device's time that was used, in [0, 1]; None if nobody tells
    peak : MiB of the largest process, or of the GPU
    """

    seconds: float
    share: float | None
    peak: float


@dataclass(slots=True)
class Processes:
    """A process and all that it has started, also through others, as they were last seen."""

    own: psutil.Process = field(default_factory=psutil.Process)
    worked: dict[int, float] = field(default_factory=dict)  # s of a core
    peak: int = 0  # bytes

    def look(self) -> None:
        """Look once."""
        for one in (self.own, *self.own.children(recursive=True)):
            try:
                times, memory = one.cpu_times(), one.memory_info().rss
            except psutil.Error:  # it has just ended
                continue
            self.worked[one.pid] = times.user + times.system
            self.peak = max(self.peak, memory)


@dataclass(slots=True)
class Gpu:
    """A GPU, as nvidia-smi tells how busy it is."""

    seen: list[float] = field(default_factory=list)

    def look(self) -> None:
        """Look once."""
        asked = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        if shutil.which(asked[0]):
            told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
            self.seen += [float(told.split()[0]) / 100] if told.split() else []


def watched(run: Callable[[], object], device: str, cores: int) -> Spent:
    """Run something and look on; of a CPU, so many cores are there to be used."""
    if device == "cpu":
        processes = Processes()
        processes.look()
        before = sum(processes.worked.values())
        seconds = looked_at(run, processes.look)
        worked = sum(processes.worked.values()) - before
        return Spent(seconds, worked / seconds / cores, processes.peak / 2**20)
    gpu = Gpu()
    torch.cuda.reset_peak_memory_stats()
    seconds = looked_at(run, gpu.look)
    share = sum(gpu.seen) / len(gpu.seen) if gpu.seen else None
    return Spent(seconds, share, torch.cuda.max_memory_allocated() / 2**20)


def looked_at(run: Callable[[], object], look: Callable[[], None]) -> float:
    """Run something and look over and over from another thread; how many seconds it took."""
    done = threading.Event()

    def looking() -> None:
        while not done.wait(EVERY):
            look()

    thread = threading.Thread(target=looking)
    thread.start()
    started = time.perf_counter()
    try:
        run()
    finally:
        seconds = time.perf_counter() - started
        done.set()
        thread.join()
    look()
    return seconds
