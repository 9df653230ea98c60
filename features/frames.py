"""Frames of the aligned face themselves, for networks that look at pixels (MMNet, FDP).

Nothing but chosen: no picture is changed, none is made between two others (`features.tim` does).
"""

from dataclasses import dataclass

import numpy as np

from features.base import Array, Feature
from features.light import grey


@dataclass(frozen=True, slots=True)
class FramesConfig:
    """Which frames, and whether in colour."""

    count: int = 0  # at equal steps from first to last, rounded to whole frames; 0 = all
    colour: bool = True

    def __post_init__(self) -> None:
        if self.count < 0 or self.count == 1:
            raise ValueError(f"count is {self.count}; expected 2 or more, or 0 for all")


def frames(clip: Array, config: FramesConfig) -> Array:
    """Frames as a network takes them.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8 RGB

    Returns
    -------
    (n, 3, H, W) or, grey, (n, 1, H, W) float32, grey levels 0 … 255
        A clip shorter than `count` shows some of its frames twice.
    """
    if clip.ndim != 4 or clip.shape[3] != 3:
        raise ValueError(f"clip is {clip.shape}; expected (T, H, W, 3)")
    chosen = np.arange(len(clip))
    if config.count:
        chosen = np.rint(np.linspace(0, len(clip) - 1, config.count)).astype(int)
    if not config.colour:
        return grey(clip[chosen])[:, None]
    return np.ascontiguousarray(np.moveaxis(clip[chosen], 3, 1), np.float32)


FEATURE = Feature(
    frames,
    FramesConfig,
    needs=("onset_apex",),
    units="grey levels",
    axes="frame channel y x",
    convention="RGB or luma, 0 to 255, in the order of time",
    revision=1,
    sensitive=True,
)
