"""Small copies of official releases: sheets with invented rows, tiny images with official names."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
from PIL import Image

TINY = Image.fromarray(np.full((8, 8, 3), 120, np.uint8))


def workbook(path: Path, sheets: Mapping[str, Iterable[Sequence[Any]]]) -> Path:
    """Write an .xlsx: title -> rows. A str that begins with = becomes a formula without a value."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        worksheet = book.create_sheet(title)
        for row in rows:
            worksheet.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def images(folder: Path, names: Iterable[str], image: Image.Image = TINY) -> Path:
    """Save one tiny image under each name; the suffix before a doubled one decides the kind."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {".png": "PNG", ".bmp": "BMP"}
    for name in names:
        image.save(folder / name, kinds.get(Path(name).suffix.lower(), "JPEG"))
    return folder


def empty_images(folder: Path, names: Iterable[str]) -> Path:
    """Files with those names and nothing in them: enough for reading a release, and quick."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def deal(counts: Mapping[str, int], fixed: Sequence[str | None]) -> list[str]:
    """Give each place a word so that every word comes as often as counted; some are fixed."""
    left = Counter(counts) - Counter(word for word in fixed if word)
    rest = left.elements()
    return [word or next(rest) for word in fixed]
