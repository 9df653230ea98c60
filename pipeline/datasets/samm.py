"""SAMM: 159 micro-movements of 29 people, grey, 200 frames a second.

Davison et al., "SAMM: A Spontaneous Micro-Facial Movement Dataset", IEEE Transactions on
Affective Computing 9(1), 2018. The sheet is known by its header and the clips by their folders'
names, so that renamed, stripped and twice unpacked copies are read too.
"""

import re
import stat
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from features.console import MerError, printable
from pipeline.datasets.base import Dataset
from pipeline.listing import IMAGES, folders, frames, inside
from pipeline.manifest import BadRow, Manifest, Sample, gather, midpoint

FPS = 200.0
TREE = (
    "expected below the root: SAMM_Micro_FACS_Codes_v2.xlsx, and folders of images such as "
    "SAMM/006/006_1_2/006_05562.jpg"
)
HEADINGS = {  # what a column is called, white space, underscores and case left out
    "subject": ("subject",),
    "filename": ("filename",),
    "onset": ("onsetframe", "onsetf", "onset"),
    "apex": ("apexframe", "apexf1", "apexf", "apex"),
    "offset": ("offsetframe", "offsetf", "offset"),
    "emotion": ("estimatedemotion", "emotion"),
    "action_units": ("actionunits", "aus", "au"),
}
EMOTIONS = frozenset(
    {"anger", "contempt", "disgust", "fear", "happiness", "others", "sadness", "surprise"}
)
SYNONYMS = {"happy": "happiness", "amusement": "happiness", "sad": "sadness", "other": "others"}
NO_APEX = ("", "/", "\\", "-")

MAX_SHEET_BYTES = 64 * 2**20  # unpacked; the real one has under 100 kB
MAX_ROWS, MAX_COLUMNS, HEADER_ROWS = 5000, 64, 20

Cells = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Annotations as written: (row number, column -> text)."""

    name: str
    rows: tuple[tuple[int, Cells], ...]


def read(root: Path) -> Manifest:
    """Read the official release below a root.

    An apex outside (onset, offset] gives way to the midpoint, and `apex_source` says so.

    Raises
    ------
    MerError
        If the root holds no such sheet, two that differ, or none of its clips.
    """
    if not root.is_dir():
        raise MerError(f"{root}: no such folder", TREE)
    unreadable: list[OSError] = []
    tree = list(folders(root, unreadable.append))
    sheet = _find_sheet(root, [_join(here, name) for here, files, _ in tree for name in files])
    clips = _find_clips((here, files) for here, files, _ in tree)

    def rows() -> Iterable[tuple[str, Callable[[], Sample]]]:
        for number, cells in sheet.rows:
            name = f"{sheet.name} row {number} ({cells['filename']})"
            yield name, partial(_sample, root, cells, clips)

    if not any(cells["filename"].lower() in clips for _, cells in sheet.rows):
        raise MerError(f"{root}: no folder of images is named after a row of {sheet.name}", TREE)
    manifest = gather(rows())
    closed = tuple(
        BadRow(printable(e.filename), f"cannot be listed: {e.strerror}") for e in unreadable
    )
    return Manifest(manifest.samples, manifest.bad + closed)


def _find_clips(tree: Iterable[tuple[str, list[str]]]) -> dict[str, list[str]]:
    """Name of a folder, lower case -> where folders of that name hold images."""
    clips: dict[str, list[str]] = defaultdict(list)
    for here, files in tree:
        if any(Path(name).suffix.lower() in IMAGES for name in files):
            clips[Path(here).name.lower()].append(here)
    return dict(clips)


def _sample(root: Path, cells: Cells, clips: Mapping[str, list[str]]) -> Sample:
    filename = cells["filename"]
    if not re.fullmatch(r"[0-9]{3}_[0-9]+_[0-9]+", filename):
        raise ValueError(f"Filename is {filename!r}; expected one like '006_1_2'")
    subject = filename[:3]  # the column itself loses its zeros in spreadsheets
    if cells["subject"] and cells["subject"].zfill(3) != subject:
        raise ValueError(f"Subject {cells['subject']!r} is not the one of Filename {filename!r}")
    onset, offset = _frame(cells, "onset"), _frame(cells, "offset")
    apex, source = _apex(cells, onset, offset)
    folder, first = _place(root, filename, clips, onset, offset)
    return Sample(
        sample_id=f"samm_{filename}",
        dataset="samm",
        subject=subject,
        clip=filename,
        path=folder,
        first_frame=first,
        onset=onset,
        apex=apex,
        offset=offset,
        fps=FPS,
        emotion=_emotion(cells["emotion"]),
        action_units=cells["action_units"],
        apex_source=source,
    )


def _place(
    root: Path, clip: str, clips: Mapping[str, list[str]], onset: int, offset: int
) -> tuple[str, int]:
    """Folder of a clip, relative to the root, and its lowest frame number."""
    where = clips.get(clip.lower(), [])
    if not where:
        raise ValueError(f"no folder {clip} with images below the root (links are not followed)")
    if len(where) > 1:
        raise ValueError(f"several folders hold this clip: {', '.join(where)}; keep one")
    numbers = list(frames(inside(root, where[0]), root))
    if not numbers:
        raise ValueError(f"no image in {where[0]} has a number in its name")
    if not any(onset <= number <= offset for number in numbers):
        held = f"{numbers[0]} … {numbers[-1]}"
        raise ValueError(f"{where[0]} holds frames {held}, none of {onset} … {offset}")
    return where[0], numbers[0]


def _apex(cells: Cells, onset: int, offset: int) -> tuple[int, str]:
    if cells["apex"] in NO_APEX:
        return midpoint(onset, offset), "midpoint"
    apex = _frame(cells, "apex")
    if onset < apex <= offset:
        return apex, "sheet"
    return midpoint(onset, offset), "midpoint"


def _frame(cells: Cells, name: str) -> int:
    text = cells[name]
    if not re.fullmatch(r"[0-9]+", text):
        raise ValueError(f"{name} is {text!r}; expected a frame number")
    return int(text)


def _emotion(text: str) -> str:
    emotion = SYNONYMS.get(text.lower(), text.lower())
    if emotion not in EMOTIONS:
        raise ValueError(f"emotion is {text!r}, none of {', '.join(sorted(EMOTIONS))}")
    return emotion


def _text(cell: object) -> str:
    """Cell as a person reads it: a lone action unit is stored as the number 12.0."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()


def _join(here: str, name: str) -> str:
    return name if here == "." else f"{here}/{name}"


def _find_sheet(root: Path, files: Iterable[str]) -> Sheet:
    """Return the one sheet with our header; copies of it that say the same are no matter."""
    found: list[Sheet] = []
    refused: list[str] = []
    for name in files:
        if Path(name).suffix.lower() not in (".xlsx", ".xlsm"):
            continue
        try:
            found += _read_sheets(inside(root, name), name)
        except (ValueError, OSError) as error:
            refused.append(f"{name}: {error}")
    if not found:
        cause = f"{root}: no sheet with the columns Subject … Estimated Emotion"
        raise MerError("; ".join([cause, *refused]), TREE)
    said = [[cells for _, cells in sheet.rows] for sheet in found]
    if any(rows != said[0] for rows in said):
        names = " and ".join(sheet.name for sheet in found)
        raise MerError(f"{root}: several sheets that differ: {names}", "keep the one that is meant")
    return found[0]


def _read_sheets(path: Path, name: str) -> list[Sheet]:
    """Read every worksheet with our header.

    Raises
    ------
    ValueError
        If the file is no workbook, or unpacks to more than 64 MiB: 400 kB can fill the memory.
    """
    import openpyxl

    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a regular file")
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(member.file_size for member in packed.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"not an Excel workbook ({error})") from None
    if size > MAX_SHEET_BYTES:
        raise ValueError(f"unpacks to {size >> 20} MiB; refused above {MAX_SHEET_BYTES >> 20}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles it does not know
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                tables = [_table(worksheet) for worksheet in book.worksheets]
            finally:
                book.close()
    except Exception as error:  # whatever a zip, an XML and a sheet parser may raise
        raise ValueError(f"not a readable workbook ({type(error).__name__}: {error})") from error
    rows = [_rows(table) for table in tables]
    return [Sheet(name, found) for found in rows if found]


def _table(worksheet: Any) -> list[tuple[object, ...]]:
    # Bounds of our own: the size that a sheet states may be wrong either way.
    return list(worksheet.iter_rows(max_row=MAX_ROWS, max_col=MAX_COLUMNS, values_only=True))


def _rows(table: list[tuple[object, ...]]) -> tuple[tuple[int, Cells], ...]:
    """Rows below the header, blank ones left out; none if the table is not SAMM's."""
    for start, head in enumerate(table[:HEADER_ROWS]):
        titles = [re.sub(r"[\s_]+", "", _text(cell)).lower() for cell in head]
        if not titles or titles[0] != "subject":
            continue
        columns = {
            ours: next((titles.index(title) for title in theirs if title in titles), -1)
            for ours, theirs in HEADINGS.items()
        }
        if -1 in columns.values():
            continue
        body = enumerate(table[start + 1 :], start=start + 2)
        cells = (
            (number, {k: _text(row[i]) if i < len(row) else "" for k, i in columns.items()})
            for number, row in body
        )
        return tuple((number, row) for number, row in cells if any(row.values()))
    return ()


DATASET = Dataset(read, about="SAMM (159 clips, 29 subjects, 200 fps, grey)")
