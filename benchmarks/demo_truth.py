"""Accuracy on the demo's known motion, and what each stage costs. `make bench` runs it.

Every line is measured in this run, one thread, on crops of the demo's faces; peers are given the
same crops. The demo is made of one portrait: good for comparing, no evidence about real datasets.
"""

import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from features.flow import FlowConfig, flow
from features.strain import StrainConfig, strain
from pipeline import synthetic
from pipeline.align import CropConfig, alignment
from pipeline.datasets import demo
from pipeline.faces import LandmarksConfig, locate
from pipeline.landmarkers.base import load
from pipeline.maps import moved
from pipeline.resample import cut

CROP = CropConfig()
ROWS = load("facemesh").places
CLIPS = demo.plans()[::6]  # 16 of 96: each subject and emotion
SPENT: dict[str, list[float]] = {}


@contextmanager
def spent(name: str) -> Iterator[None]:
    """CPU time of all threads of this process, ms: other work on the machine does not count."""
    started = time.process_time()
    yield
    SPENT.setdefault(name, []).append(1e3 * (time.process_time() - started))


def peer(calc: Callable[..., np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    def of(crop: np.ndarray) -> np.ndarray:
        onset, apex = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in crop)
        return np.moveaxis(calc(onset, apex, None), -1, 0)

    return of


def methods() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    preset = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    tvl1 = cv2.optflow.DualTVL1OpticalFlow.create()
    farneback = cv2.FarnebackOpticalFlow.create(5, 0.5, False, 15, 3, 5, 1.2)
    return {
        "merkit flow": lambda crop: flow(crop, FlowConfig()),
        "OpenCV DIS, medium preset": peer(preset.calc),
        "OpenCV Farneback": peer(farneback.calc),
        "OpenCV DualTVL1, default": peer(tvl1.calc),
        "no motion at all": lambda crop: np.zeros((2, *crop.shape[1:3])),
    }


def still(plan: demo.Plan, rng: np.random.Generator) -> np.ndarray:
    """Twice the onset's face, each with sensor noise of its own."""
    neutral = synthetic.scaled(plan.field, 0)
    clean = synthetic.draw(synthetic.prepare(person(plan)), plan.poses[0], neutral)
    noisy = [clean + demo.NOISE * rng.standard_normal(clean.shape) for _ in range(2)]
    return np.rint(np.stack(noisy)).clip(0, 255).astype(np.uint8)


def person(plan: demo.Plan) -> np.ndarray:
    return synthetic.identity(1000 * demo.SEED + plan.subject)


def face(points: np.ndarray) -> np.ndarray:
    mask = np.zeros((CROP.size, CROP.size), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return mask > 0


def measure() -> dict[str, np.ndarray]:
    """Method -> (clips, 2): mean end-point error and mean false motion, px inside the face."""
    rng = np.random.default_rng(0)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in methods()}
    for plan in CLIPS:
        shown = list(demo.frames(plan))
        pair = np.stack([shown[0], shown[plan.apex]])
        points = locate(pair[:1], LandmarksConfig())[0][0]
        matrix = alignment(points, ROWS, CROP)
        crop, unmoved = (
            np.stack([cut(frame, matrix, CROP.size) for frame in two])
            for two in (pair, still(plan, rng))
        )
        inside = face(moved(matrix, points))
        true = plan.flow_in_crop(matrix, CROP.size)
        for name, method in methods().items():
            with spent(name):
                seen = method(crop)
            error = np.hypot(*(seen - true))[inside].mean()
            found[name].append((error, np.hypot(*method(unmoved))[inside].mean()))
        seen = flow(crop, FlowConfig())
        with spent("strain"):
            strain(seen, StrainConfig())
    return {name: np.array(values) for name, values in found.items()}


def main() -> None:
    cv2.setNumThreads(1)
    console = Console(width=100)
    accuracy = measure()
    title = f"{len(CLIPS)} demo clips, {CROP.size} px, one thread, {platform.machine()}"
    table = Table("flow onset → apex", "end-point error", "false motion, still face", "CPU time",
                  title=title)  # fmt: skip
    for name, values in accuracy.items():
        error, false = values.mean(axis=0)
        table.add_row(
            name, f"{error:.3f} px", f"{false:.3f} px", f"{np.median(SPENT[name]):.1f} ms"
        )
    console.print(table)
    stages = Table("stage", "a clip", title="other stages, median")
    for name in ("strain",):
        stages.add_row(name, f"{np.median(SPENT[name]):.1f} ms")
    for command in ("mer-features", "mer-train", "mer-report"):
        stages.add_row(f"{command} --help", f"{help_time(command):.0f} ms")
    console.print(stages)


def help_time(command: str) -> float:
    """Wall time of --help, ms, the median of five."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(
            [Path(sys.executable).with_name(command), "--help"], check=True, capture_output=True
        )
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times))


if __name__ == "__main__":
    sys.exit(main())
