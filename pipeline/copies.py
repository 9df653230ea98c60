"""Copies of datasets: what the user calls DATASET, and where it lies."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from features.console import USAGE, MerError, choose
from pipeline.datasets import base
from pipeline.datasets.base import Dataset
from pipeline.engine import Engine, over
from pipeline.manifest import Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class Copy:
    """Somebody's copy of a dataset."""

    name: str
    dataset: Dataset
    root: Path

    def manifest(self, engine: Engine) -> Manifest:
        """Its samples; a dataset that is made here is made first."""
        if self.dataset.make is None:
            if not self.root.is_dir():
                raise MerError(
                    f"{self.root}: no such folder", "give the dataset's folder with --root"
                )
            return self.dataset.read(self.root)
        try:
            return self.dataset.read(self.root)
        except MerError:
            self.dataset.make(self.root, partial(over, engine))
            return self.dataset.read(self.root)


def find(datasets: Sequence[str], roots: Sequence[str]) -> list[Copy]:
    """Turn the words of a command line into copies.

    Parameters
    ----------
    datasets : known names, or paths of manifests ending in .csv
    roots : ``DIR`` for a single dataset, ``NAME=DIR`` for one of several; without one it is
        $MER_DATA/NAME (data/NAME), or a manifest's own folder

    Raises
    ------
    MerError
        Exit code 2: a name or a root that means nothing, or two datasets of one name.
    """
    known = dict(_split(root, len(datasets)) for root in roots)
    found = []
    for dataset in datasets:
        path = Path(dataset)
        if path.suffix.lower() == ".csv":
            # clips/manifest.csv is called clips, nir.csv is called nir
            name = path.resolve().parent.name if path.stem == "manifest" else path.stem
            reader = Dataset(lambda _, p=path, n=name: read_manifest(p, n), "a manifest")  # type: ignore[misc]
            usual = path.parent
        else:
            name = choose("dataset", dataset, base.names(), "give a manifest CSV")
            reader = base.load(name)
            usual = Path(os.environ.get("MER_DATA", "data")) / name
        found.append(Copy(name, reader, known.pop(name, known.pop("", usual))))
    if known:
        raise MerError(f"--root {next(iter(known))}=…: not among the datasets", "check it", USAGE)
    if len({copy.name for copy in found}) < len(found):
        raise MerError("a dataset is named twice", "name each once", USAGE)
    return found


def _split(root: str, n_datasets: int) -> tuple[str, Path]:
    name, equals, folder = root.partition("=")
    if equals and "/" not in name:
        return name, Path(folder)
    if n_datasets > 1:
        raise MerError(f"--root {root}: of which dataset?", "write --root NAME=DIR", USAGE)
    return "", Path(root)
