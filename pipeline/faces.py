"""Faces: landmarks once a clip, one fixed transform, an aligned crop.

Landmarks tremble by 0.2–0.5 px from frame to frame, as much as a micro-expression moves. So
they are taken on the onset alone and every frame of the clip is cut by the same transform.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from features.base import Array
from features.console import MerError
from pipeline.errors import SampleError

LANDMARKERS = ("facemesh", "task")

# Rows of MediaPipe's 468 points. Left and right are of the picture.
LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
NOSE = (168, 6, 197, 195, 5, 4, 1)
# Where these three lie in a frontal face, in units of the distance between the eyes, from the
# point between them (x rightward, y downward). Ours.
ANCHORS = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.36]])


@dataclass(frozen=True, slots=True)
class CropConfig:
    """How a face is cut out: whatever changes a pixel.

    The crop reaches from the hairline to below the chin of most faces.
    """

    landmarker: str = "facemesh"  # bundled with MediaPipe < 0.10.30; or "task", a file of yours
    model: str = ""  # digest of that file; set from --landmark-model, never by hand
    size: int = 224  # px, width and height
    eye_distance: float = 0.34  # between the eyes' centres, of the width
    eye_line: float = 0.36  # of the height, from the top

    def __post_init__(self) -> None:
        if self.landmarker not in LANDMARKERS:
            raise ValueError(f"landmarker is {self.landmarker!r}, none of {LANDMARKERS}")
        if not 28 <= self.size <= 1024:
            raise ValueError(f"size is {self.size} px; expected 28 to 1024")
        if not 0.1 <= self.eye_distance <= 0.8:
            raise ValueError(f"eye_distance is {self.eye_distance}; expected 0.1 to 0.8")
        if not 0.1 <= self.eye_line <= 0.9:
            raise ValueError(f"eye_line is {self.eye_line}; expected 0.1 to 0.9")


class Landmarker(Protocol):
    """Finds faces. Keeps no memory from one picture to the next."""

    def __call__(self, picture: Array) -> list[Array]:
        """(H, W, 3) uint8 RGB -> one (468, 2) float64 px (x, y) a face, in any order."""


class FaceMesh:
    """MediaPipe's older interface, whose model lies inside the wheel."""

    def __init__(self) -> None:
        import mediapipe

        if not hasattr(mediapipe, "solutions"):
            raise MerError(
                f"mediapipe {mediapipe.__version__} carries no face model",
                "give --landmark-model face_landmarker.task, or install 'mediapipe<0.10.30'",
            )
        self._mesh = mediapipe.solutions.face_mesh.FaceMesh(
            static_image_mode=True, max_num_faces=4, refine_landmarks=True
        )

    def __call__(self, picture: Array) -> list[Array]:
        """Faces of one picture."""
        found = self._mesh.process(picture).multi_face_landmarks or []
        return [_points(face.landmark, picture) for face in found]


class TaskLandmarker:
    """MediaPipe's newer interface, with a `face_landmarker.task` file that the user brings."""

    def __init__(self, model: Path) -> None:
        import mediapipe
        from mediapipe.tasks import python as tasks

        if not model.is_file():
            raise MerError(f"{model}: no such landmark model", "check --landmark-model")
        self._image, self._format = mediapipe.Image, mediapipe.ImageFormat.SRGB
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(model)), num_faces=4
        )
        self._landmarker = tasks.vision.FaceLandmarker.create_from_options(options)

    def __call__(self, picture: Array) -> list[Array]:
        """Faces of one picture."""
        image = self._image(image_format=self._format, data=np.ascontiguousarray(picture))
        return [_points(face, picture) for face in self._landmarker.detect(image).face_landmarks]


def _points(landmarks, picture: Array) -> Array:  # type: ignore[no-untyped-def]
    height, width = picture.shape[:2]
    return np.array([(p.x * width, p.y * height) for p in landmarks[:468]])


@cache
def landmarker(name: str, model: Path | None) -> Landmarker:
    """The one landmarker of this process, made when first needed and never before a fork."""
    if name == "facemesh":
        with _native_silence():
            return FaceMesh()
    if model is None:
        raise MerError(
            "the recipe asks for a landmarker file",
            "give it: --landmark-model face_landmarker.task",
        )
    with _native_silence():
        return TaskLandmarker(model)


def find_face(picture: Array, find: Landmarker) -> Array:
    """The largest face of a picture.

    Parameters
    ----------
    picture : (H, W, 3) uint8 RGB

    Returns
    -------
    (468, 2) float64 px (x, y)

    Raises
    ------
    SampleError
        no_face.
    """
    with _native_silence():
        faces = find(np.ascontiguousarray(picture))
    if not faces:
        height, width = picture.shape[:2]
        raise SampleError("no_face", f"no face found on the onset frame ({width}×{height})")
    return max(faces, key=lambda points: float(np.prod(np.ptp(points, axis=0))))


def alignment(landmarks: Array, config: CropConfig) -> Array:
    """The similarity that puts eyes and nose where a crop wants them.

    Least squares over three anchors; closed form with complex numbers, in which a similarity
    is z ↦ a·z + b.

    Parameters
    ----------
    landmarks : (468, 2) px

    Returns
    -------
    (2, 3) float64: source px -> crop px
    """
    groups = [landmarks[list(rows)].mean(axis=0) for rows in (LEFT_EYE, RIGHT_EYE, NOSE)]
    unit = config.eye_distance * config.size
    middle = np.array([(config.size - 1) / 2, config.eye_line * config.size - 0.5])
    here, there = np.array(groups), ANCHORS * unit + middle
    z, w = here @ (1, 1j), there @ (1, 1j)
    dz, dw = z - z.mean(), w - w.mean()
    a = np.vdot(dz, dw) / np.vdot(dz, dz)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def cut(frames: Array, matrix: Array, size: int) -> Array:
    """Resample frames once, all by the same transform.

    A crop smaller than its source is blurred first as its pixels grow, so that nothing folds
    back; beyond the frame the border is repeated, never wrapped.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8 RGB
    matrix : (2, 3) source px -> crop px

    Returns
    -------
    (T, size, size, 3) uint8 RGB
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    sigma = 0.5 * np.sqrt(max(0.0, 1 / scale**2 - 1))
    crops = []
    for frame in frames:
        source = cv2.GaussianBlur(frame, (0, 0), sigma) if sigma > 0.2 else frame
        crops.append(
            cv2.warpAffine(
                source,
                matrix,
                (size, size),
                flags=cv2.INTER_LANCZOS4,
                borderMode=cv2.BORDER_REPLICATE,
            )
        )
    return np.stack(crops)


def crop(frames: Array, config: CropConfig, model: Path | None = None) -> Array:
    """Cut the face out of a clip, aligned by its first frame.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8 RGB, the onset first

    Returns
    -------
    (T, size, size, 3) uint8 RGB
    """
    face = find_face(frames[0], landmarker(config.landmarker, model))
    return cut(frames, alignment(face, config), config.size)


@contextmanager
def _native_silence() -> Iterator[None]:
    """MediaPipe's C++ logs to descriptor 2 whatever Python says; progress bars live there."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
