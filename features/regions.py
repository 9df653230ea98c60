"""Regions: windows around places of the face.

Wang et al., "HTNet for micro-expression recognition", Neurocomputing 2024: squares around the
eyes, the nose and the corners of the lips, half as wide as the picture (14 of 28 px). Its public
code finds the places on the apex, by MTCNN on the small picture, drops the nose and reads x as
row. Ours are found on the onset, in the crop, and all five are there.
"""

from dataclasses import dataclass

import numpy as np

from features.base import PLACES, Array, Feature


@dataclass(frozen=True, slots=True)
class RegionsConfig:
    """Where the windows are and how wide.

    Parameters
    ----------
    names
        Some of `features.base.PLACES`, in the order of the result. Left and right are of the
        picture.
    share
        Width of a window, of the shorter side of what it is cut from.
    scale
        Pixels of what is cut for one pixel of the crop: 1 for a flow, 0.125 for the stack of
        28 px of a crop of 224.
    """

    names: tuple[str, ...] = ("left_eye", "right_eye", "nose", "left_lip", "right_lip")
    share: float = 0.5
    scale: float = 1.0

    def __post_init__(self) -> None:
        unknown = [name for name in self.names if name not in PLACES]
        if unknown or not self.names:
            raise ValueError(f"names are {self.names}; expected some of {', '.join(PLACES)}")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}; expected above 0, to 1")
        if self.scale <= 0:
            raise ValueError(f"scale is {self.scale}; expected above 0")


def regions(picture: Array, places: Array, config: RegionsConfig) -> Array:
    """Cut a square window around each place, at whole pixels: values are copied, not resampled.

    A window that would reach beyond the picture is shifted inside, as far as needed.

    Parameters
    ----------
    picture : (C, H, W)
        A flow, px, or any other feature of planes.
    places : (8, 2) float64 px (x, y) of the crop
        In the order of `features.base.PLACES`, pixel centres on whole numbers.

    Returns
    -------
    (R, C, w, w) float32, units of the picture
        R names; w = share · min(H, W), rounded.

    Raises
    ------
    ValueError
        If the shapes are others, or a place lies farther outside than half the picture: the
        scale must be wrong then.
    """
    if picture.ndim != 3:
        raise ValueError(f"picture has shape {picture.shape}; expected (C, H, W)")
    if places.shape != (len(PLACES), 2):
        raise ValueError(f"places have shape {places.shape}; expected ({len(PLACES)}, 2)")
    sides = np.array(picture.shape[:0:-1])  # W, H: as the places are (x, y)
    width = max(1, _nearest(config.share * sides.min()))
    windows = []
    for name in config.names:
        # a pixel's centre is a whole number, its edges are halves
        centre = config.scale * (places[PLACES.index(name)] + 0.5) - 0.5
        if not (np.abs(centre - (sides - 1) / 2) <= sides).all():
            x, y = centre
            raise ValueError(
                f"{name} at ({x:.0f}, {y:.0f}) px is not on a picture of {sides[0]} × {sides[1]}"
                f" px; is scale {config.scale:g} right?"
            )
        left, top = (
            min(max(_nearest(middle - (width - 1) / 2), 0), int(side) - width)
            for middle, side in zip(centre, sides, strict=True)
        )
        windows.append(picture[:, top : top + width, left : left + width])
    return np.stack(windows).astype(np.float32, copy=False)


def _nearest(value: float) -> int:
    """Round, halves upward: a place one pixel further is a window one pixel further."""
    return int(np.floor(value + 0.5))


FEATURE = Feature(
    regions,
    RegionsConfig,
    needs=("flow", "places"),
    units="px",
    axes="region channel y x",
    convention="windows of the flow at whole pixels; channel 0 = u rightward, 1 = v downward",
    revision=1,
)
