"""What a feature says of itself, how it is found, and how a result is named."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import blake3
import numpy as np
from numpy.typing import NDArray

import features
from features import plugin

Array = NDArray[Any]

NOT_FEATURES = frozenset(
    {
        "base", "cells", "clg", "console", "disk", "facs", "kernel", "layout", "light", "magnify",
        "memory", "migrate", "plugin", "progress", "protocol", "publish", "pyramid", "rigid",
        "spline", "steerable", "store", "tvl1", "tvl1_config",
    }
)  # fmt: skip

# What the pipeline gives a feature beside other features. Frames are the aligned face, uint8 RGB.
SOURCES = {
    "onset_apex": "(2, H, W, 3) onset and apex",
    "apex_offset": "(2, H, W, 3) apex and offset",
    "phases": "(3, H, W, 3) onset, apex and offset",
    "clip": "(T, H, W, 3) onset … offset",
    "rise": "(T, H, W, 3) onset … apex",
    "fall": "(T, H, W, 3) apex … offset",
    "fps": "() float64 frames a second",
    "places": "(8, 2) float64 px (x, y) of the crop: where PLACES are on the onset",
}
PLACES = (
    "left_eye", "right_eye", "nose", "left_brow", "right_brow", "left_lip", "right_lip", "mouth",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Feature:
    """The last line of a feature's file.

    Parameters
    ----------
    function : called as ``function(*needed arrays, config)``
        Pure: writes to no input, touches no file.
    config : frozen dataclass
        Everything that changes the numbers.
    needs : names of its inputs
        Other features, or `SOURCES`.
    units, axes, convention
        Stored beside the array for whoever reads it in ten years.
    sensitive
        A person can be recognised in it.
    read
        For a feature with weights that a user brings: reads their file, and what it gives is
        the function's last argument but the config, whose `weights` is the file's digest.
    revision
        Raised by hand when the numbers change although the config did not.
    """

    function: Callable[..., Array]
    config: type
    needs: tuple[str, ...]
    units: str
    axes: str
    convention: str
    revision: int = 1
    sensitive: bool = False
    read: Callable[[Path], Any] | None = None


def names() -> list[str]:
    """Every feature there is: one file each in this folder."""
    return plugin.names(features, NOT_FEATURES)


@cache
def load(name: str) -> Feature:
    """Import one feature, and only that one."""
    return plugin.load(features, name, Feature, NOT_FEATURES)


def canonical_json(value: object) -> str:
    """One text for one value: sorted names, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )


def content_key(stage: str, revision: int, config: object, inputs: Iterable[str]) -> str:
    """Name a result by everything that changes its numbers, and by nothing else.

    Parameters
    ----------
    config : dataclass instance, hashed whole
    inputs : keys of the stages before, or digests of source files, in the order they are used

    Returns
    -------
    32 hexadecimal digits of a blake3.
    """
    parts = (canonical_json(stage), str(revision), _told(config), canonical_json(list(inputs)))
    return digest(f"[{','.join(parts)}]".encode())  # the canonical JSON of all four


def _told(config: Any) -> str:
    """A config's canonical JSON; every sample asks for the same."""
    name = repr(config)  # tells 1 from 1.0, which are equal but are told otherwise
    if name not in _TOLD:
        _TOLD[name] = canonical_json(asdict(config))
    return _TOLD[name]


_TOLD: dict[str, str] = {}


def digest(data: bytes | memoryview) -> str:
    """128 bits of blake3, as 32 hexadecimal digits."""
    return blake3.blake3(data).hexdigest(length=16)


def file_digest(path: Path) -> str:
    """The same of a file's bytes, however large."""
    with path.open("rb"):  # blake3 tells less of what is wrong with a file
        return blake3.blake3().update_mmap(path).hexdigest(length=16)


def array_digest(array: Array) -> str:
    """Digest of an array's type, shape and values."""
    array = np.ascontiguousarray(array)
    head = f"{array.dtype.str}{array.shape}".encode()
    return digest(head + array.tobytes())
