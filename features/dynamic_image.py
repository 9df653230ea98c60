"""Dynamic image: a clip as one picture of how it changes, by rank pooling.

Bilen, Fernando, Gavves, Vedaldi and Gould, "Dynamic image networks for action recognition", CVPR
2016 (approximate pooling, "harmonic"; without averaging over time, "linear"); Fernando, Gavves,
Oramas, Ghodrati and Tuytelaars, "Modeling video evolution for action recognition", CVPR 2015
("ranksvm": support vector regression of the time).

The default plays the part of TRDI, form "linear" with order "intensity" that of MIDI, both of Man
et al., arXiv 2510.09730; which form goes with which, and how intensity is measured, are ours. The
pictures of the phases (DIANet) are this feature fed with "rise" or "fall" in place of "clip".

Ours: every form works on differences to its first frame and has coefficients that add up to zero,
so that what does not move cancels exactly, also under "ranksvm", which has no intercept; and
the absolute values of fixed coefficients add up to 1, so that clips of any length compare.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from features.base import Array, Feature
from features.light import grey

FIXED = ("harmonic", "linear")
FITTED = ("ranksvm", "ridge")
ORDERS = ("time", "intensity")
COST, EPSILON = 1.0, 0.1  # of ranksvm, as Fernando et al. have them; epsilon in frames
BLUR = 1.5  # px, Gaussian before motion intensity is measured; ours
BLOCK = 1 << 13  # values of a frame held as float at once; a cache's worth for 30 frames


@dataclass(frozen=True, slots=True)
class DynamicImageConfig:
    """How frames are weighted, and in which order they come."""

    form: str = "harmonic"  # or linear, ranksvm, ridge
    order: str = "time"  # or intensity: from the frame that differs least from the first
    reverse: bool = False  # pool the frames last to first
    ridge: float = 0.1  # of "ridge" only; share of all change in the clip, large = as linear

    def __post_init__(self) -> None:
        if self.form not in FIXED + FITTED:
            raise ValueError(f"form is {self.form!r}; expected one of {FIXED + FITTED}")
        if self.order not in ORDERS:
            raise ValueError(f"order is {self.order!r}; expected one of {ORDERS}")
        if self.ridge <= 0:
            raise ValueError(f"ridge is {self.ridge}; it must be above 0")


def coefficients(form: str, n: int) -> Array:
    """Weights of n frames, of the forms that do not look at them.

    Linear: 2t − n − 1. Harmonic: Σ_{k = t … n} (2k − n − 1)/k, which is the linear form applied
    to the means of the frames up to each time (Bilen et al.).

    Returns
    -------
    (n,) float64
        Their sum is 0; not normalised.
    """
    if form not in FIXED:
        raise ValueError(f"form is {form!r}; expected one of {FIXED}")
    t = np.arange(1, n + 1)
    rank = 2.0 * t - n - 1
    return rank if form == "linear" else np.cumsum((rank / t)[::-1])[::-1]


def fitted_coefficients(form: str, gram: Array, ridge: float) -> Array:
    """Weights of n frames, of the forms that do look: regression of their time on what they show.

    A regression's picture is the larger the smaller the motion, and part of its weights may
    cancel in it. So only its pattern is kept (ours): it is given the root mean square of the
    picture by linear weights (ridge, which tends to that picture as λ grows) or by harmonic ones
    (ranksvm).

    Parameters
    ----------
    gram : (n, n) float64
        Inner products of the frames' differences to the first one.
    ridge : λ of "ridge"

    Returns
    -------
    (n,) float64
        Their sum is 0. Ready for use: the picture is in the units of the frames.
    """
    if form == "ridge":
        weights, cousin = _ridge(gram, ridge), coefficients("linear", len(gram))
    elif form == "ranksvm":
        weights, cousin = _ranksvm(gram), coefficients("harmonic", len(gram))
    else:
        raise ValueError(f"form is {form!r}; expected one of {FITTED}")
    wanted, found = (float(w @ gram @ w) for w in (normalised(cousin), weights))
    # both are squares of norms: below zero by rounding alone
    return weights * np.sqrt(max(wanted, 0.0) / found) if found > 0 else np.zeros_like(weights)


def _ridge(gram: Array, ridge: float) -> Array:
    """(K + λ trace K)⁻¹ (t − mean t), K the Gram matrix centred: regression with intercept."""
    n = len(gram)
    t = np.arange(1.0, n + 1)
    centred = gram - gram.mean(axis=0) - gram.mean(axis=1)[:, None] + gram.mean()
    share = centred / (float(np.trace(centred)) or 1.0)
    weights = np.linalg.solve(share + ridge * np.eye(n), t - t.mean())
    return weights - weights.mean()  # zero but for rounding


def _ranksvm(gram: Array) -> Array:
    """`regression` of the means of the frames up to each time t on t = 1 … n.

    Fernando et al. scale each frame to norm 1; that would give a still frame's noise the weight
    of motion, so here all are scaled as one, to a mean squared norm of 1 (ours).
    """
    n = len(gram)
    t = np.arange(1.0, n + 1)
    running = np.tri(n) / t[:, None]
    means = running @ gram @ running.T
    scaled = means / (float(np.trace(means)) / n or 1.0)
    weights: Array = regression(scaled, t, COST, EPSILON) @ running
    weights[0] -= weights.sum()  # the first difference is zero: its weight is free
    return weights


def normalised(weights: Array) -> Array:
    """Weights whose absolute values add up to 1; of a single frame, 0."""
    return weights / (np.abs(weights).sum() or 1.0)


def regression(gram: Array, targets: Array, cost: float, epsilon: float) -> Array:
    """Linear support vector regression without intercept, exact, by the samples' Gram matrix.

    Minimises ½‖w‖² + cost Σ max(0, |w·x_i − target_i| − epsilon)² over w = Σ β_i x_i. The
    objective is convex and piecewise quadratic, so Newton's method with Armijo's line search ends
    at the minimum (Mangasarian, "A finite Newton method for classification", 2002).

    Parameters
    ----------
    gram : (n, n) float64, x_i·x_j
    targets : (n,) float64

    Returns
    -------
    (n,) float64
        β.

    Raises
    ------
    ValueError
        If gram is not finite.
    ArithmeticError
        If it has not ended after 100 steps.
    """
    if not np.isfinite(gram).all():
        raise ValueError("a frame has values that are not finite")

    def excess(beta: Array) -> Array:
        error: Array = gram @ beta - targets
        return np.sign(error) * np.maximum(np.abs(error) - epsilon, 0)

    def objective(beta: Array) -> float:
        return float(beta @ gram @ beta / 2 + cost * (excess(beta) ** 2).sum())

    beta = np.zeros(len(targets))
    for _ in range(100):
        over = excess(beta)
        active = over != 0
        newton = np.zeros_like(beta)
        inner = gram[np.ix_(active, active)] + np.eye(active.sum()) / (2 * cost)
        newton[active] = np.linalg.solve(inner, (targets + epsilon * np.sign(over))[active])
        if (np.sign(excess(newton)) == np.sign(over)).all():
            return newton  # the quadratic piece it solves is the one it lies on
        step = newton - beta
        now, slope = objective(beta), float(step @ gram @ (beta + 2 * cost * over))
        length = 1.0
        while objective(beta + length * step) > now + 1e-4 * length * slope and length > 1e-6:
            length /= 2
        beta = beta + length * step
    raise ArithmeticError("support vector regression did not end within 100 steps")


def differences_gram(frames: Array) -> Array:
    """Inner products of the frames' differences to the first, (T, T) float64."""
    flat = frames.reshape(len(frames), -1)
    gram = np.zeros((len(flat), len(flat)))
    for start in range(0, flat.shape[1], BLOCK):
        block = flat[:, start : start + BLOCK].astype(np.float32)
        block -= block[0].copy()
        gram += block @ block.T
    return gram


def motion_intensity(frames: Array) -> Array:
    """How far each frame is from the first: mean of |G * (I_t − I_1)|, G a Gaussian of 1.5 px.

    RGB frames are compared as grey levels, flows by the length of the vectors. A mean over three
    frames in time keeps noise from reordering neighbours.

    Parameters
    ----------
    frames : (T, H, W, 3) RGB, or (T, C, H, W)

    Returns
    -------
    (T,) float64
    """
    first = frames[0].astype(np.float32)
    intensity = []
    for frame in frames:
        difference = frame - first
        planes = grey(difference[None]) if difference.shape[2] == 3 else difference
        blurred = [cv2.GaussianBlur(plane, (0, 0), BLUR) for plane in planes]
        intensity.append(np.linalg.norm(blurred, axis=0).mean(dtype=np.float64))
    before, after = [intensity[0], *intensity[:-1]], [*intensity[1:], intensity[-1]]
    return np.mean([before, intensity, after], axis=0)


def pool(frames: Iterable[Array], weights: Array) -> Array:
    """Weighted sum of frames, one at a time: Σ w_t (I_t − I_1).

    For weights that add up to zero this is Σ w_t I_t, without the rounding of large sums that
    cancel. A clip may be longer than memory.

    Parameters
    ----------
    frames : as many as weights, of one shape
    weights : (T,) float, sum 0

    Returns
    -------
    float32 (float64 if the frames are) of the frames' shape
        Exactly 0 where all frames are equal.

    Raises
    ------
    ValueError
        If weights do not add up to zero, or are not as many as frames.
    """
    if abs(weights.sum()) > 1e-9 * np.abs(weights).sum():
        raise ValueError(f"weights add up to {weights.sum():g}; a static face would not cancel")
    rest = iter(frames)
    start = next(rest, None)
    if start is None:
        raise ValueError("there is no frame to pool")
    first = start.astype(np.result_type(start, np.float32))
    total, scratch = np.zeros_like(first), np.empty_like(first)
    for frame, weight in zip(rest, weights[1:], strict=True):
        np.subtract(frame, first, out=scratch)
        np.multiply(scratch, float(weight), out=scratch)
        total += scratch
    return total


def dynamic_image(frames: Array, config: DynamicImageConfig) -> Array:
    """Pool a clip, or flows or magnified frames in time, to one picture.

    Parameters
    ----------
    frames : (T, H, W, 3) RGB, uint8 or float; or (T, C, H, W), such as flows with C = 2
        Frames if the last axis is 3 long. One frame has no motion: zeros.

    Returns
    -------
    (3, H, W) or (C, H, W) float32
        In the units of frames, whatever T. Zero where nothing changes; brighter towards the end
        is positive.

    Raises
    ------
    ValueError
        If frames are not four-dimensional or there is none.
    """
    if frames.ndim != 4 or not len(frames):
        raise ValueError(f"frames are {frames.shape}; expected (T, H, W, 3) or (T, C, H, W)")
    order = np.arange(len(frames))
    if config.order == "intensity":
        order = np.argsort(motion_intensity(frames), kind="stable")
    if config.reverse:
        order = order[::-1]
    if config.form in FIXED:
        weights = normalised(coefficients(config.form, len(frames)))
    else:
        weights = fitted_coefficients(config.form, differences_gram(frames[order]), config.ridge)
    picture = pool((frames[i] for i in order), weights)
    if frames.shape[3] == 3:
        picture = np.moveaxis(picture, -1, 0)
    return np.ascontiguousarray(picture, np.float32)


FEATURE = Feature(
    dynamic_image,
    DynamicImageConfig,
    needs=("clip",),
    units="grey levels",
    axes="channel y x",
    convention="RGB; weighted sum of differences to the first frame, 0 = no change",
    revision=1,
    sensitive=True,  # the edges of a face that moves are printed, and edges tell who it is
)
