"""Spreadsheets as text: found by what they hold, read within bounds, never computed.

A cell is the text that a person reads in it. A formula whose value was not saved is blank:
whoever needs it works it out from the other cells.
"""

import re
import stat
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.console import MerError
from pipeline.listing import inside

SUFFIXES = (".xlsx", ".xlsm", ".xls")
MAX_UNPACKED = 64 * 2**20  # bytes; the largest real one has a few MB: 400 kB can fill a memory
MAX_MARKS = 2_000_000  # tags and attributes; each costs a parser far more than its few bytes
MAX_ROWS, MAX_COLUMNS = 20_000, 128
HEADER_ROWS = 20  # a header lies among the first

Cells = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """One worksheet: its rows as texts, with the numbers that a spreadsheet shows."""

    file: str  # relative to the root
    title: str
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Annotations under a header: (row number, our name of a column -> text)."""

    file: str
    title: str
    rows: tuple[tuple[int, Cells], ...]

    def name(self, number: int, cells: Cells, *columns: str) -> str:
        """What a message calls a row: its file, number and key."""
        return f"{self.file} row {number} ({' '.join(cells[column] for column in columns)})"


def tables(root: Path, files: Iterable[str]) -> tuple[list[Table], list[str]]:
    """Every worksheet of every workbook among some files, and why others were refused."""
    found: list[Table] = []
    refused: list[str] = []
    for name in files:
        if Path(name).suffix.lower() in SUFFIXES:
            try:
                found += read(inside(root, name), name)
            except (ValueError, OSError) as error:
                refused.append(f"{name}: {error}")
    return found, refused


def find(
    root: Path,
    files: Iterable[str],
    headings: Mapping[str, Sequence[str]],
    tree: str,
    optional: Iterable[str] = (),
) -> Sheet:
    """Return the one sheet with these headings; copies that say the same are no matter.

    Parameters
    ----------
    headings : our name of a column -> what the sheet may call it, the first that is there;
        white space, underscores, apostrophes and case do not count
    tree : the remedy, what is expected below the root
    optional : columns that may be missing; their cells are blank

    Raises
    ------
    MerError
        If there is no such sheet, or there are several that differ.
    """
    listed, refused = tables(root, files)
    found = [sheet for table in listed if (sheet := headed(table, headings, optional))]
    if not found:
        titles = ", ".join(theirs[0] for theirs in headings.values())
        cause = f"{root}: no sheet with the columns {titles}"
        raise MerError("; ".join([cause, *refused]), tree)
    said = [[dict(cells) for _, cells in sheet.rows] for sheet in found]
    if any(rows != said[0] for rows in said):
        names = " and ".join(f"{sheet.file} [{sheet.title}]" for sheet in found)
        raise MerError(f"{root}: several sheets that differ: {names}", "keep the one that is meant")
    return found[0]


def headed(
    table: Table, headings: Mapping[str, Sequence[str]], optional: Iterable[str] = ()
) -> Sheet | None:
    """Rows below the header, blank ones left out; None if the table has no such header."""
    optional = set(optional)
    for start, (_, head) in enumerate(table.rows[:HEADER_ROWS]):
        titles = [plain_title(cell) for cell in head]
        columns = {
            ours: next((titles.index(t) for t in map(plain_title, theirs) if t in titles), -1)
            for ours, theirs in headings.items()
        }
        if any(place < 0 and ours not in optional for ours, place in columns.items()):
            continue
        rows = (
            (number, {k: row[i] if 0 <= i < len(row) else "" for k, i in columns.items()})
            for number, row in table.rows[start + 1 :]
        )
        kept = tuple((number, cells) for number, cells in rows if any(cells.values()))
        return Sheet(table.file, table.title, kept)
    return None


def plain_title(text: str) -> str:
    """A column's title without white space, underscores, apostrophes and case."""
    return re.sub(r"[\s_'’]+", "", text).lower()


def read(path: Path, name: str) -> list[Table]:
    """Read every worksheet of a workbook, blank rows left out.

    Raises
    ------
    ValueError
        If the file is no workbook, unpacks to more than 64 MiB, or has more than 20,000 rows or
        two million marks.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a regular file")
    if path.stat().st_size > MAX_UNPACKED:
        raise ValueError(f"has {path.stat().st_size >> 20} MiB; refused above 64")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles that a parser does not know
            if path.suffix.lower() == ".xls":
                return list(_read_xls(path, name))
            return list(_read_xlsx(path, name))
    except ValueError:
        raise
    except Exception as error:  # whatever a zip, an XML and a sheet parser may raise
        raise ValueError(f"not a readable workbook ({type(error).__name__}: {error})") from error


def _read_xlsx(path: Path, name: str) -> Iterable[Table]:
    import openpyxl

    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(member.file_size for member in packed.infolist())
            if size > MAX_UNPACKED:
                raise ValueError(f"unpacks to {size >> 20} MiB; refused above {MAX_UNPACKED >> 20}")
            if _marks(packed) > MAX_MARKS:
                raise ValueError(f"has more than {MAX_MARKS} cells and marks; refused")
    except zipfile.BadZipFile as error:
        raise ValueError(f"not an Excel workbook ({error})") from None
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        for worksheet in book.worksheets:
            # Bounds of our own: the size that a sheet states may be wrong either way.
            worksheet.reset_dimensions()
            rows = worksheet.iter_rows(max_col=MAX_COLUMNS, values_only=True)
            yield _table(name, worksheet.title, rows)
    finally:
        book.close()


def _marks(packed: zipfile.ZipFile) -> int:
    """How many tags and attributes the XML of a workbook holds, read in pieces."""
    count = 0
    for member in packed.infolist():
        if member.filename.endswith((".xml", ".rels")):
            with packed.open(member) as stream:
                while piece := stream.read(2**20):
                    count += piece.count(b"<") + piece.count(b"=")
    return count


def _read_xls(path: Path, name: str) -> Iterable[Table]:
    import xlrd

    with xlrd.open_workbook(path, on_demand=True) as book:
        for worksheet in book.sheets():
            rows = (worksheet.row_values(i)[:MAX_COLUMNS] for i in range(worksheet.nrows))
            yield _table(name, worksheet.name, rows)


def _table(name: str, title: str, rows: Iterable[Sequence[Any]]) -> Table:
    kept = []
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS:
            raise ValueError(f"sheet {title} has more than {MAX_ROWS} rows; refused")
        texts = tuple(as_text(cell) for cell in row)
        if any(texts):
            kept.append((number, texts))
    return Table(name, title, tuple(kept))


def as_text(cell: object) -> str:
    """A cell as a person reads it: a lone action unit is stored as the number 12.0."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()
