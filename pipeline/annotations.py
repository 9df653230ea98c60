"""What annotators write in cells: frame numbers, emotions, action units."""

import re
from dataclasses import dataclass

NOTHING = frozenset({"", "/", "\\", "-", "?", "nan", "none", "n/a"})
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


def emotion(text: str) -> str:
    """An emotion by its one name: lower case, ``happy`` and ``amusement`` are happiness."""
    word = " ".join(text.lower().split())
    return SYNONYMS.get(word, word)


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


@dataclass(frozen=True, slots=True)
class ActionUnit:
    """One token of a FACS string.

    Parameters
    ----------
    side : L, R (one side), A (asymmetric), T, B (top or bottom lip), M (head movement) or ""
    intensity : A … E or ""
    referred : written ref(…): part of another unit's appearance
    static : written (k): there already and not moving
    uncertain : written with a question mark, or beside an alternative
    """

    number: int
    side: str = ""
    intensity: str = ""
    referred: bool = False
    static: bool = False
    uncertain: bool = False


_TOKEN = re.compile(r"(?:AU|AD)?([LRATBM]?)(?:AU|AD)?(\d{1,2})([A-E]?)(\(k\))?(\?)?", re.IGNORECASE)


def action_units(text: str) -> tuple[ActionUnit, ...]:
    """Parse a FACS string, in the order written.

    Alternatives (``R12 or R14``, ``A/L12``, ``10A/B``) are kept: several units are each
    `uncertain`, one unit under two sides or intensities keeps the last written.

    Raises
    ------
    ValueError
        If a token is none of the grammar.
    """
    found: list[ActionUnit] = []
    clean = re.sub(r"[，,;]", "+", str(text)).replace("soft focus", "")
    clean = re.sub(r"(?<!ref)\(([^()]*\bor\b[^()]*)\)", r"\1", clean)
    for token in clean.split("+"):
        options = [part.strip() for part in re.split(r"\bor\b", token)]
        for option in options:
            if option.lower() in NOTHING:
                continue
            unit = _unit(option)
            found.append(
                ActionUnit(unit.number, unit.side, unit.intensity, unit.referred, unit.static, True)
                if len(options) > 1
                else unit
            )
    return tuple(found)


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


def _unit(token: str) -> ActionUnit:
    referred = re.fullmatch(r"ref\s*\((.*)\)", token, re.IGNORECASE)
    inner = referred.group(1).strip() if referred else token
    inner = re.sub(r"^[LRATBM]/(?=[LRATBM]\d)", "", inner)  # A/L12: asymmetric or left
    inner = re.sub(r"(?<=\d)[A-E]/(?=[A-E]$)", "", inner)  # 10A/B: of either intensity
    match = _TOKEN.fullmatch(inner.replace(" ", ""))
    if match is None:
        raise ValueError(f"action unit {token!r} is none of FACS")
    side, number, intensity, static, unsure = match.groups()
    return ActionUnit(
        int(number),
        side.upper(),
        intensity.upper(),
        referred is not None,
        static is not None,
        unsure is not None,
    )
