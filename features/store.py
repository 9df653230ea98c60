"""The feature store: one immutable HDF5 file, published whole by one rename.

    /            attrs: format, schema, recipe, key, dataset, dataset_fingerprint, code_version
    /index/*     fixed-length columns, a row a sample, sorted by sample_id
    /features/*  (N, …) float16, a chunk a sample; attrs: units, axes, convention, config, revision
    /failures/*  sample_id, stage, code, message
    /provenance  JSON

Nothing here opens a published file for writing.
"""

import errno
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from features.base import Array, array_digest, digest
from features.console import INTEGRITY, NO_SPACE, MerError
from features.disk import aside, private_folder, sync

FORMAT, SCHEMA = "merkit-store", 1
TEXT_COLUMNS = (
    "sample_id", "dataset", "subject", "clip", "emotion", "action_units", "objective_class",
    "apex_source", "digest",
)  # fmt: skip
NUMBER_COLUMNS = {"onset": "<i4", "apex": "<i4", "offset": "<i4", "fps": "<f8"}
FAILURE_COLUMNS = ("sample_id", "stage", "code", "message")


@dataclass(frozen=True, slots=True)
class Column:
    """One feature as the store describes it."""

    units: str
    axes: str
    convention: str
    config: str  # JSON
    revision: int
    dtype: str = "float16"


@dataclass(frozen=True, slots=True)
class Content:
    """All that a store holds except the arrays, which are asked for one at a time.

    `index` rows lack their `digest`: it is taken from the arrays as they are written.
    """

    recipe: str  # JSON
    key: str
    dataset: str
    dataset_fingerprint: str
    code_version: str
    index: Sequence[Mapping[str, Any]]
    features: Mapping[str, Column]
    failures: Sequence[Mapping[str, str]]
    provenance: Mapping[str, Any]


def publish(path: Path, content: Content, read: Callable[[str, str], Array]) -> None:
    """Write a store aside, read it back, then rename it into place.

    Parameters
    ----------
    read : (sample_id, feature) -> array
        Called once a sample and feature, so that a store may exceed the memory.

    Raises
    ------
    MerError
        If the disk is full or what was written reads back otherwise.
    """
    private_folder(path.parent)
    partial = aside(path)
    try:
        _write(partial, content, read)
        with Store(partial) as written:
            bad = written.verify()
        if bad:
            raise MerError(
                f"{path}: {len(bad)} samples read back otherwise than written, first {bad[0]}",
                "the disk lies or is failing; check it and run again",
                INTEGRITY,
            )
        sync(partial)
        partial.chmod(0o400)
        partial.replace(path)
        sync(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(path, 0) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, content: Content, read: Callable[[str, str], Array]) -> None:
    rows = sorted(content.index, key=lambda row: row["sample_id"])
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        _write_attrs(
            file,
            format=FORMAT,
            schema=SCHEMA,
            recipe=content.recipe,
            key=content.key,
            dataset=content.dataset,
            dataset_fingerprint=content.dataset_fingerprint,
            code_version=content.code_version,
        )
        digests = _write_features(file, path, rows, content.features, read)
        _write_index(file.create_group("index"), rows, digests)
        failures = sorted(content.failures, key=lambda row: row["sample_id"])
        group = file.create_group("failures")
        for name in FAILURE_COLUMNS:
            _write_text(group, name, [str(row[name]) for row in failures])
        text = json.dumps(content.provenance, sort_keys=True, indent=1)
        file.create_dataset("provenance", data=np.array(text.encode(), _text_type([text])))


def _write_features(
    file: h5py.File,
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Column],
    read: Callable[[str, str], Array],
) -> list[str]:
    group = file.create_group("features")
    digests: list[list[str]] = [[] for _ in rows]
    for name, column in sorted(columns.items()):
        dataset = None
        for i, row in enumerate(rows):
            array = _narrow(read(row["sample_id"], name), column.dtype)
            if dataset is None:
                shape = (len(rows), *array.shape)
                _check_space(path, len(rows) * array.nbytes)
                dataset = group.create_dataset(name, shape, column.dtype, chunks=(1, *array.shape))
                _write_attrs(
                    dataset,
                    units=column.units,
                    axes=f"sample {column.axes}",
                    convention=column.convention,
                    config=column.config,
                    revision=column.revision,
                )
            if array.shape != dataset.shape[1:]:
                raise MerError(
                    f"{row['sample_id']}: its {name} is {array.shape}, that of"
                    f" {rows[0]['sample_id']} {dataset.shape[1:]}: clips differ in length",
                    "store what has one shape: let the recipe take tim's frames, or pool them",
                )
            # Straight to its place in the file: a chunk cache would put them where its own
            # history says, and the same content would no longer be the same bytes.
            dataset.id.write_direct_chunk((i,) + (0,) * array.ndim, array.tobytes())
            digests[i].append(array_digest(array))
    return [digest("".join(parts).encode()) for parts in digests]


def _narrow(array: Array, dtype: str) -> Array:
    """Cast to the stored type; ValueError if a finite value would not survive."""
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype)
    if not np.isfinite(narrow).all():
        raise ValueError(f"values to {np.abs(array).max():.3g} do not fit {dtype}")
    return narrow


def _write_index(
    group: h5py.Group, rows: Sequence[Mapping[str, Any]], digests: Sequence[str]
) -> None:
    for name, dtype in NUMBER_COLUMNS.items():
        group.create_dataset(name, data=np.array([row[name] for row in rows], dtype))
    for name in TEXT_COLUMNS:
        texts = list(digests) if name == "digest" else [str(row[name]) for row in rows]
        _write_text(group, name, texts)


def _write_text(group: h5py.Group, name: str, texts: Sequence[str]) -> None:
    group.create_dataset(name, data=np.array([t.encode() for t in texts], _text_type(texts)))


def _write_attrs(owner: h5py.HLObject, **values: str | int) -> None:
    """Attributes of fixed length: variable-length text is HDF5's one part without a checksum."""
    for name, value in values.items():
        if isinstance(value, str):
            owner.attrs[name] = np.array(value.encode(), _text_type([value]))
        else:
            owner.attrs[name] = value


def _read_attrs(owner: h5py.HLObject) -> dict[str, Any]:
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in owner.attrs.items()
    }


def _text_type(texts: Sequence[str]) -> np.dtype[Any]:
    return h5py.string_dtype("utf-8", _width(texts))


def _width(texts: Sequence[str]) -> int:
    return max((len(text.encode()) for text in texts), default=1) or 1


def _check_space(path: Path, needed: int) -> None:
    if shutil.disk_usage(path.parent).free < needed:
        raise _no_space(path, needed)


def _no_space(path: Path, needed: int) -> MerError:
    wanted = f"{needed / 2**20:.0f} MiB" if needed else "more"
    return MerError(
        f"{path.parent}: no space for the store, {wanted} needed",
        "free some space, or choose another place with --out; finished work is kept",
        NO_SPACE,
    )


class Store:
    """A published store, open for reading.

    Raises
    ------
    MerError
        If the file is missing, is no store, or is of a schema this version does not know.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise MerError(f"{path}: no such store", "mer-features run DATASET makes one")
        try:
            self._file = h5py.File(path, "r", locking=False)  # immutable: nothing to lock against
        except OSError as error:
            raise MerError(
                f"{path}: not readable as HDF5 ({error})",
                "delete it and run mer-features again: finished work is kept",
                INTEGRITY,
            ) from error
        try:
            self.attrs = _read_attrs(self._file)
            self._check()
        except MerError:
            self.close()
            raise

    def _check(self) -> None:
        if self.attrs.get("format") != FORMAT:
            raise MerError(
                f"{self.path}: not a {FORMAT} (format={self.attrs.get('format')!r})",
                "give a file made by mer-features run",
                INTEGRITY,
            )
        schema = int(self.attrs.get("schema", -1))
        if schema != SCHEMA:
            raise MerError(
                f"{self.path}: schema {schema}; this merkit reads schema {SCHEMA}",
                "install the merkit that wrote it, or make the store again",
                INTEGRITY,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __len__(self) -> int:
        return len(self._file["index/sample_id"])

    @property
    def index(self) -> dict[str, Array]:
        """The columns of the index; text as str objects."""
        return self._columns("index")

    @property
    def failures(self) -> dict[str, Array]:
        """Which samples are not here, and why."""
        return self._columns("failures")

    @property
    def provenance(self) -> dict[str, Any]:
        """Versions, machine and counts of the run that published it."""
        return json.loads(self._file["provenance"].asstr()[()])

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        """Name of each feature -> its attributes, with shape and dtype."""
        return {
            name: {**_read_attrs(dataset), "shape": dataset.shape, "dtype": str(dataset.dtype)}
            for name, dataset in self._file["features"].items()
        }

    def load(self, name: str) -> Array:
        """All samples of a feature, (N, …) as stored."""
        return self._dataset(name)[()]

    def read(self, name: str, row: int) -> Array:
        """One sample's feature, as stored."""
        return self._dataset(name)[row]

    def verify(self) -> list[str]:
        """Sample ids whose arrays no longer have the digest they were published with."""
        columns = sorted(self._file["features"])
        index = self.index
        bad = []
        for i, (sample_id, expected) in enumerate(
            zip(index["sample_id"], index["digest"], strict=True)
        ):
            parts = [array_digest(self.read(name, i)) for name in columns]
            if digest("".join(parts).encode()) != expected:
                bad.append(str(sample_id))
        return bad

    def _dataset(self, name: str) -> h5py.Dataset:
        group = self._file["features"]
        if name not in group:
            raise MerError(
                f"{self.path}: holds no feature {name!r}, only {', '.join(group)}",
                "choose a recipe that makes it: mer-features list recipes",
            )
        return group[name]

    def _columns(self, group: str) -> dict[str, Array]:
        return {
            name: column.asstr()[()] if column.dtype.kind == "S" else column[()]
            for name, column in self._file[group].items()
        }
