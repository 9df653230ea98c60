"""What a dataset says of itself, and how it is found."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pipeline.datasets
from features import plugin
from pipeline.manifest import Manifest


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


def names() -> list[str]:
    """Every dataset known by name: one file each in this folder."""
    return plugin.names(pipeline.datasets)


def load(name: str) -> Dataset:
    """Import one dataset, and only that one."""
    return plugin.load(pipeline.datasets, name, Dataset)
