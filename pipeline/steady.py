"""Steady: how the head moved from the onset to another frame, so that a crop can follow it.

The motion is estimated from pixels, on parts of the face that no muscle of expression moves:
the forehead, the temples, the ridge of the nose. Whatever moves there against the rest (a brow,
a blink) is outvoted. Landmarks are too coarse for this, and a registration of the whole face
would follow the expression and so correct it away.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from features.base import Array
from features.console import one_of
from features.kernel import kernel
from features.rigid import rigid_parts
from pipeline.align import CropConfig, Rows, alignment, places_in, whole
from pipeline.maps import after, invert, moved, scale_of
from pipeline.resample import part, sample

MOTIONS = ("none", "translation", "euclidean", "similarity", "affine")

# All registration happens in one aligned view, whatever size the crop is. Ours, by measurement.
VIEW = CropConfig(size=224)
BLURS = (6.0, 2.0)  # px of the view: from coarse to fine
STEPS = (3, 1)  # every so many px of the view
ITERATIONS = 12
STILL_PX = 1e-3  # an update that moves no pixel by more ends it
FURTHEST_PX = 40.0  # of the view: beyond, it is no head motion but a failure
LIKE = 0.5  # correlation of the rigid parts, at least; of a face with itself it is near 1
OUTVOTED = 4.0  # standard deviations of the residual, beyond which a pixel has no weight


@dataclass(frozen=True, slots=True)
class SteadyConfig:
    """How head motion is taken out of a clip."""

    motion: str = "similarity"  # shift, turn and scale; "none" leaves it in

    def __post_init__(self) -> None:
        one_of("motion", self.motion, MOTIONS)


class Unsteady(Exception):
    """A frame could not be registered to the onset."""


@dataclass(frozen=True, slots=True)
class Level:
    """The onset's rigid pixels, blurred.

    Parameters
    ----------
    points : (2, N) px of the view, x and y
    shown : (N,) grey levels
    slopes : (N, K + 2) how they change with each parameter of the motion, with gain and offset
    """

    blur: float
    points: Array
    shown: Array
    slopes: Array


@dataclass(frozen=True, slots=True)
class Reference:
    """The onset as registration wants it.

    Parameters
    ----------
    view : (2, 3) source px -> px of the view
    levels : from coarse to fine
    """

    motion: str
    view: Array
    levels: tuple[Level, ...]


def reference(frame: Array, landmarks: Array | None, rows: Rows, config: SteadyConfig) -> Reference:
    """Prepare the onset frame, to which all others will be registered.

    Parameters
    ----------
    frame : (H, W, 3) uint8 RGB
    landmarks : (P, 2) px; None for a clip that was cropped already, all of which is then used
    """
    if landmarks is None:
        view, rigid = whole(frame, VIEW), np.ones((VIEW.size, VIEW.size), bool)
    else:
        view = alignment(landmarks, rows, VIEW)
        rigid = rigid_parts(places_in(view, landmarks, rows), VIEW.size, VIEW.size)
    levels = []
    for blur, step in zip(BLURS, STEPS, strict=True):
        shown = _shown(frame, view, blur)
        dy, dx = np.gradient(shown)
        chosen = np.zeros_like(rigid)
        chosen[step:-step:step, step:-step:step] = rigid[step:-step:step, step:-step:step]
        at = np.nonzero(chosen)
        points = np.stack([at[1], at[0]]).astype(float)
        slopes = _slopes(points, dx[at], dy[at], shown[at], config.motion)
        levels.append(Level(blur, points, shown[at], slopes))
    return Reference(config.motion, view, tuple(levels))


def head_motion(onset: Reference, frame: Array) -> Array:
    """Where the head has gone since the onset.

    Inverse compositional Gauss–Newton with Tukey's weights; gain and offset are fitted too.
    Baker and Matthews, "Lucas–Kanade 20 years on", IJCV 2004, §3.2 and part 2. The weights'
    scale is the residual's median deviation in each iteration.

    Parameters
    ----------
    frame : (H, W, 3) uint8 RGB

    Returns
    -------
    (2, 3) float64: onset px -> frame px, both of the source

    Raises
    ------
    Unsteady
        If the frame does not show the same face, or too little of it.
    """
    about = np.array([[1, 0, (VIEW.size - 1) / 2], [0, 1, (VIEW.size - 1) / 2]])
    found = np.eye(2, 3)
    for level in onset.levels:
        grey, into = _seen(frame, onset.view, level.blur)
        light = np.zeros(2)
        for iteration in range(ITERATIONS):
            back = after(into, after(invert(onset.view), found))
            seen = sample(grey, back, level.points)
            rest = seen - level.shown
            unlit = rest - level.slopes[:, -2:] @ light
            weights = _weights(unlit) if iteration else np.ones_like(unlit)
            try:
                step = np.linalg.solve(*_normal_equations(level.slopes, weights, rest))
            except np.linalg.LinAlgError:
                raise Unsteady("it shows no texture") from None
            light = step[-2:]
            change = after(about, after(_as_map(step[:-2], onset.motion), invert(about)))
            found = after(found, invert(change))
            if (
                np.abs(step[:2]).max() < STILL_PX
                and np.abs(step[2:-2]).sum() * VIEW.size < STILL_PX
            ):
                break
    corners = np.array([(x, y) for x in (0.0, VIEW.size) for y in (0.0, VIEW.size)])
    furthest = np.hypot(*(moved(found, corners) - corners).T).max()
    like = np.corrcoef(seen, level.shown)[0, 1] if seen.std() else 0.0
    if not (furthest <= FURTHEST_PX and like >= LIKE):  # NaN too
        raise Unsteady("it does not show the onset's face, or too little of it")
    return after(invert(onset.view), after(found, onset.view))


def _shown(frame: Array, view: Array, blur: float) -> Array:
    """(224, 224) float64 grey levels of a frame's view, blurred."""
    grey, into = _seen(frame, view, blur)
    y, x = np.mgrid[: VIEW.size, : VIEW.size].astype(float)
    shown = sample(grey, after(into, invert(view)), np.stack([x.ravel(), y.ravel()]))
    return shown.reshape(VIEW.size, VIEW.size)


def _seen(frame: Array, view: Array, blur: float) -> tuple[Array, Array]:
    """The part of a frame that the view shows, grey and blurred; of a large face, shrunk too.

    Returns
    -------
    (h, w) float32 grey levels
    (2, 3) source px -> px of that part
    """
    wide = blur / scale_of(view)
    margin = int(np.ceil(FURTHEST_PX / scale_of(view)))
    (top, left), seen = part(frame, invert(view), VIEW.size, margin)
    grey = cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY)
    shrink = max(1, int(wide / 2))  # whole pixels are averaged, and still three lie in the blur
    height, width = (length // shrink for length in grey.shape)
    if shrink > 1 and min(height, width) > 0:
        whole_pixels = grey[: height * shrink, : width * shrink]
        grey = cv2.resize(whole_pixels, (width, height), interpolation=cv2.INTER_AREA)
    else:
        shrink = 1
    into = np.array([[1, 0, -left - (shrink - 1) / 2], [0, 1, -top - (shrink - 1) / 2]]) / shrink
    return cv2.GaussianBlur(grey.astype(np.float32), (0, 0), wide / shrink), into


def _slopes(points: Array, dx: Array, dy: Array, shown: Array, motion: str) -> Array:
    """(N, K + 2) change of each grey level with the motion's parameters, with gain and offset."""
    x, y = points - (VIEW.size - 1) / 2
    more = {
        "translation": [],
        "euclidean": [x * dy - y * dx],
        "similarity": [x * dy - y * dx, x * dx + y * dy],
        "affine": [x * dx, y * dx, x * dy, y * dy],
    }[motion]
    columns = [dx, dy, *more, shown - shown.mean(), np.ones_like(shown)]
    return np.ascontiguousarray(np.stack(columns, axis=-1))


def _as_map(step: Array, motion: str) -> Array:
    """(2, 3) of a motion's parameters, about the middle of the view."""
    shift, more = step[:2], step[2:]
    if motion == "affine":
        linear = np.eye(2) + more.reshape(2, 2)
    else:
        turn, grow = (*more, 0.0, 0.0)[:2]
        linear = np.array([[1 + grow, -turn], [turn, 1 + grow]])
        if motion == "euclidean":
            linear /= np.sqrt(np.linalg.det(linear))
    return np.column_stack([linear, shift])


def _weights(rest: Array) -> Array:
    """Tukey's biweight of residuals."""
    spread = 1.4826 * np.median(np.abs(rest)) + 1e-9
    return np.maximum(0.0, 1 - (rest / (OUTVOTED * spread)) ** 2) ** 2


# The kernels. No fast-math, and sums in one order: the same bytes on every run.


@kernel()
def _normal_equations(slopes, weights, rest):  # type: ignore[no-untyped-def]
    """(K, K) and (K,) of the weighted least-squares step."""
    n, k = slopes.shape
    normal, moment = np.zeros((k, k)), np.zeros(k)
    for i in range(n):
        for a in range(k):
            weighted = weights[i] * slopes[i, a]
            moment[a] += weighted * rest[i]
            for b in range(a, k):
                normal[a, b] += weighted * slopes[i, b]
    for a in range(k):
        for b in range(a):
            normal[a, b] = normal[b, a]
    return normal, moment
