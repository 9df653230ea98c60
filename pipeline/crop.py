"""Crops: the aligned face of every frame of a clip, its head held still.

The alignment of the clip and the motion of the head are multiplied before any pixel is touched:
each frame is resampled once, from the source.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from features.base import Array
from pipeline.align import CropConfig, Rows, alignment, whole
from pipeline.maps import after, invert
from pipeline.resample import cut
from pipeline.steady import SteadyConfig, Unsteady, head_motion, reference


@dataclass(frozen=True, slots=True)
class Framing:
    """Whatever changes a crop's pixels, landmarks apart."""

    crop: CropConfig = field(default_factory=CropConfig)
    steady: SteadyConfig = field(default_factory=SteadyConfig)


def first_matrix(frame: Array, landmarks: Array | None, rows: Rows, config: CropConfig) -> Array:
    """(2, 3) source px -> crop px of the onset; without landmarks, of the whole frame."""
    if landmarks is None:
        return whole(frame, config)
    return alignment(landmarks, rows, config)


def matrices(
    frames: Iterable[tuple[int, Array]],
    landmarks: Array | None,
    rows: Rows,
    framing: Framing,
) -> Iterator[tuple[int, Array, Array, str]]:
    """Where each frame is cut: its number, itself, (2, 3) source px -> crop px, and a note.

    Parameters
    ----------
    frames : number and (H, W, 3) uint8 RGB each, the onset first
    landmarks : (P, 2) px on the onset; None for a clip that was cropped already
    rows : place -> rows of landmarks

    Notes
    -----
    A frame that does not register to the onset keeps the onset's matrix, and the note says so.
    """
    onset, matrix = None, None
    for number, frame in frames:
        note = ""
        if matrix is None:
            matrix = first_matrix(frame, landmarks, rows, framing.crop)
            if framing.steady.motion != "none":
                onset = reference(frame, landmarks, rows, framing.steady)
            yield number, frame, matrix, note
            continue
        here = matrix
        if onset is not None:
            try:
                here = after(matrix, invert(head_motion(onset, frame)))
            except Unsteady as error:
                note = f"frame {number} was not steadied: {error}"
        yield number, frame, here, note


def crops(
    frames: Iterable[tuple[int, Array]],
    landmarks: Array | None,
    rows: Rows,
    framing: Framing,
) -> tuple[dict[int, Array], list[str]]:
    """Cut the face out of frames. Holds one source frame at a time.

    Parameters
    ----------
    frames, landmarks, rows : as for `matrices`

    Returns
    -------
    crops : number -> (size, size, 3) uint8 RGB
    notes : frames that could not be steadied
    """
    cut_out, notes = {}, []
    for number, frame, matrix, note in matrices(frames, landmarks, rows, framing):
        cut_out[number] = cut(frame, matrix, framing.crop.size)
        notes += [note] if note else []
    return cut_out, notes
