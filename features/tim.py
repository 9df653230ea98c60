"""Temporal interpolation model: a clip of any length as one of n frames.

Zhou, Zhao and Pietikäinen, "Towards a practical lipreading system", CVPR 2011; for
micro-expressions Pfister, Li, Zhao and Pietikäinen, "Recognising spontaneous facial
micro-expressions", ICCV 2011.

They embed the frames in a path graph, whose Laplacian's eigenvectors are samples of the curve
y_k(t) = sin(πkt + π(T − k)/(2T)) at t = 1/T … 1, fit a linear map from the frames (mean removed,
by SVD) to the curve, and map the curve at other t back. For linearly independent frames the map
takes frame i to y(i/T) exactly, so mean, SVD and inverse cancel: what is left is a matrix of
weights that depends on T and n alone,

    w(t)_i = 1/T + 2/T Σ_k y_k(t) y_k(i/T),

cosine interpolation (DCT-II). That form is used here, also where frames repeat (ours): it is what
the model tends to as the noise that tells two such frames apart goes to zero, and nothing is
divided by a vanishing singular value.
"""

from dataclasses import dataclass

import numpy as np

from features.base import Array, Feature

METHODS = ("graph", "linear")
BLOCK = 1 << 13  # values of a frame held as float at once; a cache's worth for 30 frames


@dataclass(frozen=True, slots=True)
class TimConfig:
    """How many frames come out, and on which curve they lie."""

    frames: int = 10  # the usual length for micro-expressions
    method: str = "graph"  # or linear: between the two neighbours in time

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ValueError(f"frames is {self.frames}; a clip has at least 2")
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}; expected one of {METHODS}")


def weights(method: str, given: int, wanted: int) -> Array:
    """What each given frame adds to each wanted one.

    The wanted frames are at equal steps from the first given frame to the last.

    Returns
    -------
    (wanted, given) float64
        Rows sum to 1. Those of "linear" are never negative; the absolute values of a row of
        "graph" add up to less than 1 + (2/π) ln(given), so noise cannot explode.
    """
    if method == "linear":
        at = np.linspace(0, given - 1, wanted)
        return np.maximum(1 - np.abs(at[:, None] - np.arange(given)), 0)
    nodes = _curve(np.arange(1, given + 1) / given, given)
    return (1 + 2 * _curve(np.linspace(1 / given, 1, wanted), given) @ nodes.T) / given


def _curve(t: Array, given: int) -> Array:
    """y_k(t) of a path graph of so many frames, (len(t), given − 1)."""
    k = np.arange(1, given)
    return np.sin(np.pi * k * t[:, None] + np.pi * (given - k) / (2 * given))


def tim(clip: Array, config: TimConfig) -> Array:
    """Resample a clip in time.

    Not an anti-alias filter: a clip made shorter is sampled, not averaged.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8 RGB, or float32 in grey levels
        A clip of one frame becomes n times that frame.

    Returns
    -------
    (n, H, W, 3) float32, grey levels 0 … 255
        Not rounded; what the graph's curve overshoots is cut off.

    Raises
    ------
    ValueError
        If clip is not (T, H, W, 3) or has no frame.
    """
    if clip.ndim != 4 or clip.shape[3] != 3 or not len(clip):
        raise ValueError(f"clip is {clip.shape}; expected (T, H, W, 3)")
    mixing = weights(config.method, len(clip), config.frames).astype(np.float32)
    flat = clip.reshape(len(clip), -1)
    mixed = np.empty((config.frames, flat.shape[1]), np.float32)
    for start in range(0, flat.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        np.matmul(mixing, flat[:, block].astype(np.float32), out=mixed[:, block])
    return np.clip(mixed, 0, 255, out=mixed).reshape(-1, *clip.shape[1:])


FEATURE = Feature(
    tim,
    TimConfig,
    needs=("clip",),
    units="grey levels",
    axes="time y x channel",
    convention="RGB, 0 to 255; equal steps in time, first frame = onset, last = offset",
    revision=1,
    sensitive=True,
)
