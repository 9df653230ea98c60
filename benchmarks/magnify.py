"""Motion magnified, against the same face truly moved as far; noise; cost.

Faces of the demo's renderer, whose expression is known at any strength, with the demo's camera
noise; crops of 224 px, one thread. One portrait: good for comparing, no evidence about real faces.
"""

import platform
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from features import learned
from features.eulerian import EulerianConfig, change, eulerian, level_gains
from features.flow import FlowConfig, flow
from features.lagrangian import LagrangianConfig, lagrangian
from features.light import grey
from features.magnify import band
from features.memory import keep_freed
from features.phase_based import PhaseBasedConfig, phase_based
from features.pyramid import depth
from features.riesz import RieszConfig, riesz
from features.two_frame import METHODS, TwoFrameConfig, two_frame
from pipeline import synthetic
from pipeline.datasets import demo

PEAK = 0.5  # px, the greatest displacement of the expression
GAINS = (2.0, 4.0, 8.0)
CROP = np.s_[74:298, 48:272]  # 224 px about the face
PLANS = demo.plans()[::12]  # 8 of 96: each subject
FPS, HERTZ, FRAMES = np.array(100.0), 4.0, 50
STEADY = 20  # frames that differ by noise only

Magnify = Callable[[np.ndarray], np.ndarray]


def cost(function: Callable[..., object], *arguments: object) -> float:
    """CPU time of all threads, ms: the best of three, the first of which may set things up."""
    times = []
    for _ in range(3):
        started = time.process_time()
        function(*arguments)
        times.append(1e3 * (time.process_time() - started))
    return min(times)


class Face:
    """One person and one expression, at any strength."""

    def __init__(self, plan: demo.Plan) -> None:
        person = synthetic.identity(1000 * demo.SEED + plan.subject)
        self.person = synthetic.prepare(person)
        self.field = synthetic.bumps(dict(plan.units), PEAK, np.array(plan.jitter))
        self.rng = np.random.default_rng(plan.subject)
        flow = synthetic.true_flow(
            synthetic.Pose(), synthetic.Pose(), self.field, synthetic.pixels()
        )
        self.flow = np.moveaxis(flow[CROP], -1, 0)
        self.moves = np.hypot(*self.flow) > PEAK / 5

    def clean(self, strength: float) -> np.ndarray:
        """(224, 224, 3) float32, as it truly is."""
        field = synthetic.scaled(self.field, strength)
        return synthetic.draw(self.person, synthetic.Pose(), field)[CROP].clip(0, 255)

    def filmed(self, *strengths: float) -> np.ndarray:
        """(T, 224, 224, 3) uint8, as a camera gives it."""
        shown = np.stack([self.clean(strength) for strength in strengths])
        shown += demo.NOISE * self.rng.standard_normal(shown.shape, np.float32)
        return np.rint(shown).clip(0, 255).astype(np.uint8)

    def judged(self, after: np.ndarray, gain: float) -> tuple[float, float]:
        """Of (224, 224) after: motion seen in it, of what was asked; grey levels off the truth."""
        onset, true = grey(np.stack([self.clean(0), self.clean(gain)]))
        pair = np.stack([onset, after])[..., None].repeat(3, axis=-1)
        seen = flow(np.rint(pair).clip(0, 255).astype(np.uint8), FlowConfig())[:, self.moves]
        wanted = gain * self.flow[:, self.moves]
        off = (after - true)[self.moves]
        return float((seen * wanted).sum() / (wanted**2).sum()), float(np.sqrt((off**2).mean()))


def pairs() -> dict[str, Magnify]:
    """Method -> (2, H, W, 3) to (G, H, W)."""
    found: dict[str, Magnify] = {
        f"two_frame, {method}": lambda pair, m=method: two_frame(pair, TwoFrameConfig(m, GAINS))
        for method in METHODS
    }
    config = LagrangianConfig(GAINS)
    found["lagrangian"] = lambda pair: lagrangian(pair, flow(pair, FlowConfig()), config)
    found["the apex as it is"] = lambda pair: grey(pair[1:]).repeat(len(GAINS), axis=0)
    return found


def clips() -> dict[str, Magnify]:
    """Method -> (T, H, W, 3) to (T, H, W, 3), gain 4."""
    return {
        "eulerian": lambda clip: eulerian(clip, FPS, EulerianConfig(4)),
        "eulerian, wavelength 8 px": lambda clip: eulerian(
            clip, FPS, EulerianConfig(4, wavelength=8)
        ),
        "riesz": lambda clip: riesz(clip, FPS, RieszConfig(4)),
        "phase_based": lambda clip: phase_based(clip, FPS, PhaseBasedConfig(4)),
        "phase_based, since onset": lambda clip: phase_based(
            clip, FPS, PhaseBasedConfig(4, "onset")
        ),
        "the clip as it is": lambda clip: clip.astype(np.float32),
    }


def table_of_pairs(faces: list[Face]) -> Table:
    title = f"{PEAK} px from onset to apex; {len(faces)} faces of 224 px, {platform.machine()}"
    each = " ".join(f"×{gain:g}" for gain in GAINS)
    head = (f"motion {each}", f"grey levels off {each}", "noise ×8", "CPU time")
    table = Table("onset and apex", *head, title=title)
    for name, method in pairs().items():
        found, noise = [], []
        for face in faces:
            after = method(face.filmed(0, 1))
            found.append([face.judged(one, g) for one, g in zip(after, GAINS, strict=True)])
            noise.append(noisier(face, method(face.filmed(0, 0))[-1:]))
        motion, off = np.moveaxis(np.median(found, axis=0), -1, 0)
        table.add_row(
            name,
            "  ".join(f"{part:.2f}" for part in motion),
            "  ".join(f"{part:.1f}" for part in off),
            f"{np.median(noise):.1f}",
            f"{cost(method, faces[0].filmed(0, 1)):.0f} ms",
        )
    true = [[face.judged(grey(face.filmed(gain))[0], gain) for gain in GAINS] for face in faces]
    motion, off = np.moveaxis(np.median(true, axis=0), -1, 0)
    table.add_row(
        "truly moved, as far",
        "  ".join(f"{part:.2f}" for part in motion),
        "  ".join(f"{part:.1f}" for part in off),
        "1.0",
    )
    return table


def noisier(face: Face, after: np.ndarray) -> float:
    """Deviation from the face that stands still, of the camera's own."""
    rest = grey(face.clean(0)[None])
    camera = grey(face.filmed(0)) - rest
    return float((after - rest).std() / camera.std())


def table_of_clips(face: Face) -> Table:
    swing = np.sin(2 * np.pi * HERTZ * np.arange(FRAMES) / float(FPS))
    clip, steady = face.filmed(*swing), face.filmed(*np.zeros(STEADY))
    top = int(np.argmax(swing[: FRAMES // 2 + 1] > 0.99) + FRAMES // 2)
    large = np.random.default_rng(0).integers(0, 256, (100, 256, 256, 3), dtype=np.uint8)
    table = Table(
        "clip", "motion ×4", "grey levels off", "noise ×4", "CPU, 100 × 256 × 256",
        title=f"{PEAK} px swinging at {HERTZ:g} Hz, {FRAMES} frames at {FPS:g} a second",
    )  # fmt: skip
    for name, method in clips().items():
        motion, off = face.judged(grey(method(clip)[top : top + 1])[0], 4 * swing[top])
        noise = noisier(face, grey(method(steady)))
        row = (f"{motion:.2f}", f"{off:.1f}", f"{noise:.1f}", f"{cost(method, large):.0f} ms")
        table.add_row(name, *row)
    greys = grey(large)
    temporal, gains = band("butterworth", 1, 12, 100, 100), level_gains(4, 16, depth(256, 256))
    grey_cost = cost(lambda: greys + change(greys, temporal, gains))
    table.add_row("eulerian, grey to grey", "", "", "", f"{grey_cost:.0f} ms")
    colour = cost(eulerian, large, FPS, EulerianConfig(4, chroma=0.1))
    table.add_row("eulerian, chroma 0.1", "", "", "", f"{colour:.0f} ms")
    return table


def learned_costs(face: Face) -> Table:
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)
        for name, shape in learned.shapes().items()
    }
    table = Table("learned magnifier, random weights", "CPU time, one gain", title="NumPy")
    for size in (112, 224):
        pair = np.stack([cv2.resize(frame, (size, size)) for frame in face.filmed(0, 1)])
        spent = cost(learned.learned, pair, weights, learned.LearnedConfig((4.0,)))
        table.add_row(f"{size} px", f"{spent:.0f} ms")
    return table


def main() -> None:
    cv2.setNumThreads(1)
    keep_freed()  # as in a worker
    console = Console(width=100)
    faces = [Face(plan) for plan in PLANS]
    console.print(table_of_pairs(faces))
    console.print(table_of_clips(faces[0]))
    console.print(learned_costs(faces[0]))


if __name__ == "__main__":
    sys.exit(main())
