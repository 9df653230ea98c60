"""What a dataset says of itself, and how it is found."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import pipeline.datasets
from features import plugin
from features.console import MerError
from pipeline.listing import Tree
from pipeline.manifest import Manifest, Sample, gather, remark
from pipeline.sheets import Cells, Sheet

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The last line of a dataset's file.

    Parameters
    ----------
    read : root -> Manifest
        Lists folders, reads the sheet; raises MerError when the root holds neither.
    about : one line for `mer-features list datasets`
    make : called as ``make(root, over)``
        Only for a dataset that is made on the user's machine; ``over(function, items, title)``
        calls the function for every item, on as many workers as there are.
    """

    read: Callable[[Path], Manifest]
    about: str
    make: Callable[[Path, Callable[..., None]], None] | None = None


def by_rows(
    tree: Tree,
    sheet: Sheet,
    columns: Sequence[str],
    clips: Mapping[Key, list[str]],
    key: Callable[[Cells], Key],
    sample: Callable[[Cells], Sample],
    expected: str,
    why: Callable[[Key], str] | None = None,
) -> Manifest:
    """Read a release that has a sheet with a row a sample, and a folder a row.

    Parameters
    ----------
    columns : which name a row in a message
    clips : key -> folders of images that spell it
    key : the key of a row
    sample : makes a row's sample; a ValueError says why it cannot be used
    expected : the remedy, what is expected below the root
    why : what to say of a folder without a row; blank for nothing

    Raises
    ------
    MerError
        If no folder is named after a row.
    """
    named = {key(cells) for _, cells in sheet.rows}
    if not named & clips.keys():
        cause = f"{tree.root}: no folder of images is named after a row of {sheet.file}"
        raise MerError(cause, expected)
    manifest = gather(
        (sheet.name(number, cells, *columns), partial(sample, cells))
        for number, cells in sheet.rows
    )
    spare = ((", ".join(clips[k]), k) for k in clips.keys() - named)
    told = [
        (places, reason)
        for places, k in sorted(spare, key=lambda pair: pair[0])
        if (reason := why(k) if why else no_row(sheet))
    ]
    return Manifest(manifest.samples, manifest.bad, remark(told, tree.troubles))


def no_row(sheet: Sheet) -> str:
    """What is said of a clip's folder that the sheet does not know."""
    return f"{sheet.file} has no row of this clip"


def names() -> list[str]:
    """Every dataset known by name: one file each in this folder."""
    return plugin.names(pipeline.datasets)


def load(name: str) -> Dataset:
    """Import one dataset, and only that one."""
    return plugin.load(pipeline.datasets, name, Dataset)
