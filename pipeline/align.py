"""Alignment: the similarity, source px -> crop px, that puts a face where a crop wants it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.base import PLACES, Array
from features.console import one_of
from pipeline.maps import moved

# Where eyes and the middle of the nose lie in a frontal face, in units of the distance between
# the eyes, from the point between them (x rightward, y downward). Ours.
ANCHORS = {"left_eye": (-0.5, 0.0), "right_eye": (0.5, 0.0), "bridge": (0.0, 0.36)}

# Part of a face -> the places it is centred on, and its width in distances between the eyes. Ours.
REGIONS: dict[str, tuple[tuple[str, ...], float]] = {
    "eyes": (("left_eye", "right_eye", "left_brow", "right_brow"), 2.0),
    "mouth": (("mouth",), 1.3),
    "left_eye": (("left_eye", "left_brow"), 1.0),
    "right_eye": (("right_eye", "right_brow"), 1.0),
    "nose": (("nose",), 1.0),
    "left_lip": (("left_lip",), 1.0),
    "right_lip": (("right_lip",), 1.0),
}


@dataclass(frozen=True, slots=True)
class CropConfig:
    """How a face is cut out: whatever changes a pixel.

    By default a crop reaches from the hairline to below the chin of most faces. A clip without
    landmarks, cropped already, is fitted into the square whole.
    """

    region: str = "face"  # or one of REGIONS, which know their own width and middle
    size: int = 224  # px, width and height
    eye_distance: float = 0.34  # between the eyes' centres, of the width
    eye_line: float = 0.36  # of the height, from the top

    def __post_init__(self) -> None:
        one_of("region", self.region, ("face", *REGIONS))
        if not 28 <= self.size <= 1024:
            raise ValueError(f"size is {self.size} px; expected 28 to 1024")
        if not 0.1 <= self.eye_distance <= 0.8:
            raise ValueError(f"eye_distance is {self.eye_distance}; expected 0.1 to 0.8")
        if not 0.1 <= self.eye_line <= 0.9:
            raise ValueError(f"eye_line is {self.eye_line}; expected 0.1 to 0.9")


Rows = Mapping[str, tuple[int, ...]]  # place -> rows of landmarks


def alignment(landmarks: Array, rows: Rows, config: CropConfig) -> Array:
    """The similarity that puts a face, or a part of it, where the crop wants it.

    Least squares over eyes and nose; closed form with complex numbers, in which a similarity is
    z ↦ a·z + b. A part keeps the face's turn and is centred on its own place.

    Parameters
    ----------
    landmarks : (P, 2) px
    rows : place -> rows of landmarks

    Returns
    -------
    (2, 3) float64: source px -> crop px
    """
    middle = (config.size - 1) / 2
    if config.region == "face":
        unit = config.eye_distance * config.size
        origin = np.array([middle, config.eye_line * config.size - 0.5])
    else:
        centred_on, width = REGIONS[config.region]
        unit, origin = config.size / width, np.array([middle, middle])
    here = np.array([landmarks[list(rows[name])].mean(axis=0) for name in ANCHORS])
    there = np.array(list(ANCHORS.values())) * unit
    z, w = here @ (1, 1j), there @ (1, 1j)
    dz, dw = z - z.mean(), w - w.mean()
    a = np.vdot(dz, dw) / np.vdot(dz, dz)
    if config.region == "face":
        b = w.mean() + origin @ (1, 1j) - a * z.mean()
    else:
        centre = np.mean([landmarks[list(rows[name])].mean(axis=0) for name in centred_on], 0)
        b = origin @ (1, 1j) - a * (centre @ (1, 1j))
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def whole(frame: Array, config: CropConfig) -> Array:
    """The similarity that fits a whole frame, cropped by its publisher, into the square.

    Both axes by the same factor, so that a displacement keeps its direction.
    """
    height, width = frame.shape[:2]
    scale = config.size / max(height, width)
    x, y = (config.size - 1) / 2 - scale * (np.array([width, height]) - 1) / 2
    return np.array([[scale, 0, x], [0, scale, y]])


def places_in(crop: Array, landmarks: Array, rows: Rows) -> Array:
    """(8, 2) px of the crop: where PLACES are."""
    source = np.array([landmarks[list(rows[name])].mean(axis=0) for name in PLACES])
    return moved(crop, source)
