"""How steady the crops are on the demo's known head motion, and what they cost. `make bench`.

Peers get the same frames. Every figure is measured in this run, one thread, unless it says so.
"""

import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from features.base import Array
from features.flow import FlowConfig, flow
from features.rigid import rigid_parts
from pipeline import synthetic
from pipeline.align import CropConfig, alignment, places_in
from pipeline.crop import Framing, crops
from pipeline.datasets import demo
from pipeline.engine import Engine
from pipeline.faces import LandmarksConfig, locate
from pipeline.landmarkers.base import load
from pipeline.maps import after, invert, moved
from pipeline.resample import cut
from pipeline.steady import SteadyConfig, Unsteady, head_motion, reference

CLIPS = demo.plans()[::6]  # 16 of 96: each subject and emotion
ROWS = load("facemesh").places
CROP, LANDMARKS = CropConfig(), LandmarksConfig()
Estimate = Callable[[Array], Array]  # a frame -> (2, 3) onset px -> frame px


def ours(motion: str) -> Callable[[Array, Array], Estimate]:
    def prepared(frame: Array, landmarks: Array) -> Estimate:
        onset = reference(frame, landmarks, ROWS, SteadyConfig(motion))
        return lambda other: head_motion(onset, other)

    return prepared


def nothing(frame: Array, landmarks: Array) -> Estimate:
    return lambda other: np.eye(2, 3)


def opencv(kind: str, rigid: bool) -> Callable[[Array, Array], Estimate]:
    """ECC (affine) or phase correlation, of the aligned crops at full size."""

    def prepared(frame: Array, landmarks: Array) -> Estimate:
        crop = alignment(landmarks, ROWS, CROP)
        mask = face(moved(crop, landmarks))
        if rigid:
            mask &= rigid_parts(places_in(crop, landmarks, ROWS), CROP.size, CROP.size)
        first = grey(frame, crop)

        def estimate(other: Array) -> Array:
            seen = grey(other, crop)
            if kind == "phase":
                window = cv2.GaussianBlur(mask.astype(float), (0, 0), 4.0)
                pair = [(one - first[mask].mean()).astype(float) for one in (first, seen)]
                (dx, dy), _ = cv2.phaseCorrelate(*pair, window)
                found = np.array([[1, 0, dx], [0, 1, dy]])
            else:
                start, stop = np.eye(2, 3, dtype=np.float32), (3, 50, 1e-5)
                found = cv2.findTransformECC(
                    first, seen, start, cv2.MOTION_AFFINE, stop, mask.astype(np.uint8), 5
                )[1].astype(float)
            return after(invert(crop), after(found, crop))

        return estimate

    return prepared


METHODS = {
    "nothing: one transform a clip": nothing,
    "merkit, similarity (default)": ours("similarity"),
    "merkit, euclidean": ours("euclidean"),
    "merkit, translation": ours("translation"),
    "merkit, affine": ours("affine"),
    "OpenCV ECC, affine, whole face": opencv("ecc", rigid=False),
    "OpenCV ECC, affine, rigid parts": opencv("ecc", rigid=True),
    "OpenCV phase correlation, rigid parts": opencv("phase", rigid=True),
}


def grey(frame: Array, crop: Array) -> Array:
    return cv2.cvtColor(cut(frame, crop, CROP.size), cv2.COLOR_RGB2GRAY).astype(np.float32)


def face(points: Array) -> Array:
    mask = np.zeros((CROP.size, CROP.size), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return mask > 0


def steadiness() -> Table:
    """Head motion left in the crops, and the expression's amplitude in them, by the truth."""
    rest: dict[str, list[float]] = {name: [] for name in METHODS}
    kept: dict[str, list[float]] = {name: [] for name in METHODS}
    spent: dict[str, list[float]] = {name: [] for name in METHODS}
    lost = dict.fromkeys(METHODS, 0)
    for plan in CLIPS:
        frames = list(demo.frames(plan))
        landmarks = locate(frames[:1], LANDMARKS)[0][0]
        crop = alignment(landmarks, ROWS, CROP)
        y, x = np.nonzero(face(moved(crop, landmarks)))
        here = np.stack([x, y], -1)[::7].astype(float)  # points of the face, px of the crop
        source = moved(invert(crop), here)
        for name, method in METHODS.items():
            estimate = method(frames[0], landmarks)
            for t in sorted({2, plan.apex // 2, plan.apex, len(frames) - 1}):
                started = time.process_time()
                try:
                    found = estimate(frames[t])
                except (Unsteady, cv2.error):
                    lost[name] += 1
                    continue
                spent[name].append(1e3 * (time.process_time() - started))
                steady = after(crop, invert(found))
                left = moved(steady, moved(plan.head_motion()[t], source)) - here
                rest[name].append(float(np.hypot(*left.T).mean()))
                if t == plan.apex:
                    true = after(crop, invert(plan.head_motion()[t]))
                    shown, truth = (
                        moved(m, source + plan.flow(source)) - here for m in (steady, true)
                    )
                    kept[name].append(float((shown * truth).sum() / (truth**2).sum()))
    title = (
        f"head motion in {CROP.size} px crops: {len(CLIPS)} demo clips, 4 frames each,"
        " true ±1.5 px, ±0.4°, ±0.3 %"
    )
    table = Table("taken out by", "left, mean", "left, 95th", "expression kept", "least", "lost",
                  "a frame", title=title)  # fmt: skip
    for name in METHODS:
        table.add_row(
            name, f"{np.mean(rest[name]):.3f} px", f"{np.percentile(rest[name], 95):.3f} px",
            f"{100 * np.mean(kept[name]):.0f} %", f"{100 * np.min(kept[name]):.0f} %",
            str(lost[name]), f"{np.median(spent[name]):.1f} ms",
        )  # fmt: skip
    return table


def still() -> Table:
    """A face that does not move, with new sensor noise in every frame, cropped and flowed."""
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {"similarity": [], "none": []}
    for plan in CLIPS:
        person = synthetic.prepare(synthetic.identity(1000 * demo.SEED + plan.subject))
        clean = synthetic.draw(person, plan.poses[0], synthetic.scaled(plan.field, 0))
        noisy = [clean + demo.NOISE * rng.standard_normal(clean.shape) for _ in range(2)]
        pair = [np.rint(one).clip(0, 255).astype(np.uint8) for one in noisy]
        landmarks = locate(pair[:1], LANDMARKS)[0][0]
        inside = face(moved(alignment(landmarks, ROWS, CROP), landmarks))
        for motion, values in found.items():
            framing = Framing(CROP, SteadyConfig(motion))
            shown, _ = crops(enumerate(pair), landmarks, ROWS, framing)
            seen = flow(np.stack([shown[0], shown[1]]), FlowConfig())
            values.append(float(np.hypot(*seen)[inside].mean()))
    table = Table(
        "steadied", "false motion, mean", title=f"a still face, noise {demo.NOISE} grey levels"
    )
    for motion, values in found.items():
        table.add_row(motion, f"{np.mean(values):.4f} px")
    return table


def camera(plan: demo.Plan, t: int) -> Array:
    """A frame of the demo as a 640×480 camera would see it."""
    wide = np.full((480, 640, 3), 110, np.uint8)
    wide[60:420, 160:480] = list(demo.frames(plan))[t]
    return wide


def one_clip(pair: tuple[Array, Array]) -> list[float]:
    """Ms of landmarks by wall and by CPU, and of the crops of onset and apex, not steadied."""
    cv2.setNumThreads(1)
    clocks = [(time.perf_counter(), time.process_time())]
    landmarks = locate(pair[:1], LANDMARKS)[0][0]
    clocks.append((time.perf_counter(), time.process_time()))
    crops(enumerate(pair), landmarks, ROWS, Framing(CROP, SteadyConfig("none")))
    clocks.append((time.perf_counter(), time.process_time()))
    return (1e3 * np.diff(clocks, axis=0)).ravel().tolist()


def cost() -> Table:
    pairs = [(camera(plan, 0), camera(plan, plan.apex)) for plan in CLIPS]
    one_clip(pairs[0])  # the first call compiles, and sets MediaPipe up
    wall_l, cpu_l, wall_c, cpu_c = np.median([one_clip(pair) for pair in pairs * 3], axis=0)
    table = Table("a clip of 640×480, onset and apex", "wall", "CPU", title="cost, one thread")
    table.add_row("landmarks", f"{wall_l:.1f} ms", f"{cpu_l:.1f} ms")
    table.add_row("crop", f"{wall_c:.1f} ms", f"{cpu_c:.1f} ms")
    table.add_row("together", f"{wall_l + wall_c:.1f} ms", f"{cpu_l + cpu_c:.1f} ms")
    return table


def some_clips(path: Path) -> int:
    """32 clips from a file of four: half a second, so that the stage and not the scheduling counts.

    What scheduling costs, benchmarks/engine.py tells.
    """
    pairs = np.load(path)
    for pair in np.concatenate([pairs] * 8):
        one_clip(pair)
    return 8 * len(pairs)


def scaling() -> Table:
    """The same clips by one worker process and by two."""
    pairs = np.stack([(camera(plan, 0), camera(plan, plan.apex)) for plan in CLIPS])
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{k}.npy" for k in range(4)]
        for k, path in enumerate(files):
            np.save(path, pairs[k::4])
        for workers in (1, 2):
            with Engine(workers) as engine:
                list(engine.map(some_clips, files * workers))  # warm
                started = time.perf_counter()
                done = sum(count for _, count in engine.map(some_clips, files * 4))
                rates[workers] = done / (time.perf_counter() - started)
    table = Table("workers", "clips a second", title="landmarks and crop, in worker processes")
    for workers, rate in rates.items():
        table.add_row(str(workers), f"{rate:.0f} ({rate / rates[1]:.2f} ×)")
    return table


def main() -> None:
    cv2.setNumThreads(1)
    console = Console(width=120)
    console.print(f"{platform.machine()}, Python {platform.python_version()}")
    for part in (steadiness, still, cost, scaling):
        console.print(part())


if __name__ == "__main__":
    sys.exit(main())
