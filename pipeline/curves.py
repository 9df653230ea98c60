"""What the looks at clips say of motion: measures of it, and curves as paths of an SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from features.base import Array
from pipeline.look import Look
from pipeline.outliers import Measure

CURVES = ("head", "rest", "face")
LEFT, WIDE, BASE, TALL = 24, 212, 80, 74  # of the plot in its view box, 240 × 90
LEAST_TOP = 0.5  # px: below, a curve of a still face would look like motion


def measures(sample_ids: Sequence[str], looks: Mapping[str, Look]) -> list[Measure]:
    """The largest value of each curve, px of the crop; nothing if no clip was looked at."""
    if not looks:
        return []
    peaks = np.full((len(CURVES), len(sample_ids)), np.nan)
    for k, sample_id in enumerate(sample_ids):
        seen = looks.get(sample_id)
        if seen is not None and seen.head:
            peaks[:, k] = [max(getattr(seen, name)) for name in CURVES]
    return [
        Measure(f"{name}, largest", "px", peak) for name, peak in zip(CURVES, peaks, strict=True)
    ]


def plot(seen: Look, onset: int, apex: int) -> dict[str, Any] | None:
    """What the template draws of a look; None if it failed.

    Returns
    -------
    paths : (name, path) of each curve
    top : px at the upper end of the axis
    apex : where it stands, rightward; nothing if the clip is no longer the one that was stored
    """
    curves = np.array([getattr(seen, name) for name in CURVES])
    if curves.size == 0:
        return None
    top = max(LEAST_TOP, float(np.ceil(curves.max() / LEAST_TOP)) * LEAST_TOP)
    x = LEFT + WIDE * np.arange(curves.shape[1]) / max(curves.shape[1] - 1, 1)
    paths = [_path(x, BASE - TALL * curve / top) for curve in curves]
    return {
        "paths": list(zip(CURVES, paths, strict=True)),
        "top": f"{top:g}",
        "apex": f"{x[apex - onset]:.1f}" if 0 <= apex - onset < len(x) else "",
    }


def _path(x: Array, y: Array) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
