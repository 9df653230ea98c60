"""Known errors of the releases, kept as data: errata/<dataset>.toml, keyed by sample id.

    [samm_032_3_1]
    sheet = { apex = 1930 }          # applies while the sheet says this; many copies are edited
    use = { apex = 4930 }
    reason = "1 and 4 exchanged"
    source = "davidnvq/me_recognition"

`files = true`: applies only where the clip's folder lacks the frames that the sheet names.
`skip = true`, instead of `use`: the sample cannot be used. A blank apex is written apex = "".
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from features.console import MerError, nearest
from pipeline.clips import nearest as nearest_frame
from pipeline.manifest import Sample, midpoint

FOLDER = Path(__file__).parent / "errata"
FRAMES = ("onset", "apex", "offset")
FIELDS = (*FRAMES, "emotion", "action_units", "subject")
KEYS = ("sheet", "use", "reason", "source", "files", "skip")


@dataclass(frozen=True, slots=True)
class Erratum:
    """One entry: what it asks for, what it gives, why, and who says so."""

    sheet: Mapping[str, Any]
    use: Mapping[str, Any]
    reason: str
    source: str
    files: bool = False
    skip: bool = False

    def __post_init__(self) -> None:
        for name in (*self.sheet, *self.use):
            if name not in FIELDS:
                raise ValueError(f"no field {name}{nearest(name, FIELDS)}; there are {FIELDS}")
        if self.skip == bool(self.use):
            raise ValueError("give either use = {…} or skip = true")
        if not self.reason or not self.source:
            raise ValueError("an erratum needs a reason and a source")


@dataclass(frozen=True, slots=True)
class Row:
    """What a sheet says of one sample, before it is held against the files.

    Parameters
    ----------
    note : what its adapter has to tell already
    """

    sample_id: str
    dataset: str
    subject: str
    clip: str
    onset: int
    apex: int | None
    offset: int
    fps: float
    emotion: str = ""
    action_units: str = ""
    objective_class: str = ""
    note: str = ""


def load(dataset: str) -> dict[str, Erratum]:
    """The errata of a dataset; none if it has no file.

    Raises
    ------
    MerError
        If an entry is not as it must be.
    """
    path = FOLDER / f"{dataset}.toml"
    if not path.is_file():
        return {}
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: _erratum(f"{path} [{name}]", entry) for name, entry in entries.items()}


def _erratum(where: str, entry: Mapping[str, Any]) -> Erratum:
    for key in entry:
        if key not in KEYS:
            raise MerError(f"{where}: no entry {key!r}{nearest(key, KEYS)}", f"there are {KEYS}")
    try:
        return Erratum(**{"sheet": {}, "use": {}, "reason": "", "source": "", **entry})
    except ValueError as error:
        raise MerError(f"{where}: {error}", "mend the entry") from error


def settle(
    row: Row,
    folder: str,
    numbers: Sequence[int],
    errata: Mapping[str, Erratum],
    missing_frames: str = "refuse",
) -> Sample:
    """Hold a row against the errata and against the frames that are there.

    In this order, each told in the sample's `note`: the erratum; an onset or offset beyond the
    folder's frames moves to its first or last; where holes are tolerated, an onset, apex or
    offset that is missing moves to the nearest frame between onset and offset, the smaller of
    two; an apex that is missing or outside (onset, offset] gives way to the midpoint.

    Parameters
    ----------
    folder : the clip's frames, relative to the root
    numbers : of its frames, sorted

    Raises
    ------
    ValueError
        If the erratum says skip, no frame lies between onset and offset, or two images have one
        number.
    """
    if not numbers:
        raise ValueError(f"no image in {folder} has a number in its name")
    twice = next((one for one, other in pairwise(numbers) if one == other), None)
    if twice is not None:
        raise ValueError(f"{folder}: two images have the number {twice}")
    notes = [row.note] if row.note else []
    source = "sheet"
    erratum = errata.get(row.sample_id)
    if erratum is not None and _applies(erratum, row, numbers):
        if erratum.skip:
            raise ValueError(f"erratum: {erratum.reason} ({erratum.source})")
        use: dict[str, Any] = {k: None if v == "" else v for k, v in erratum.use.items()}
        before = " ".join(f"{k} {_shown(getattr(row, k))} → {_shown(use[k])}" for k in use)
        notes.append(f"{before}: {erratum.reason} ({erratum.source})")
        row = replace(row, **use)
        source = "patched" if use.get("apex") is not None else source
    between = [number for number in numbers if row.onset <= number <= row.offset]
    if not between:
        held = f"{numbers[0]} … {numbers[-1]}"
        raise ValueError(f"{folder} holds frames {held}, none of {row.onset} … {row.offset}")
    there = between if missing_frames == "nearest" else numbers
    onset = _within(row.onset, "onset", there, missing_frames, notes)
    offset = _within(row.offset, "offset", there, missing_frames, notes)
    apex = row.apex
    if apex is not None and not onset < apex <= offset:
        notes.append(f"apex {apex} lies outside {onset} … {offset}")
        apex = None
    if apex is None:
        apex, source = midpoint(onset, offset), "midpoint"
    if missing_frames == "nearest":  # on the onset it would be none: nothing moves
        there = [number for number in between if number > onset] or between
    apex = _within(apex, "apex", there, missing_frames, notes)
    return Sample(
        sample_id=row.sample_id,
        dataset=row.dataset,
        subject=row.subject,
        clip=row.clip,
        path=folder,
        first_frame=numbers[0],
        onset=onset,
        apex=apex,
        offset=offset,
        fps=row.fps,
        emotion=row.emotion,
        action_units=row.action_units,
        objective_class=row.objective_class,
        apex_source=source,
        missing_frames=missing_frames,
        note="; ".join(notes),
    )


def _applies(erratum: Erratum, row: Row, numbers: Sequence[int]) -> bool:
    if any((None if v == "" else v) != getattr(row, k) for k, v in erratum.sheet.items()):
        return False
    return not erratum.files or not numbers[0] <= row.onset < row.offset <= numbers[-1]


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _within(
    number: int, name: str, numbers: Sequence[int], missing_frames: str, notes: list[str]
) -> int:
    """The number itself, or the frame that stands in for it."""
    moved = min(max(number, numbers[0]), numbers[-1])
    if missing_frames == "nearest":
        moved = nearest_frame(moved, numbers)
    if moved != number:
        notes.append(f"{name} {number} → {moved}: there is no frame {number}")
    return moved
