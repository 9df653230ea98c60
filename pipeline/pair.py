"""One feature of two images, for whoever wants one answer: no dataset, no store, nothing kept.

The stages are a recipe's, computed one after another in this process; the numbers are those that
a store would hold.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from features import base
from features.base import SOURCES, Array, Feature
from features.console import USAGE, MerError, nearest
from features.disk import write_durably
from pipeline import recipe
from pipeline.align import Rows, alignment, places_in
from pipeline.clips import check_whole, decode
from pipeline.crop import crops
from pipeline.errors import SampleError
from pipeline.faces import NO_LANDMARKER, locate
from pipeline.graph import computed, one_thread
from pipeline.landmarkers.base import load as landmarker
from pipeline.recipe import Recipe

GIVEN = ("onset_apex", "clip", "rise")  # what two frames can stand for
LACKING = {"fps": "a frame rate", "places": "a face found on the onset"}  # others: an offset
FLO_MAGIC = 202021.25  # Baker et al., "A database and evaluation methodology", IJCV 2011


@dataclass(frozen=True, slots=True)
class Answer:
    """A feature of two images, and what to know of it."""

    name: str
    array: Array
    feature: Feature
    config: Any
    notes: list[str] = field(default_factory=list)


def pair(
    images: Sequence[Path],
    name: str,
    using: Recipe,
    crop: bool,
    outputs: Sequence[Path],
    model: Path | None = None,
) -> Answer:
    """Compute one stage of a recipe of an onset and an apex, and write it.

    Parameters
    ----------
    images : onset and apex, of one size
    name : a stage of the recipe
    crop : find the face, crop and steady it as the recipe says; else the images are taken as
        they are
    outputs : .npy, .flo or .png each; what is there is replaced

    Raises
    ------
    MerError
        If the feature cannot be made of two images, an image cannot be read, or an output cannot
        hold the feature.
    """
    check(name, using, crop)
    encoders = [_encoder(path) for path in outputs]
    one_thread()
    frames = [read(path) for path in images]
    if frames[0].shape != frames[1].shape:
        sizes = ", ".join(
            f"{path} has {frame.shape[1]}×{frame.shape[0]} px"
            for path, frame in zip(images, frames, strict=True)
        )
        raise MerError(f"the images differ in size: {sizes}", "give two frames of one clip")
    try:
        sources, notes = cropped(frames, using, model) if crop else ({}, [])
        for source in GIVEN:
            sources.setdefault(source, np.stack(frames))
        array = compute(name, using, sources)
    except SampleError as error:
        raise MerError(error.message, "give an onset on which the face is seen") from error
    except (ValueError, cv2.error) as error:
        told = getattr(error, "err", error)  # OpenCV's own words, without its file and line
        raise MerError(
            f"{name}: {told}", "give other images, or other settings by --recipe"
        ) from error
    stage = using.stages[name]
    answer = Answer(name, array, base.load(stage.feature), stage.config, notes)
    encoded = [encode(answer) for encode in encoders]  # all, before any is written
    for path, data in zip(outputs, encoded, strict=True):
        write_durably(path, data)
    return answer


def recipe_for(name: str, named: str | None) -> Recipe:
    """The recipe of that name or file; without one, a feature and what it needs by default.

    Raises
    ------
    MerError
        If there is no such feature, or the recipe has no such stage.
    """
    if named is None:
        base.load(name)
        return recipe.parse(name, {"features": [name], "sensitive": True}, name)
    found = recipe.load(named)
    if name not in found.stages:
        stages = ", ".join(found.stages)
        cause = f"{named}: has no stage {name!r}{nearest(name, found.stages)}"
        raise MerError(cause, f"--feature: one of {stages}", USAGE)
    return found


def needed(name: str, using: Recipe) -> tuple[list[str], set[str]]:
    """The stages that one needs, in the order they are computed, and the sources."""
    wanted = {name}
    for stage in reversed(using.stages):  # what one needs comes before it
        if stage in wanted:
            wanted |= set(using.stages[stage].of)
    return [stage for stage in using.stages if stage in wanted], wanted & SOURCES.keys()


def check(name: str, using: Recipe, crop: bool) -> None:
    """Refuse, before anything is read, a feature that two images do not give."""
    stages, sources = needed(name, using)
    found = crop and using.landmarks.landmarker != NO_LANDMARKER
    for source in sorted(sources - set(GIVEN)):
        if source == "places" and found:
            continue
        remedy = "use a whole clip: mer-features run"
        if source == "places":
            remedy = "--crop finds the face" if not crop else "name a landmarker in the recipe"
        raise MerError(
            f"{name} needs {source}, {LACKING.get(source, 'a frame at the offset')}:"
            " two images do not give it",
            remedy,
            USAGE,
        )
    for stage in stages:
        of = using.stages[stage].of
        if len(set(of)) < len(of):  # mm_cof: a flow of the rise, and one of the fall
            raise MerError(
                f"{stage} needs {of[0]} of two phases: two images show one",
                "use a whole clip: mer-features run",
                USAGE,
            )


def read(path: Path) -> Array:
    """One image, (H, W, 3) uint8 RGB."""
    try:
        data = path.read_bytes()
        check_whole(path, data)
        return decode(data, path.name)
    except OSError as error:
        raise MerError(f"{path}: {error.strerror}", "check the path") from error
    except SampleError as error:
        folder = "" if path.parent == Path() else f"{path.parent}/"
        raise MerError(f"{folder}{error.message}", "give a whole PNG, JPEG or BMP") from error


def cropped(
    frames: Sequence[Array], using: Recipe, model: Path | None
) -> tuple[dict[str, Array], list[str]]:
    """The pair as a recipe crops and steadies it, the places in it, and notes.

    Raises
    ------
    SampleError
        no_face.
    """
    landmarks: Array | None = None
    rows: Rows = {}
    notes: list[str] = []
    sources: dict[str, Array] = {}
    if using.landmarks.landmarker != NO_LANDMARKER:
        faces, notes = locate(frames[:1], using.landmarks, model)
        landmarks, rows = faces[0], landmarker(using.landmarks.landmarker).places
        sources["places"] = places_in(
            alignment(landmarks, rows, using.framing.crop), landmarks, rows
        )
    cut, told = crops(enumerate(frames), landmarks, rows, using.framing)
    both = np.stack([cut[0], cut[1]])
    return sources | dict.fromkeys(GIVEN, both), [*notes, *told]


def compute(name: str, using: Recipe, sources: dict[str, Array]) -> Array:
    """A stage's array, of the sources and of the stages before it.

    Raises
    ------
    ValueError
        If a feature refuses its input, or the result is not finite.
    """
    done = dict(sources)
    for each in needed(name, using)[0]:
        stage = using.stages[each]
        done[each] = computed(stage, [done[need] for need in stage.of])
    if not np.isfinite(done[name]).all():
        raise ValueError("is not finite everywhere")
    return done[name].astype(np.float32, copy=False)


def npy(answer: Answer) -> bytes:
    """As a .npy file, float32."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(answer.array))
    return file.getvalue()


def flo(answer: Answer) -> bytes:
    """As a Middlebury .flo file: u and v of each pixel, row by row, little-endian.

    Raises
    ------
    MerError
        If it is no flow.
    """
    shape = answer.array.shape
    if len(shape) != 3 or shape[0] != 2 or answer.feature.units != "px":
        raise MerError(
            f"{answer.name} is {shape} in {answer.feature.units}: .flo holds (2, H, W) px alone",
            "write it as .npy",
            USAGE,
        )
    head = np.array([FLO_MAGIC], "<f4").tobytes() + np.array(shape[:0:-1], "<i4").tobytes()
    return head + np.moveaxis(answer.array, 0, -1).astype("<f4").tobytes()


def png(answer: Answer) -> bytes:
    """As a picture for people."""
    from pipeline.pictures import picture  # matplotlib is slow to load, and not always wanted

    return picture(answer.array, answer.feature, answer.config, answer.name)


ENCODERS: dict[str, Callable[[Answer], bytes]] = {".npy": npy, ".flo": flo, ".png": png}


def _encoder(path: Path) -> Callable[[Answer], bytes]:
    if path.suffix.lower() not in ENCODERS:
        raise MerError(
            f"{path}: no such kind of output", f"end its name in {', '.join(ENCODERS)}", USAGE
        )
    return ENCODERS[path.suffix.lower()]
