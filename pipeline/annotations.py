"""What annotators write in cells: frame numbers, emotions, action units."""

import re
from collections.abc import Collection

from features.facs import NOTHING, action_units

SYNONYMS = {
    "happy": "happiness",
    "amusement": "happiness",
    "sad": "sadness",
    "other": "others",
    "angry": "anger",
}


def frame(text: str, name: str) -> int:
    """A frame number; ValueError names the cell if it holds none.

    Some sheets keep frames as fractions of a number; they are rounded half up.
    """
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise ValueError(f"{name} is {text!r}; expected a frame number")
    return int(float(text) + 0.5)


def frame_or_none(text: str, name: str) -> int | None:
    """A frame number, or None where the annotators put one of their marks for nothing."""
    return None if text.lower() in NOTHING else frame(text, name)


def emotion(text: str, known: Collection[str] = ()) -> str:
    """An emotion by its one name: lower case, ``happy`` and ``amusement`` are happiness.

    Raises
    ------
    ValueError
        If names are given that a dataset knows, and it is none of them.
    """
    word = " ".join(text.lower().split())
    name = SYNONYMS.get(word, word)
    if known and name not in known:
        raise ValueError(f"emotion is {text!r}, none of {', '.join(sorted(known))}")
    return name


ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII")


def objective_class(text: str) -> str:
    """A class of emotion by action units alone, as a Roman number; blank if none is given.

    Davison, Merghani and Yap, "Objective classes for micro-facial expression recognition",
    Journal of Imaging 4(10), 2018. Some sheets write 1 … 7.
    """
    word = text.strip().upper()
    if word.isdecimal() and 1 <= int(word) <= len(ROMAN):
        return ROMAN[int(word) - 1]
    return word if word in ROMAN else ""


def noted_units(text: str) -> tuple[str, str]:
    """A FACS string as it goes into a manifest, and what is wrong with it; blank for nothing."""
    clean = " ".join(text.split())
    if clean.lower() in NOTHING:
        return "", ""
    try:
        action_units(clean)
    except ValueError as error:
        return clean, str(error)
    return clean, ""
