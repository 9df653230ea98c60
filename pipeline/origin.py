"""Where the clips of a store lie: as the command line says, or as its last run had it.

A store holds no path. The cache of whoever made it remembers them, for that machine alone.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.console import USAGE, MerError
from features.store import Store
from pipeline import copies
from pipeline.copies import Copy
from pipeline.datasets import base


def told(found: Sequence[Copy]) -> list[dict[str, str]]:
    """Copies as the cache remembers them: what to call each, and its folder."""
    return [
        {
            "dataset": str(copy.sheet.resolve()) if copy.sheet else copy.name,
            "name": copy.name,
            "root": str(copy.root.resolve()),
        }
        for copy in found
    ]


def of_store(
    store: Store, datasets: Sequence[str], roots: Sequence[str], run: Mapping[str, Any] | None
) -> list[Copy]:
    """The copies that may hold a store's clips.

    Parameters
    ----------
    datasets, roots : as typed; a root may be a manifest, or a folder with a manifest.csv
    run : what the cache remembers of the store's last run

    Raises
    ------
    MerError
        If nobody named a dataset and it cannot be known where it lies.
    """
    if datasets:
        return copies.find(datasets, roots)
    if (manifest := _manifest(store, roots)) is not None:
        return copies.find([manifest], [])
    if not roots and (remembered := _remembered(store, run)):
        return remembered
    names = sorted(set(store.index["dataset"]))
    unknown = [name for name in names if name not in base.names()]
    if unknown and "imported" not in json.loads(store.attrs["recipe"]):
        raise MerError(
            f"dataset {unknown[0]!r} is none that is known by name: a manifest made this store",
            "name that manifest: --dataset FOLDER/manifest.csv",
            USAGE,
        )
    found = [] if unknown else copies.find(names, roots)
    for copy in found:
        if not copy.root.is_dir():  # nothing is made here that nobody named
            raise MerError(f"{copy.root}: no such folder", "name the dataset's with --root")
    return found


def _manifest(store: Store, roots: Sequence[str]) -> str | None:
    """The manifest that is given where a folder was asked for."""
    if len(roots) != 1:
        return None
    path = Path(roots[0])
    if path.suffix.lower() == ".csv":
        return str(path)
    known = set(store.index["dataset"]) <= set(base.names())
    beside = path / "manifest.csv"
    return str(beside) if not known and beside.is_file() else None


def _remembered(store: Store, run: Mapping[str, Any] | None) -> list[Copy]:
    """The copies of a store's last run, if they are all where they were."""
    if run is None or run["key"] != store.attrs["key"] or "copies" not in run:
        return []
    found = [
        copy
        for one in run["copies"]
        for copy in copies.find([one["dataset"]], [f"{one['name']}={one['root']}"])
    ]
    whole = all(c.root.is_dir() and (c.sheet is None or c.sheet.is_file()) for c in found)
    return found if whole else []
