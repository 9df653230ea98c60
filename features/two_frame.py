"""The apex, as it would be had the face moved several times as far from the onset.

With two frames no filter in time is needed, and what the magnifiers of clips do has a closed form:
linear (Wu et al., SIGGRAPH 2012, without its spatial cut-off), phase (Wadhwa et al., SIGGRAPH
2013) and riesz (Wadhwa et al., ICCP 2014). Several gains cost little more than one, as input of
networks that compare them (ARTNet, Sensors 26(1):247, 2026; its own magnifier is not known).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.base import Array, Feature
from features.console import one_of
from features.light import grey
from features.pyramid import depth, riesz_turned
from features.steerable import pyramid, turned

SIGMA = 2.0  # as the magnifiers of clips have it


def linear(greys: Array, more: Array) -> Array:
    """Every pixel's difference, amplified: onset + g (apex - onset). Noise is, too."""
    return more[:, None, None] * (greys[1] - greys[0])


def phase(greys: Array, more: Array) -> Array:
    """Turn each band of the apex further: half-octave bands in 8 orientations."""
    shape = pyramid(*greys.shape[1:])
    return turned(greys, _of_the_apex(more), [1] * len(more), SIGMA, shape)


def riesz(greys: Array, more: Array) -> Array:
    """The same in a Riesz pyramid."""
    levels = depth(*greys.shape[1:])
    return riesz_turned(greys, _of_the_apex(more), [1] * len(more), SIGMA, levels)


METHODS: dict[str, Callable[[Array, Array], Array]] = {
    "phase": phase, "linear": linear, "riesz": riesz
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TwoFrameConfig:
    """How far the apex moves on, and by which method."""

    method: str = "phase"  # or "linear", "riesz"; features/lagrangian.py goes by the flow
    gains: tuple[float, ...] = (
        1.0,
        2.0,
        4.0,
        8.0,
    )  # of the displacement; 1 = the apex, 0 = the onset

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        if not self.gains or not all(g == 0 or 1 <= g < np.inf for g in self.gains):
            raise ValueError(f"gains are {self.gains}; expected one or more, each 0 or at least 1")


def two_frame(frames: Array, config: TwoFrameConfig) -> Array:
    """The apex, each gain's.

    Parameters
    ----------
    frames : (2, H, W, 3) uint8 RGB
        The aligned onset and apex.

    Returns
    -------
    (G, H, W) float32, grey levels 0 … 255, not rounded
        Luma; gain 1 gives the apex's own, gain 0 the onset's: what flows are measured from.

    Raises
    ------
    ValueError
        If frames are not (2, H, W, 3) uint8.
    """
    if frames.shape[::3] != (2, 3) or frames.ndim != 4 or frames.dtype != np.uint8:
        raise ValueError(f"frames are {frames.shape} {frames.dtype}; expected (2, H, W, 3) uint8")
    greys = grey(frames)
    gains = np.array(config.gains, np.float32)
    moved = np.clip(greys[1] + METHODS[config.method](greys, gains - 1), 0, 255)
    moved[gains == 0] = greys[0]  # to the bit, which no method gives
    return moved


def _of_the_apex(more: Array) -> Array:
    """(G, 2): all of the phase from onset to apex, none of the onset's own."""
    return np.stack([np.zeros_like(more), more], axis=1)


FEATURE = Feature(
    two_frame,
    TwoFrameConfig,
    needs=("onset_apex",),
    units="grey levels",
    axes="gain y x",
    convention="luma 0 to 255 of the apex moved on; displacement from onset times gain",
    revision=1,
    sensitive=True,
)
