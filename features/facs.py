"""FACS strings: which action units an annotator saw.

Ekman, Friesen and Hager, "Facial Action Coding System", 2002, as the datasets write it:
``4+L10``, ``R12A``, ``ref(7B)+43``, ``AU12+AU25(k)``.
"""

import re
from dataclasses import dataclass

NOTHING = frozenset({"", "/", "\\", "-", "?", "nan", "none", "n/a"})  # marks for no value


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
