"""The demo: micro-expression clips made on the user's machine, with the motion known exactly.

Eight people derived from one public-domain portrait (NASA, in scikit-image) show four emotions
in 96 clips at 100 fps: a smooth onset–apex–offset displacement of 0.3–3 px, a head that moves,
light that drifts, a sensor that hisses. It is a yardstick for the code. **Scores on it say
nothing about performance on real faces.**

    demo/sub01/happiness_1/img87.jpg …   frames, numbered as an annotator would meet them
    demo/demo-coding.csv                 the annotation sheet
    demo/truth.json                      true apex, action units and head motion of every clip
"""

import csv
import json
import secrets
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from features.base import Array
from features.console import MerError
from features.disk import write_durably
from pipeline import synthetic
from pipeline.datasets.base import Dataset
from pipeline.manifest import Manifest, Sample, gather
from pipeline.maps import after, invert, moved
from pipeline.synthetic import Pose

SEED = 2026
FPS = 100
PEAK_PX = (0.3, 3.0)  # greatest displacement of the skin at the apex, drawn log-uniformly
HEAD_PX, HEAD_DEGREES, HEAD_SCALE = 1.5, 0.4, 0.003  # bounds of head motion from the onset
NOISE = 1.5  # grey levels, standard deviation
DRIFT = 0.02  # of the light, over the clip
SHEET, TRUTH = "demo-coding.csv", "truth.json"
EMOTIONS: dict[str, tuple[int, ...]] = {
    "happiness": (6, 12),
    "surprise": (1, 2, 26),
    "disgust": (4, 9, 10),
    "sadness": (1, 15, 17),
}


@dataclass(frozen=True)
class Plan:
    """Everything that is true of one clip; its frames and its true flow follow from it."""

    subject: int
    emotion: str
    take: int
    first_frame: int
    apex: int  # index in the clip; the onset is 0
    gains: tuple[float, ...]  # of the expression, a frame each: 0 at the onset, 1 at the apex
    poses: tuple[Pose, ...]
    light: tuple[float, ...]
    peak_px: float
    units: tuple[tuple[int, tuple[float, float]], ...]  # action unit, (left, right) strength
    jitter: tuple[float, float]  # px

    @property
    def clip(self) -> str:
        """Name of the clip's folder."""
        return f"{self.emotion}_{self.take}"

    @property
    def field(self) -> Array:
        """(K, 6) the expression at the apex."""
        return synthetic.bumps(dict(self.units), self.peak_px, np.array(self.jitter))

    def flow(self, points: Array | None = None) -> Array:
        """True flow onset → apex, of the expression and the head together.

        Parameters
        ----------
        points : (…, 2) px (x, y) in the onset frame; every pixel when None

        Returns
        -------
        (2, H, W) px for every pixel, u rightward and v downward; (…, 2) for points.
        """
        where = synthetic.pixels() if points is None else points
        flow = synthetic.true_flow(self.poses[0], self.poses[self.apex], self.field, where)
        return np.moveaxis(flow, -1, 0) if points is None else flow

    def flow_in_crop(self, matrix: Array, size: int) -> Array:
        """True flow as an aligned crop shows it, (2, size, size) px of the crop.

        Parameters
        ----------
        matrix : (2, 3) source px -> crop px, as `pipeline.align.alignment` gives it
        """
        y, x = np.mgrid[:size, :size].astype(float)
        source = moved(invert(matrix), np.stack([x, y], axis=-1))
        return np.moveaxis(self.flow(source) @ matrix[:, :2].T, -1, 0)

    def head_motion(self) -> Array:
        """(T, 2, 3) the head's own motion: onset frame -> frame t, without expression."""
        back = invert(self.poses[0].matrix())
        return np.stack([after(pose.matrix(), back) for pose in self.poses])


def plans(subjects: int = 8, takes: int = 3, seed: int = SEED) -> list[Plan]:
    """The clips of the demo, in the order of their names."""
    return [
        plan(subject, emotion, take, seed)
        for subject in range(1, subjects + 1)
        for emotion in sorted(EMOTIONS)
        for take in range(1, takes + 1)
    ]


def plan(subject: int, emotion: str, take: int, seed: int = SEED) -> Plan:
    """Draw one clip. The same arguments give the same clip, whatever else is made."""
    rng = np.random.default_rng([seed, subject, sorted(EMOTIONS).index(emotion), take])
    rise, fall = int(rng.integers(8, 15)), int(rng.integers(8, 17))
    rest = rng.uniform(0.0, 0.2)  # what is left of the expression at the offset
    gains = [*_ease(rise), *(1 - (1 - rest) * np.array(_ease(fall)[1:]))]
    time = np.linspace(0, 1, len(gains))
    main, *others = (
        (unit, tuple(rng.uniform(0.6, 1.0, 2))) for unit in rng.permutation(EMOTIONS[emotion])
    )
    kept = [main, *(unit for unit in others if rng.random() < 0.85)]
    return Plan(
        subject=subject,
        emotion=emotion,
        take=take,
        first_frame=int(rng.integers(1, 200)),
        apex=rise,
        gains=tuple(float(g) for g in gains),
        poses=_head(time, rng),
        light=tuple(float(g) for g in 1 + DRIFT * _wander(time, rng)),
        peak_px=float(np.exp(rng.uniform(*np.log(PEAK_PX)))),
        units=tuple(sorted((int(unit), (float(s[0]), float(s[1]))) for unit, s in kept)),
        jitter=(float(rng.normal(0, 3)), float(rng.normal(0, 3))),
    )


def _ease(steps: int) -> list[float]:
    """From 0 to 1 in `steps` steps, at rest at both ends (a minimum-jerk path)."""
    t = np.arange(steps + 1) / steps
    return [float(g) for g in t**3 * (10 - 15 * t + 6 * t**2)]


def _wander(time: Array, rng: np.random.Generator) -> Array:
    """A slow path from 0 that stays within ±1."""
    waves = rng.uniform(0.3, 1.2, 2)
    path = sum(np.sin(2 * np.pi * (f * time + rng.random())) for f in waves)
    path = path - path[0]
    return path / max(np.abs(path).max(), 1e-9) * rng.uniform(0.3, 1.0)


def _head(time: Array, rng: np.random.Generator) -> tuple[Pose, ...]:
    """Small rigid head motion about a place that is no whole pixel, so all frames blur alike."""
    x0, y0 = rng.uniform(-4, 4, 2)
    dx, dy, degrees, scale = (_wander(time, rng) for _ in range(4))
    return tuple(
        Pose(
            float(x0 + HEAD_PX * dx[t]),
            float(y0 + HEAD_PX * dy[t]),
            float(HEAD_DEGREES * degrees[t]),
            float(1 + HEAD_SCALE * scale[t]),
        )
        for t in range(len(time))
    )


def frames(plan: Plan, seed: int = SEED) -> Iterable[Array]:
    """The clip's frames, (H, W, 3) uint8 RGB each, as the camera would give them."""
    coefficients = _person(seed, plan.subject)
    rng = np.random.default_rng([seed, plan.subject, plan.first_frame, plan.take, 7])
    field = plan.field
    for gain, pose, light in zip(plan.gains, plan.poses, plan.light, strict=True):
        picture = synthetic.draw(coefficients, pose, synthetic.scaled(field, gain))
        noise = rng.standard_normal(picture.shape, np.float32)
        picture *= np.float32(light)
        noise *= np.float32(NOISE)
        picture += noise
        yield np.rint(picture, out=picture).clip(0, 255, out=picture).astype(np.uint8)


@lru_cache(maxsize=2)
def _person(seed: int, subject: int) -> Array:
    return synthetic.prepare(synthetic.identity(1000 * seed + subject))


def render(task: tuple[Plan, Path, int]) -> str:
    """Draw one clip into its folder, whole or not at all; returns its name."""
    from PIL import Image

    plan, root, seed = task
    folder = root / f"sub{plan.subject:02d}" / plan.clip
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    aside.mkdir(parents=True)
    for number, frame in enumerate(frames(plan, seed), start=plan.first_frame):
        path = aside / f"img{number}.jpg"
        Image.fromarray(frame).save(path, quality=97, subsampling=0)
    try:
        aside.rename(folder)
    except OSError:  # another process was first, with the same bytes
        shutil.rmtree(aside)
    return f"{folder.parent.name}/{folder.name}"


Over = Callable[[Callable[[Any], Any], list[Any], str], None]


def make(root: Path, over: Over, wanted: list[Plan] | None = None, seed: int = SEED) -> None:
    """Make the dataset below `root`; clips already there are kept, the sheet comes last.

    Parameters
    ----------
    over : called as ``over(function, items, title)``
        Calls the function for every item, on as many workers as there are.
    """
    wanted = plans(seed=seed) if wanted is None else wanted
    root.mkdir(parents=True, exist_ok=True)
    missing = [p for p in wanted if not (root / f"sub{p.subject:02d}" / p.clip).is_dir()]
    over(render, [(p, root, seed) for p in missing], "demo clips")
    write_durably(root / TRUTH, json.dumps([_truth(p) for p in wanted], indent=1).encode())
    write_durably(root / SHEET, _sheet(wanted).encode())


def _truth(plan: Plan) -> dict[str, Any]:
    return {
        "clip": f"sub{plan.subject:02d}/{plan.clip}",
        "apex": plan.first_frame + plan.apex,
        "peak_px": plan.peak_px,
        "action_units": {str(unit): strengths for unit, strengths in plan.units},
        "gains": plan.gains,
        "light": plan.light,
        "poses": [asdict(pose) for pose in plan.poses],
    }


def _sheet(wanted: list[Plan]) -> str:
    lines = [["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "AU", "Emotion"]]
    for p in wanted:
        last = p.first_frame + len(p.gains) - 1
        units = "+".join(str(unit) for unit, _ in p.units)
        row = [f"{p.subject:02d}", p.clip, p.first_frame, p.first_frame + p.apex, last, units]
        lines.append([*(str(cell) for cell in row), p.emotion])
    return "".join(",".join(line) + "\n" for line in lines)


def read(root: Path) -> Manifest:
    """Read the sheet that `make` wrote."""
    if not (root / SHEET).is_file():
        raise MerError(f"{root / SHEET}: no such sheet", "mer-features run demo makes the dataset")
    with (root / SHEET).open(newline="") as file:
        rows = list(csv.DictReader(file))
    return gather((row["Filename"], partial(_sample, row)) for row in rows)


def _sample(row: dict[str, str]) -> Sample:
    return Sample(
        sample_id=f"demo_sub{row['Subject']}_{row['Filename']}",
        dataset="demo",
        subject=row["Subject"],
        clip=row["Filename"],
        path=f"sub{row['Subject']}/{row['Filename']}",
        first_frame=int(row["OnsetFrame"]),
        onset=int(row["OnsetFrame"]),
        apex=int(row["ApexFrame"]),
        offset=int(row["OffsetFrame"]),
        fps=FPS,
        emotion=row["Emotion"],
        action_units=row["AU"],
    )


DATASET = Dataset(read, "made here: 96 clips, 8 subjects, 4 emotions, true motion known", make)
