"""The axes of an array made elsewhere: as a sample lies in its file, and as a store holds it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features import base
from features.base import Array

LETTERS = {"c": "channel", "t": "time", "y": "y", "x": "x"}
PICTURE = ("y", "x", "channel")  # as an image decodes
PLANE = ("y", "x")

# By which a channel that lies last is known, and one that is left out.
CHANNELS = {
    "flow": 2, "mdmo": 2, "mm_cof": 3, "polar": 2, "stack": 3, "steady_flow": 2, "strain": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Axes:
    """How one feature's samples lie, and how they are stored.

    Parameters
    ----------
    lie : names of a sample's axes in the file
    stored : the same names in the store's order; a channel of one may stand in it alone
    channels : how many there must be; None for any number
    """

    lie: tuple[str, ...]
    stored: tuple[str, ...]
    channels: int | None = None

    def wrong(self, shape: Sequence[int]) -> str:
        """What does not fit in a sample of this shape as it lies; nothing if it fits."""
        if len(shape) != len(self.lie):
            return f"expected {len(self.lie)} axes, {' '.join(self.lie)}"
        size = dict(zip(self.lie, shape, strict=True))
        if self.channels is not None and size.get("channel", 1) != self.channels:
            return f"expected {self.channels} channels, as axis {self.lie.index('channel') + 1}"
        return ""

    def arrange(self, array: Array) -> Array:
        """One sample, as it lies, in the store's order."""
        lie = self.lie
        if "channel" in self.stored and "channel" not in lie:
            array, lie = array[np.newaxis], ("channel", *lie)
        return array.transpose([lie.index(name) for name in self.stored])


def axes_of(name: str, said: str | None, pictures: bool = False) -> Axes:
    """The axes of a feature, by what the user says of its file.

    A feature of ours is stored in its own order; any other with y and x last, for networks take
    planes.

    Parameters
    ----------
    said : names between blanks, ``y x channel``, or their first letters, ``yxc``
    pictures : the files are images, whose axes are known

    Raises
    ------
    ValueError
        If they are not those of the feature, or are not said and not known.
    """
    ours = tuple(base.load(name).axes.split()) if name in base.names() else ()
    if said is not None:
        lie = _names(said, ours)
    elif pictures:
        lie = PICTURE
    elif ours:
        lie = ours
    else:
        raise ValueError(f"{name} is no feature of ours, so nothing tells its axes")
    if len(set(lie)) < len(lie):
        raise ValueError(f"an axis of {name} is named twice: {' '.join(lie)}")
    if not ours:
        rest = (axis for axis in lie if axis not in PLANE)
        return Axes(lie, (*rest, *(axis for axis in PLANE if axis in lie)))
    channels = CHANNELS.get(name)
    left_out = {"channel"} if channels == 1 else set()
    if not set(ours) - left_out <= set(lie) <= set(ours):
        raise ValueError(f"the axes of {name} are {' '.join(ours)}, not {' '.join(lie)}")
    return Axes(lie, ours, channels)


def _names(said: str, ours: Sequence[str]) -> tuple[str, ...]:
    words = tuple(re.split(r"[\s,]+", said.strip()))
    letters = _letters(ours) or LETTERS
    if len(words) == 1 and words[0] not in ours and set(words[0]) <= letters.keys():
        return tuple(letters[letter] for letter in words[0])
    if not all(re.fullmatch(r"[a-z]\w*", word) for word in words):
        raise ValueError(f"axes {said!r} are no names such as 'channel y x'")
    return words


def _letters(ours: Sequence[str]) -> Mapping[str, str]:
    """First letters, where they tell the axes apart."""
    letters = {axis[0]: axis for axis in ours}
    return letters if len(letters) == len(ours) else {}
