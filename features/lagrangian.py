"""The apex, moved on along its flow from the onset.

Lagrangian magnification: measure motion, multiply it, warp by it (Liu, Torralba, Freeman, Durand
and Adelson, "Motion magnification", SIGGRAPH 2005; of micro-expressions, Le Ngo, Johnston, Phan
and See, FG 2018, whose modes of motion over a whole clip are not computed here). As good as the
flow is: no bound on the gain, and no motion where the flow finds none.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from features.base import Array, Feature
from features.light import grey

ITERATIONS = 4  # of where a moved point began; ours. Halved steps: settle for strains to 3 / gain


@dataclass(frozen=True, slots=True)
class LagrangianConfig:
    """How far the apex moves on."""

    gains: tuple[float, ...] = (
        1.0,
        2.0,
        4.0,
        8.0,
    )  # of the displacement; 1 = the apex, 0 = the onset

    def __post_init__(self) -> None:
        if not self.gains or not all(g == 0 or 1 <= g < np.inf for g in self.gains):
            raise ValueError(f"gains are {self.gains}; expected one or more, each 0 or at least 1")


def lagrangian(frames: Array, flow: Array, config: LagrangianConfig) -> Array:
    """The apex, each gain's.

    The apex and not the onset is warped, by gain - 1: gain 1 is then the apex as it was seen,
    whatever the flow. Bicubic, to a 32nd of a px as OpenCV warps; edges are continued.

    Parameters
    ----------
    frames : (2, H, W, 3) uint8 RGB
        The aligned onset and apex.
    flow : (2, H, W) float32, px
        From onset to apex: flow[0] = u, rightward; flow[1] = v, downward.

    Returns
    -------
    (G, H, W) float32, grey levels 0 … 255, not rounded
        Luma.

    Raises
    ------
    ValueError
        If frames are not (2, H, W, 3) uint8, or the flow is not of them.
    """
    if frames.shape[::3] != (2, 3) or frames.ndim != 4 or frames.dtype != np.uint8:
        raise ValueError(f"frames are {frames.shape} {frames.dtype}; expected (2, H, W, 3) uint8")
    if flow.shape != (2, *frames.shape[1:3]):
        raise ValueError(f"flow has shape {flow.shape}; expected (2, {frames.shape[1]}, …)")
    onset, apex = grey(frames)
    there = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in apex.shape[::-1])))
    moved = []
    for gain in config.gains:
        if gain == 0:
            moved.append(onset)
            continue
        own = flow  # of the point now at x, which began at x0: x = x0 + gain · F(x0)
        for _ in range(ITERATIONS):
            began = there - gain * own
            own = (own + np.stack([_look(part, began, cv2.INTER_LINEAR) for part in flow])) / 2
        moved.append(_look(apex, there - (gain - 1) * own, cv2.INTER_CUBIC))
    return np.clip(np.stack(moved), 0, 255).astype(np.float32, copy=False)


def _look(picture: Array, places: Array, how: int) -> Array:
    """(H, W) of the picture, seen at places (2, H, W) px (x, y)."""
    x, y = places.astype(np.float32, copy=False)
    return cv2.remap(picture, x, y, how, borderMode=cv2.BORDER_REPLICATE)


FEATURE = Feature(
    lagrangian,
    LagrangianConfig,
    needs=("onset_apex", "flow"),
    units="grey levels",
    axes="gain y x",
    convention="luma 0 to 255 of the apex moved on; displacement from onset times gain",
    revision=1,
    sensitive=True,
)
