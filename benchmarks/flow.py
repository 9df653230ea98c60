"""Optical flow on the demo's known motion: accuracy against CPU time, method beside method.

Every line is measured in this run, one thread, on the same crops of the same clips, light that
drifts and sensor noise included. The demo is made of one portrait: good for comparing, no
evidence about real datasets.
"""

import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from features.flow import FlowConfig, flow
from features.light import grey, local_contrast
from features.memory import keep_freed
from features.strain import StrainConfig, strain
from pipeline import synthetic
from pipeline.align import CropConfig, alignment
from pipeline.datasets import demo
from pipeline.faces import LandmarksConfig, locate
from pipeline.landmarkers.base import load
from pipeline.maps import moved
from pipeline.resample import cut

CLIPS = {128: 4, 224: 4, 256: 4, 480: 2}  # px of the crop -> clips, of different people
REFERENCE = "OpenCV DualTVL1"
RAMP = np.linspace(0.96, 1.04, 256)[:, None]
LIGHTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda apex: apex,
    "gain 1.05": lambda apex: 1.05 * apex,
    "offset +8": lambda apex: apex + 8.0,
    "ramp ±4 %": lambda apex: RAMP * apex,
    "all three": lambda apex: 1.05 * RAMP * apex + 8,
}
Method = Callable[[np.ndarray], np.ndarray]


@dataclass
class Crop:
    """What of one clip is measured at one size."""

    pair: np.ndarray  # (2, H, W, 3) uint8
    unmoved: np.ndarray  # the same face twice, each with noise of its own
    true: np.ndarray  # (2, H, W) px
    inside: np.ndarray  # (H, W) bool: the face


def peer(calc: Callable[..., np.ndarray]) -> Method:
    """A method of OpenCV, as a function of two frames."""

    def of(crop: np.ndarray) -> np.ndarray:
        onset, apex = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in crop)
        return np.moveaxis(calc(onset, apex, None), -1, 0)

    return of


def still(plan: demo.Plan, rng: np.random.Generator) -> np.ndarray:
    """Twice the onset's face, each with sensor noise of its own."""
    person = synthetic.prepare(synthetic.identity(1000 * demo.SEED + plan.subject))
    clean = synthetic.draw(person, plan.poses[0], synthetic.scaled(plan.field, 0))
    noisy = [clean + demo.NOISE * rng.standard_normal(clean.shape) for _ in range(2)]
    return np.rint(np.stack(noisy)).clip(0, 255).astype(np.uint8)


def ours(method: str, normalise: str = "none") -> Method:
    config = FlowConfig(method=method, normalise=normalise)
    return lambda crop: flow(crop, config)


def methods() -> dict[str, Method]:
    tvl1 = peer(cv2.optflow.DualTVL1OpticalFlow.create().calc)

    def in_contrast(crop: np.ndarray) -> np.ndarray:
        """The reference, given the frames that `normalise = "local"` would give it."""
        return tvl1(np.repeat(local(crop)[..., None], 3, axis=-1))

    presets = {
        "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
        "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
        "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
    }
    return {
        "merkit clg (the default)": ours("clg"),
        "merkit tvl1, exposure": ours("tvl1", "exposure"),
        "merkit tvl1, local": ours("tvl1", "local"),
        "OpenCV DIS, finest": ours("dis"),
        **{
            f"OpenCV DIS {name}": peer(cv2.DISOpticalFlow.create(preset).calc)
            for name, preset in presets.items()
        },
        "OpenCV Farnebäck": ours("farneback"),
        "OpenCV DeepFlow": ours("deepflow"),
        "OpenCV PCAFlow": ours("pcaflow"),
        "OpenCV RLOF": ours("rlof"),
        REFERENCE: tvl1,
        f"{REFERENCE}, local": in_contrast,
        "no motion at all": lambda crop: np.zeros((2, *crop.shape[1:3]), np.float32),
    }


def local(crop: np.ndarray) -> np.ndarray:
    """(2, H, W) uint8: local contrast around 128."""
    return np.rint(local_contrast(grey(crop)) + 128).clip(0, 255).astype(np.uint8)


def crops() -> dict[int, list[Crop]]:
    """Crops of each size, of people 1, 3, 5 and 7."""
    rng = np.random.default_rng(0)
    rows = load("facemesh").places
    found: dict[int, list[Crop]] = {size: [] for size in CLIPS}
    for plan in demo.plans()[4::26]:
        shown = list(demo.frames(plan))
        pair, unmoved = np.stack([shown[0], shown[plan.apex]]), still(plan, rng)
        points = locate(pair[:1], LandmarksConfig())[0][0]
        for size, wanted in CLIPS.items():
            if len(found[size]) == wanted:
                continue
            matrix = alignment(points, rows, CropConfig(size=size))
            mask = np.zeros((size, size), np.uint8)
            hull = cv2.convexHull(np.rint(moved(matrix, points)).astype(np.int32))
            cv2.fillConvexPoly(mask, hull, 1)
            found[size].append(
                Crop(
                    np.stack([cut(frame, matrix, size) for frame in pair]),
                    np.stack([cut(frame, matrix, size) for frame in unmoved]),
                    plan.flow_in_crop(matrix, size).astype(np.float32),
                    mask > 0,
                )
            )
    return found


def error(seen: np.ndarray, crop: Crop) -> float:
    """Mean end-point error inside the face, px."""
    return float(np.hypot(*(seen - crop.true))[crop.inside].mean())


def likeness(seen: np.ndarray, crop: Crop) -> float:
    """Correlation of the flow's strain with the truth's, inside the face."""
    planes = [strain(of, StrainConfig())[0][crop.inside] for of in (seen, crop.true)]
    return float(np.corrcoef(planes)[0, 1]) if planes[0].any() else 0.0


def frontier(all_crops: dict[int, list[Crop]]) -> tuple[Table, Table]:
    wide = [f"{size} px" for size in CLIPS]
    errors = Table(
        "mean end-point error, px", *wide, "still face, 256 px", "strain, r at 256 px",
        title=f"{max(CLIPS.values())} demo clips ({CLIPS[480]} at 480 px)",
    )  # fmt: skip
    times = Table(
        "CPU time a pair, ms", *wide, "of DualTVL1's, 256 px",
        title=f"one thread, {platform.machine()}, OpenCV {cv2.__version__}",
    )  # fmt: skip
    spent: dict[str, dict[int, float]] = {}
    rows = {}
    for name, method in methods().items():
        method(all_crops[128][0].pair)  # kernels are compiled, tables are made
        found: dict[int, list[float]] = {size: [] for size in CLIPS}
        took: dict[int, list[float]] = {size: [] for size in CLIPS}
        alike = []
        for size, some in all_crops.items():
            for crop in some:
                started = time.process_time()
                seen = method(crop.pair)
                took[size].append(1e3 * (time.process_time() - started))
                found[size].append(error(seen, crop))
                if size == 256:
                    alike.append(likeness(seen, crop))
        false = [np.hypot(*method(c.unmoved))[c.inside].mean() for c in all_crops[256][:2]]
        spent[name] = {size: float(np.median(ms)) for size, ms in took.items()}
        rows[name] = [f"{np.mean(px):.4f}" for px in found.values()]
        rows[name] += [f"{np.mean(false):.4f}", f"{np.mean(alike):.2f}"]
    for name, cells in rows.items():
        errors.add_row(name, *cells)
        ratio = spent[REFERENCE][256] / max(spent[name][256], 1e-9)
        share = f"1/{ratio:.0f}" if spent[name][256] > 0.1 else "—"
        times.add_row(name, *(f"{ms:.1f}" for ms in spent[name].values()), share)
    return errors, times


def under_other_light(some: list[Crop]) -> Table:
    table = Table("end-point error, px, 256 px, apex with", *LIGHTS, title="light that changes")
    shown = {
        "merkit clg (the default)": ours("clg"),
        "merkit clg, local": ours("clg", "local"),
        "merkit tvl1": ours("tvl1"),
        "merkit tvl1, exposure": ours("tvl1", "exposure"),
        "merkit tvl1, local": ours("tvl1", "local"),
        "OpenCV DIS, finest": ours("dis"),
        "OpenCV DIS, finest, local": ours("dis", "local"),
        "OpenCV Farnebäck": ours("farneback"),
        "OpenCV Farnebäck, local": ours("farneback", "local"),
    }
    for name, method in shown.items():
        cells = []
        for change in LIGHTS.values():
            errors = []
            for crop in some:
                lit = np.rint(change(crop.pair[1].astype(float))).clip(0, 255).astype(np.uint8)
                errors.append(error(method(np.stack([crop.pair[0], lit])), crop))
            cells.append(f"{np.mean(errors):.4f}")
        table.add_row(name, *cells)
    return table


def main() -> None:
    cv2.setNumThreads(1)
    keep_freed()  # as in a worker
    console = Console(width=110)
    found = crops()
    for table in frontier(found):
        console.print(table)
    console.print(under_other_light(found[256]))


if __name__ == "__main__":
    sys.exit(main())
