"""Flow without what is left of the head's motion.

A similarity is fitted to the flow of the face's rigid parts and subtracted everywhere. It takes
out what steadying the frames has left, or all of the head's motion where they were not steadied.
"""

from dataclasses import dataclass

import numpy as np

from features.base import Array, Feature
from features.rigid import rigid_parts

OUTVOTED = 4.685  # deviations; Tukey's biweight at 95 % efficiency
ITERATIONS = 8


@dataclass(frozen=True, slots=True)
class SteadyFlowConfig:
    """What is taken for rigid motion."""

    motion: str = "similarity"  # shift, turn and scale; or "translation"

    def __post_init__(self) -> None:
        if self.motion not in ("translation", "similarity"):
            raise ValueError(f"motion is {self.motion!r}; expected translation or similarity")


def steady_flow(flow: Array, places: Array, config: SteadyFlowConfig) -> Array:
    """Flow minus the rigid motion of the head.

    Parameters
    ----------
    flow : (..., 2, H, W) float32, px
        flow[0] = u, rightward; flow[1] = v, downward.
    places : (8, 2) px (x, y)
        Where eyes and brows are on the onset.

    Returns
    -------
    (..., 2, H, W) float32, px

    Raises
    ------
    ValueError
        If flow is not (..., 2, H, W), or no rigid part of the face is in it.
    """
    if flow.ndim < 3 or flow.shape[-3] != 2:
        raise ValueError(f"flow has shape {flow.shape}; expected (..., 2, H, W)")
    height, width = flow.shape[-2:]
    y, x = np.nonzero(rigid_parts(places, height, width))
    if len(x) < 16:
        raise ValueError("no rigid part of the face lies in the flow")
    # A similarity is z ↦ a·z + b in complex numbers.
    grid = np.arange(width) - (width - 1) / 2 + 1j * (np.arange(height) - (height - 1) / 2)[:, None]
    still = np.empty_like(flow, np.float32)
    for index in np.ndindex(flow.shape[:-3]):
        w = flow[index][0].astype(float) + 1j * flow[index][1]
        a, b = _fit(grid[y, x], w[y, x], config.motion)
        rest = w - a * grid - b
        still[index] = np.stack([rest.real, rest.imag])
    return still


def _fit(z: Array, w: Array, motion: str) -> tuple[complex, complex]:
    """Robust least squares w ≈ a·z + b: whatever moves against the rest has no weight."""
    weights = np.ones(len(z))
    for _ in range(ITERATIONS):
        total = weights.sum()
        z0, w0 = (weights @ z) / total, (weights @ w) / total
        dz = z - z0
        a = 0j
        if motion == "similarity":
            a = complex((weights * dz.conj()) @ (w - w0) / (weights @ np.abs(dz) ** 2))
        b = complex(w0 - a * z0)
        rest = np.abs(w - a * z - b)
        spread = 1.4826 * float(np.median(rest)) + 1e-9
        weights = np.maximum(0.0, 1 - (rest / (OUTVOTED * spread)) ** 2) ** 2
    return a, b


FEATURE = Feature(
    steady_flow,
    SteadyFlowConfig,
    needs=("flow", "places"),
    units="px",
    axes="channel y x",
    convention="channel 0 = u rightward, 1 = v downward; rigid motion of the head subtracted",
    revision=1,
)
