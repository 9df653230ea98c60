"""What a landmarker says of itself, and how it is found."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from features import plugin
from features.base import PLACES, Array
from features.console import MerError
from pipeline import landmarkers

Find = Callable[[Array], list[Array]]


@dataclass(frozen=True, slots=True)
class Landmarker:
    """The last line of a landmarker's file.

    Parameters
    ----------
    start : called once a process as ``start(model)``; gives the function that finds faces:
        (H, W, 3) uint8 RGB -> one (P, 2) float64 px (x, y) a face, in any order. It must keep no
        memory from one picture to the next, or a crop would depend on what was cropped before.
    places : a name of `features.base.PLACES` -> rows whose mean is there; left and right are of
        the picture. `bridge` besides: rows along the nose, from between the eyes to its tip.
    wants_model : whether the user must bring a model file
    """

    start: Callable[[Path | None], Find]
    places: Mapping[str, tuple[int, ...]]
    wants_model: bool = False

    def __post_init__(self) -> None:
        if set(self.places) != {*PLACES, "bridge"}:
            raise ValueError(f"places are {sorted(self.places)}; expected {PLACES} and bridge")


def names() -> list[str]:
    """Every landmarker there is: one file each in this folder."""
    return plugin.names(landmarkers, NOT_LANDMARKERS)


def load(name: str) -> Landmarker:
    """Import one landmarker, and only that one."""
    return plugin.load(landmarkers, name, Landmarker, NOT_LANDMARKERS)


NOT_LANDMARKERS = frozenset({"base", "mediapipe_points"})


@cache
def started(name: str, model: Path | None) -> Find:
    """The one of this process: made when first needed, never before a fork, never pickled."""
    landmarker = load(name)
    if landmarker.wants_model and model is None:
        raise MerError(
            f"the recipe's landmarker, {name}, wants a model file",
            "give it: --landmark-model face_landmarker.task",
        )
    with native_silence():
        find = landmarker.start(model)

    def quietly(picture: Array) -> list[Array]:
        with native_silence():
            return find(picture)

    return quietly


@contextmanager
def native_silence() -> Iterator[None]:
    """C++ libraries log to descriptor 2 whatever Python says; progress bars live there."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
