"""Faces: where the landmarks of a clip's face are. One face a clip, and which is recorded.

Landmarks tremble by 0.2–0.5 px from frame to frame, as much as a micro-expression moves. So
they place a clip's crop once; they never follow it (`pipeline.steady` does, by the pixels).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.base import Array
from features.console import one_of
from pipeline.errors import SampleError
from pipeline.landmarkers import base
from pipeline.landmarkers.base import Find

NO_LANDMARKER = "none"
RIVAL = 0.8  # of the largest face's area: from here on, the more central of two is taken. Ours


@dataclass(frozen=True, slots=True)
class LandmarksConfig:
    """How a face is found: whatever moves a crop."""

    landmarker: str = "facemesh"  # a file of pipeline/landmarkers; "none": cropped already
    model: str = ""  # digest of its model file; set from --landmark-model, never by hand
    frames: int = 1  # of the clip, evenly from the onset; points are their median

    def __post_init__(self) -> None:
        known = (*base.names(), NO_LANDMARKER)
        one_of("landmarker", self.landmarker, known)
        if not 1 <= self.frames <= 99:
            raise ValueError(f"frames is {self.frames}; expected 1 to 99")


def frames_looked_at(onset: int, offset: int, config: LandmarksConfig) -> tuple[int, ...]:
    """Numbers of the frames whose landmarks are taken, the onset first."""
    spread = np.linspace(onset, offset, config.frames + 1)[:-1]
    return tuple(dict.fromkeys(int(number) for number in spread))


def locate(
    frames: Sequence[Array], config: LandmarksConfig, model: Path | None = None
) -> tuple[Array, list[str]]:
    """Landmarks of a clip's face, and of the other faces of its first frame.

    The face is the largest; of those nearly as large, the one nearest the middle. In later
    frames it is the one nearest to where it was.

    Parameters
    ----------
    frames : (H, W, 3) uint8 RGB each, those of `frames_looked_at`

    Returns
    -------
    faces : (F, P, 2) float64 px (x, y), the clip's face first: the median over frames
    notes : what a person should know of the choice

    Raises
    ------
    SampleError
        no_face.
    """
    find = base.started(config.landmarker, model)
    seen: list[Array] = []
    others: list[Array] = []
    notes = []
    for k, picture in enumerate(frames):
        found, enlarged = search(picture, find)
        if not found:
            continue
        if not seen:
            face = _chosen(found, picture.shape)
            others = [other for other in found if other is not face]
            if others:
                notes.append(f"{len(found)} faces on the first frame; the largest was taken")
            if enlarged:
                notes.append("the face is small: it was found only in an enlarged part")
            if k:
                notes.append(f"no face found on {k} of {len(frames)} frames before it was")
        else:
            face = min(found, key=lambda f: float(np.hypot(*_middle(f) - _middle(seen[0]))))
        seen.append(face)
    if not seen:
        height, width = frames[0].shape[:2]
        where = "the onset frame" if len(frames) == 1 else f"any of {len(frames)} frames"
        raise SampleError("no_face", f"no face found on {where} ({width}×{height})")
    return np.stack([np.median(seen, axis=0), *others]), notes


def search(picture: Array, find: Find) -> tuple[list[Array], bool]:
    """Every face of a picture; where none is seen, once more in nine overlapping enlarged parts.

    Landmarkers look at a picture shrunk to a fixed size, in which a far face is lost.

    Returns
    -------
    faces : (P, 2) px each
    enlarged : whether it took the second look
    """
    faces = find(np.ascontiguousarray(picture))
    if faces:
        return faces, False
    height, width = picture.shape[:2]
    for top in (height // 4, 0, height // 2):  # the middle first
        for left in (width // 4, 0, width // 2):
            part = picture[top : top + height // 2, left : left + width // 2]
            for face in find(np.ascontiguousarray(part)):
                moved = face + np.array([left, top])
                if all(np.hypot(*_middle(moved) - _middle(f)) > _side(f) / 2 for f in faces):
                    faces.append(moved)
    return faces, bool(faces)


def _chosen(faces: Sequence[Array], shape: tuple[int, ...]) -> Array:
    largest = max(_side(face) for face in faces)
    rivals = [face for face in faces if _side(face) ** 2 >= RIVAL * largest**2]
    centre = np.array([shape[1] - 1, shape[0] - 1]) / 2
    return min(rivals, key=lambda face: float(np.hypot(*_middle(face) - centre)))


def _middle(face: Array) -> Array:
    return (face.min(axis=0) + face.max(axis=0)) / 2


def _side(face: Array) -> float:
    """Of the square with the area of the face's box, px."""
    return float(np.sqrt(np.prod(np.ptp(face, axis=0))))
