"""CPU time of every feature by itself, its inputs given. `python benchmarks/kernels.py` runs it.

One thread, the usual settings, the median of some runs; the first, which compiles, does not count.
"""

import platform
import sys
import time
from functools import cache

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from features import base
from features.memory import keep_freed

SIDES = (224, 256)  # px
FRAMES = 30  # of the clip; its apex is in the middle
RUNS, ENOUGH = 15, 2.0  # at most so many runs, or seconds
# Where PLACES are on a crop, in shares of its side.
PLACES = [(0.33, 0.36), (0.67, 0.36), (0.5, 0.55), (0.33, 0.27), (0.67, 0.27), (0.38, 0.74),
          (0.62, 0.74), (0.5, 0.74)]  # fmt: skip


def measured() -> list[str]:
    """Every feature but the one whose weights a user brings: benchmarks/magnify.py has it."""
    return [name for name in base.names() if base.load(name).read is None]


@cache
def clip(side: int) -> np.ndarray:
    """A texture that moves right by 2 px and back, as an expression does, with sensor noise."""
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.normal(128, 400, (side, side, 3)), (0, 0), 2)
    shifts = 2 * np.sin(np.pi * np.arange(FRAMES) / (FRAMES - 1))
    moves = [np.array([[1, 0, shift], [0, 1, 0]]) for shift in shifts]
    frames = [
        cv2.warpAffine(scene, move, (side, side), borderMode=cv2.BORDER_REFLECT) for move in moves
    ]
    noisy = np.stack(frames) + rng.normal(0, 1, (FRAMES, side, side, 3))
    return np.rint(noisy).clip(0, 255).astype(np.uint8)


@cache
def source(name: str, side: int) -> np.ndarray:
    apex = FRAMES // 2
    if name in ("clip", "rise", "fall"):
        first, last = {"clip": (0, FRAMES), "rise": (0, apex + 1), "fall": (apex, FRAMES)}[name]
        return clip(side)[first:last]
    if name == "places":
        return side * np.array(PLACES)
    if name == "fps":
        return np.array(100.0)
    frames = {"onset_apex": (0, apex), "apex_offset": (apex, -1), "phases": (0, apex, -1)}
    return clip(side)[list(frames[name])]


@cache
def result(name: str, side: int) -> np.ndarray:
    """A source, or a feature computed from its needs by its usual settings."""
    if name in base.SOURCES:
        return source(name, side)
    feature = base.load(name)
    return feature.function(*(result(need, side) for need in feature.needs), feature.config())


def cost(name: str, side: int) -> float:
    """CPU time of a feature, ms."""
    feature = base.load(name)
    given = [result(need, side) for need in feature.needs]
    result(name, side)  # compiles
    times: list[float] = []
    while len(times) < RUNS and sum(times) < ENOUGH:
        started = time.process_time()
        feature.function(*given, feature.config())
        times.append(time.process_time() - started)
    return 1e3 * float(np.median(times))


def main() -> None:
    cv2.setNumThreads(1)
    keep_freed()  # as in a worker
    title = f"a clip of {FRAMES} frames, one thread, {platform.machine()}"
    table = Table("feature", "of", *(f"{side} px" for side in SIDES), title=title)
    for name in measured():
        costs = [f"{cost(name, side):.2f} ms" for side in SIDES]
        table.add_row(name, ", ".join(base.load(name).needs), *costs)
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
