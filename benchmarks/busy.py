"""How busy a device is while something runs: the share of its time."""

import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable

EVERY = 0.2  # s between two questions to a GPU


def busy(run: Callable[[], object], device: str, cores: int) -> tuple[float, float | None]:
    """Seconds that a function takes, and the share of the device's time that it uses.

    Of a CPU: of so many cores, by this process and those it has waited for. Of a GPU: as
    nvidia-smi tells it, the mean of some looks; None if it is not there.
    """
    if device == "cpu":
        before, started = processor_time(), time.perf_counter()
        run()
        seconds = time.perf_counter() - started
        return seconds, (processor_time() - before) / seconds / cores
    seen: list[float] = []
    done = threading.Event()
    looking = threading.Thread(target=look, args=(done, seen))
    looking.start()
    started = time.perf_counter()
    try:
        run()
    finally:
        seconds = time.perf_counter() - started
        done.set()
        looking.join()
    return seconds, sum(seen) / len(seen) if seen else None


def processor_time() -> float:
    """Seconds that the cores have worked for this process and its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def look(done: threading.Event, seen: list[float]) -> None:
    """Ask a GPU how busy it is, over and over."""
    asked = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    while shutil.which(asked[0]) and not done.wait(EVERY):
        told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
        if told:
            seen.append(float(told[0]) / 100)
