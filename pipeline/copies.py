"""Copies of datasets: what the user calls DATASET, and where it lies."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from features.console import USAGE, MerError, choose, nearest
from pipeline.datasets import base
from pipeline.datasets.base import Dataset
from pipeline.engine import Engine, over
from pipeline.manifest import Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class Copy:
    """Somebody's copy of a dataset.

    Parameters
    ----------
    ours : its folder is only where a manifest lies, not one that was named or has a known name
    sheet : the manifest it is read by, if it has no known name
    """

    name: str
    dataset: Dataset
    root: Path
    ours: bool = False
    sheet: Path | None = None

    @property
    def asked(self) -> str:
        """What to type for it, as a store may keep it: for a manifest the name of its dataset.

        Neither a path nor the name of a file: a store's bytes do not depend on those.
        """
        return self.name if self.sheet is None else f"{self.name}.csv"

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
            if any("\ud800" <= c <= "\udfff" for c in name):  # bytes that no store can hold
                raise MerError(f"{dataset}: its name is not UTF-8", "rename it", USAGE)
            reader = Dataset(lambda _, p=path, n=name: read_manifest(p, n), "a manifest")  # type: ignore[misc]
            usual = path.parent
        else:
            _refuse_folder(dataset)
            name = choose("dataset", dataset, base.names(), "give a manifest CSV")
            reader = base.load(name)
            usual = Path(os.environ.get("MER_DATA", "data")) / name
        given = known.pop(name, known.pop("", None))
        sheet = path if path.suffix.lower() == ".csv" else None
        found.append(Copy(name, reader, given or usual, sheet is not None and not given, sheet))
    if known:
        name, named = next(iter(known)), [copy.name for copy in found]
        hint = nearest(name, named)
        cause = f"--root {name}=…: not among the datasets{hint}"
        raise MerError(cause, f"they are {', '.join(named)}", USAGE)
    if len({copy.name for copy in found}) < len(found):
        raise MerError("a dataset is named twice", "name each once", USAGE)
    return found


def _refuse_folder(dataset: str) -> None:
    """Say what to give instead of a folder."""
    if dataset in base.names() or not Path(dataset).is_dir():
        return
    draft = Path(dataset) / "manifest.csv"
    if draft.is_file():
        remedy = f"give its manifest: {draft}"
    else:
        make = f"mer-features manifest folder --root {dataset} -o {draft}"
        remedy = f"for clips of your own: {make}; for a known dataset: NAME --root {dataset}"
    raise MerError(f"no dataset {dataset!r}: it is a folder", remedy, USAGE)


def refuse_inside(copies: Sequence[Copy], out: Path) -> None:
    """See to it that nothing is written into a dataset's folder.

    Whoever keeps clips, manifest and stores in one folder of their own may.

    Raises
    ------
    MerError
        Exit code 2.
    """
    for copy in copies:
        if not copy.ours and out.resolve().is_relative_to(copy.root.resolve()):
            cause = f"--out {out} lies inside the dataset's folder {copy.root}"
            raise MerError(cause, "nothing in there is changed: name a folder elsewhere", USAGE)


def _split(root: str, n_datasets: int) -> tuple[str, Path]:
    name, equals, folder = root.partition("=")
    if not equals or "/" in name:
        name, folder = "", root
    if not folder:  # a shell variable that is not set
        raise MerError(f"--root {root}: names no folder", "give the dataset's folder", USAGE)
    if not name and n_datasets > 1:
        raise MerError(f"--root {root}: of which dataset?", "write --root NAME=DIR", USAGE)
    return name, Path(folder)
