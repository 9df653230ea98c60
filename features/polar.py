"""Polar: a flow as how far and which way."""

from dataclasses import dataclass

import numpy as np

from features.base import Array, Feature


@dataclass(frozen=True, slots=True)
class PolarConfig:
    """There is nothing to choose."""


def polar(flow: Array, config: PolarConfig) -> Array:
    """Magnitude and orientation of a flow.

    Parameters
    ----------
    flow : (…, 2, H, W) float32, px
        flow[…, 0, :, :] = u, rightward; flow[…, 1, :, :] = v, downward.

    Returns
    -------
    (…, 2, H, W) float32
        Magnitude √(u² + v²) in px, then orientation in radians in (-π, π]: 0 is rightward, π/2
        downward, π leftward, -π/2 upward, so clockwise as seen. Where nothing moves it is 0.

    Raises
    ------
    ValueError
        If flow is not (…, 2, H, W).
    """
    if flow.ndim < 3 or flow.shape[-3] != 2:
        raise ValueError(f"flow has shape {flow.shape}; expected (…, 2, H, W)")
    # A negative zero would turn leftward into -π, and standing still into ±π.
    u, v = np.moveaxis(flow.astype(np.float32, copy=False) + np.float32(0), -3, 0)
    return np.stack([np.hypot(u, v), np.arctan2(v, u)], axis=-3)


FEATURE = Feature(
    polar,
    PolarConfig,
    needs=("flow",),
    units="px, rad",
    axes="channel y x",
    convention="channel 0 = magnitude; 1 = orientation in (-pi, pi], 0 rightward, pi/2 downward",
    revision=1,
)
