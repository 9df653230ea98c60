"""Optical strain: how much the skin is deformed from the onset to the apex.

Shreve, Godavarthy, Goldgof and Sarkar, "Macro- and micro-expression spotting in long videos
using spatio-temporal strain", FG 2011; the magnitude as Liong et al. (STSTNet, FG 2019) use it,
with the shear's cross term that several public ports drop.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from features.base import Array, Feature


@dataclass(frozen=True, slots=True)
class StrainConfig:
    """What is done to the flow before it is differentiated."""

    sigma: float = 1.0  # px, Gaussian smoothing of u and v; 0 = none

    def __post_init__(self) -> None:
        if self.sigma < 0:
            raise ValueError(f"sigma is {self.sigma} px; it cannot be negative")


def strain(flow: Array, config: StrainConfig) -> Array:
    """Magnitude of the infinitesimal strain tensor, √(u_x² + v_y² + ½(u_y + v_x)²).

    Parameters
    ----------
    flow : (2, H, W) float32, px
        flow[0] = u, rightward; flow[1] = v, downward.

    Returns
    -------
    (1, H, W) float32, px/px
        Never negative; 0 for a translation and, to first order, for a rotation.

    Raises
    ------
    ValueError
        If flow is not (2, H, W).
    """
    if flow.ndim != 3 or len(flow) != 2:
        raise ValueError(f"flow has shape {flow.shape}; expected (2, H, W)")
    smooth = gaussian_filter(flow, (0, config.sigma, config.sigma)) if config.sigma else flow
    (u_y, u_x), (v_y, v_x) = (np.gradient(component) for component in smooth)
    magnitude = np.sqrt(u_x**2 + v_y**2 + (u_y + v_x) ** 2 / 2)
    return magnitude[None].astype(np.float32, copy=False)


FEATURE = Feature(
    strain,
    StrainConfig,
    needs=("flow",),
    units="px/px",
    axes="channel y x",
    convention="sqrt(u_x^2 + v_y^2 + (u_y + v_x)^2 / 2)",
    revision=1,
)
