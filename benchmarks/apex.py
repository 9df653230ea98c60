"""How well the apex is spotted on the demo, where it is known, and what that costs.

The demo's apex lies near the middle of its clips, so looking at nothing does well there. The
uneven clips, made here, are the same faces with a rise of 60–100 ms and a fall of 200–300 ms, or
the other way round: only they tell who looks. Crops as the pipeline cuts them, the head unsteady.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from features.apex import METHODS, ApexConfig, spot
from pipeline.align import CropConfig, alignment, places_in
from pipeline.datasets import demo
from pipeline.faces import LandmarksConfig, locate
from pipeline.landmarkers.base import load
from pipeline.resample import cut

CLIPS = demo.plans()[::2]  # 48 of 96: each subject and emotion
SIZES = (112, 224)  # px
ROWS = load("facemesh").places


def uneven(plan: demo.Plan) -> demo.Plan:
    """The same face and expression, faster one way than the other, the head moving anew."""
    rng = np.random.default_rng([demo.SEED, plan.subject, plan.first_frame, plan.take, 11])
    lengths = int(rng.integers(6, 11)), int(rng.integers(20, 31))
    rise, fall = rng.permutation(lengths)
    rest = plan.gains[-1]
    gains = [*demo._ease(rise), *(1 - (1 - rest) * np.array(demo._ease(fall)[1:]))]
    course = np.linspace(0, 1, len(gains))
    return replace(
        plan,
        apex=int(rise),
        gains=tuple(float(gain) for gain in gains),
        poses=demo._head(course, rng),
        light=tuple(float(1 + demo.DRIFT * way) for way in demo._wander(course, rng)),
    )


def crops(plans: list[demo.Plan]) -> Iterator[tuple[demo.Plan, int, np.ndarray, np.ndarray]]:
    """Each clip in each size: its plan, the size, the crops and where the places are."""
    for plan in plans:
        frames = np.stack(list(demo.frames(plan)))
        points = locate(frames[:1], LandmarksConfig())[0][0]
        for size in SIZES:
            matrix = alignment(points, ROWS, CropConfig(size=size))
            clip = np.stack([cut(frame, matrix, size) for frame in frames])
            yield plan, size, clip, places_in(matrix, points, ROWS)


def measure(plans: list[demo.Plan]) -> dict[tuple[str, int], np.ndarray]:
    """(method, size) -> (clips, 3): error in frames, CPU ms, frames of the clip."""
    found: dict[tuple[str, int], list[tuple[float, float, int]]] = {}
    for plan, size, clip, places in crops(plans):
        for method in METHODS:
            started = time.process_time()
            spotted = spot(clip, demo.FPS, places, ApexConfig(method))
            spent = 1e3 * (time.process_time() - started)
            row = abs(spotted.index - plan.apex), spent, len(clip)
            found.setdefault((method, size), []).append(row)
    return {key: np.array(rows) for key, rows in found.items()}


def table(title: str, plans: list[demo.Plan]) -> Table:
    lines = Table("method", "crop", "median error", "90th percentile", "within 2", "within 5",
                  "CPU a clip", "CPU a frame", title=f"{title}, {len(plans)} clips")  # fmt: skip
    for (method, size), rows in measure(plans).items():
        error, spent, frames = rows.T
        lines.add_row(
            method,
            f"{size} px",
            f"{np.median(error):.1f} frames",
            f"{np.percentile(error, 90):.1f} frames",
            f"{np.mean(error <= 2):.0%}",
            f"{np.mean(error <= 5):.0%}",
            f"{np.median(spent):.1f} ms",
            f"{spent.sum() / frames.sum():.2f} ms",
        )
    return lines


def main() -> None:
    cv2.setNumThreads(1)
    console = Console(width=110)
    console.print(table("demo, 100 fps", CLIPS))
    console.print(table("uneven, 100 fps", [uneven(plan) for plan in CLIPS]))


if __name__ == "__main__":
    sys.exit(main())
