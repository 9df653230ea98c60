"""CAS(ME)²: 57 micro-expressions of 14 people, of 22; colour, 30 frames a second.

Qu et al., "CAS(ME)²: A Database for Spontaneous Macro-Expression and Micro-Expression Spotting
and Recognition", IEEE Transactions on Affective Computing 9(4), 2018. The sheet has 300 rows of
macro-expressions beside; they are no samples of this field and are left out, by rule, unless
asked for. None of its worksheets has a header: they are known by what their cells hold.

The images may be a whole video (``rawpic``) or one expression each, whole (``selectedpic``) or
cropped; a frame has the same number in all three, so whichever is there is read.
"""

import re
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from features.console import MerError
from pipeline import errata, sheets
from pipeline.annotations import emotion, frame, frame_or_none, noted_units
from pipeline.datasets.base import Dataset
from pipeline.listing import Tree, by_key, pick, survey
from pipeline.manifest import Manifest, Sample, gather, remark

FPS = 30.0
TREE = (
    "expected below the root: CAS(ME)^2code_final.xlsx with its three sheets, and folders of "
    "images such as selectedpic/s15/anger1_1 or rawpic/s15/15_0101disgustingteeth"
)
COLUMNS = ("person", "clip", "onset", "apex", "offset", "action_units", "emotion", "kind")
KIND = re.compile(r"(micro|macro)-expression", re.IGNORECASE)
EMOTIONS = frozenset({"negative", "others", "positive", "surprise"})
NO_EXPRESSION = {(15, "0508"), (19, "0502"), (23, "0503")}  # annotated by nobody

Expression = tuple[int, str]  # 15, anger1_1
Video = tuple[int, str]  # 15, 0401


@dataclass(frozen=True, slots=True)
class Book:
    """A workbook: the rows, naming rule 1 (person -> folder) and 2 (name of a film -> code)."""

    file: str
    rows: tuple[tuple[int, sheets.Cells], ...]
    folders: Mapping[str, int]
    codes: Mapping[str, str]

    def place(self, cells: sheets.Cells) -> tuple[Expression, Video]:
        """What a row's folder is called where expressions are cut out, and where they are not."""
        clip = cells["clip"].lower()
        if cells["person"] not in self.folders:
            raise ValueError(f"participant is {cells['person']!r}, none of naming rule 1")
        film, mark, _ = clip.partition("_")
        if film not in self.codes or not mark:
            raise ValueError(f"video is {cells['clip']!r}; its film is none of naming rule 2")
        person = self.folders[cells["person"]]
        return (person, clip), (person, self.codes[film])


def read(root: Path, kinds: Collection[str] = ("micro",)) -> Manifest:
    """Read the official release below a root.

    Parameters
    ----------
    kinds : ``micro``, ``macro`` or both

    Raises
    ------
    MerError
        If the root holds no such workbook, two that differ, or no clip.
    """
    tree = survey(root)
    book = _find_book(root, tree.files)
    places = by_key(tree, _key)
    if not places:
        raise MerError(f"{root}: no folder like s15/anger1_1 or s15/15_0101… holds images", TREE)
    known = errata.load("casme_sq")
    manifest = gather(
        (
            f"{book.file} row {number} ({cells['person']} {cells['clip']})",
            partial(_sample, tree, places, known, book, cells),
        )
        for number, cells in book.rows
        if not (kind := KIND.fullmatch(cells["kind"])) or kind[1].lower() in kinds
    )
    return Manifest(
        manifest.samples, manifest.bad, remark(tree.troubles, _unlabelled(book, places))
    )


def _key(parts: tuple[str, ...]) -> Hashable | None:
    """Expression or Video that a folder holds.

    A video's own name says whose it is: ``23_0502funnyerrors`` was filed under s19.
    """
    video = re.match(r"(\d+)_(\d{4})(?!\d)", parts[-1])
    if video:
        return int(video[1]), video[2]
    person = re.fullmatch(r"s?(\d+)", parts[-2]) if len(parts) > 1 else None
    if person and re.fullmatch(r"[a-z]+\d+_\d+", parts[-1]):
        return int(person[1]), parts[-1]
    return None


def _sample(
    tree: Tree,
    places: Mapping[Hashable, list[str]],
    known: Mapping[str, errata.Erratum],
    book: Book,
    cells: sheets.Cells,
) -> Sample:
    if not KIND.fullmatch(cells["kind"]):
        raise ValueError(f"type is {cells['kind']!r}; expected 'micro-expression' or 'macro-…'")
    expression, video = book.place(cells)
    feeling = emotion(cells["emotion"], EMOTIONS)
    units, trouble = noted_units(cells["action_units"])
    apex = frame_or_none(cells["apex"], "apex") or None  # 0: not annotated
    offset = frame_or_none(cells["offset"], "offset") or 0
    notes = [trouble] if trouble else []
    if apex and apex > offset:  # some rows say 0, three a frame before the apex
        notes.append(f"offset {offset} → {apex}: the apex is the last frame annotated")
        offset = apex
    if not offset:
        raise ValueError("neither apex nor offset is annotated")
    subject = f"s{expression[0]}"
    row = errata.Row(
        sample_id=f"casme_sq_{subject}_{cells['clip']}",
        dataset="casme_sq",
        subject=subject,
        clip=cells["clip"],
        onset=frame(cells["onset"], "onset"),
        apex=apex,
        offset=offset,
        fps=FPS,
        emotion=feeling,
        action_units=units,
        note="; ".join(notes),
    )
    where = [*places.get(expression, ()), *places.get(video, ())]
    folder = pick(where, ("selectedpic", f"{subject}/", "rawpic", "cropped"))
    return errata.settle(row, folder, tree.clips[folder], known)


def _unlabelled(book: Book, places: Mapping[Hashable, list[str]]) -> Iterator[tuple[str, str]]:
    """Folders that no row is about, macro-expressions counted."""
    named: set[Hashable] = set()
    for _, cells in book.rows:
        try:
            named.update(book.place(cells))
        except ValueError:  # told where the row is read
            continue
    for key, folders in places.items():
        if key not in named:
            why = "known of the release" if key in NO_EXPRESSION else "is the sheet complete?"
            for folder in folders:
                yield folder, f"no row is about this folder: {why}"


def _find_book(root: Path, files: tuple[str, ...]) -> Book:
    """Return the one workbook with the rows and both naming rules; equal copies are no matter."""
    listed, refused = sheets.tables(root, files)
    names = dict.fromkeys(table.file for table in listed)
    books = [_book(name, [t for t in listed if t.file == name]) for name in names]
    found = [book for book in books if book.rows and book.folders and book.codes]
    if not found:
        cause = f"{root}: no workbook with expressions and both naming rules"
        raise MerError("; ".join([cause, *refused]), TREE)
    said = [([cells for _, cells in b.rows], b.folders, b.codes) for b in found]
    if any(one != said[0] for one in said):
        both = " and ".join(book.file for book in found)
        raise MerError(f"{root}: several sheets that differ: {both}", "keep the one that is meant")
    return found[0]


def _book(name: str, tables: list[sheets.Table]) -> Book:
    rows: list[tuple[int, sheets.Cells]] = []
    folders: dict[str, int] = {}
    codes: dict[str, str] = {}
    for table in tables:
        texts = [(number, (*cells, *[""] * len(COLUMNS))) for number, cells in table.rows]
        if any(KIND.fullmatch(cells[COLUMNS.index("kind")]) for _, cells in texts):
            rows += [(n, dict(zip(COLUMNS, cells, strict=False))) for n, cells in texts]
            continue
        for _, cells in texts:
            said = [cell.lower() for cell in cells if cell]
            if len(said) == 3 and re.fullmatch(r"s\d+", said[1]):  # 15, s15, participant
                folders[said[2]] = int(said[1][1:])
            elif len(said) == 2 and re.fullmatch(r"[a-z]+\d+", said[1]):  # 101, disgust1
                codes[said[1]] = said[0].zfill(4)
    return Book(name, tuple(rows), folders, codes)


DATASET = Dataset(read, about="CAS(ME)² (57 micro-expressions, 14 subjects, 30 fps, colour)")
