"""Publishing a feature store: written aside, read back, then renamed into place.

HDF5 may crash, or go on and leave zeros, after one write that failed; so it writes to a `Sink`,
which never tells it. Memory holds one sample at a time.
"""

import errno
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from features.base import Array, array_digest, digest
from features.console import INTEGRITY, NO_SPACE, MerError
from features.disk import Sink, aside, private_folder, sync
from features.layout import (
    FAILURE_COLUMNS,
    FEATURE_ATTRS,
    FEATURE_TYPES,
    FILE_ATTRS,
    FORMAT,
    NUMBER_COLUMNS,
    SCHEMA,
    TEXT_COLUMNS,
)
from features.store import Store, seal

CHECKSUMMED = ("v110", "v110")  # the file format in which HDF5 finds damage to its own parts


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


def publish(path: Path, content: Content, read: Callable[[str, str], Array]) -> int:
    """Write a store aside, read it back, then rename it into place.

    Parameters
    ----------
    read : (sample_id, feature) -> array
        Called once a sample and feature, so that a store may exceed the memory.

    Returns
    -------
    Bytes written.

    Raises
    ------
    MerError
        If the disk is full (exit code 5), samples differ in shape, or what was written reads
        back otherwise (exit code 4).
    OSError
        If the disk fails in another way.
    ValueError
        If a value does not fit its type, a text holds a NUL, or two rows are one sample.
    """
    private_folder(path.parent)
    partial = aside(path)
    try:
        with Sink(partial) as sink:
            try:
                _write(sink, path, content, read)
            finally:
                sink.check()  # what the disk said, before what HDF5 made of it
            sink.finish()
        _read_back(partial, path)
        size = partial.stat().st_size
        partial.chmod(0o400)
        partial.replace(path)
        sync(path.parent)
        return size
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(path, 0) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def _read_back(partial: Path, path: Path) -> None:
    try:
        with Store(partial) as written:
            bad = written.verify()
    except MerError as error:
        raise _lost(path, error.cause) from error
    if bad:
        raise _lost(path, f"{len(bad)} samples, first {bad[0]}")


def _lost(path: Path, what: str) -> MerError:
    return MerError(
        f"{path}: reads back otherwise than written: {what}",
        "the disk lies or is failing; check it and run again",
        INTEGRITY,
    )


def _write(sink: Sink, path: Path, content: Content, read: Callable[[str, str], Array]) -> None:
    rows = sorted(content.index, key=lambda row: row["sample_id"])
    if not rows or len({row["sample_id"] for row in rows}) < len(rows):
        raise ValueError("a store holds at least one sample, and each once")
    with h5py.File(sink, "w", libver=CHECKSUMMED) as file:
        features, digests = _write_features(file, sink, path, rows, content.features, read)
        joined = [
            digest("".join(column[i] for column in digests.values()).encode())
            for i in range(len(rows))
        ]
        columns = {
            "index": _index(rows, joined),
            "digests": digests,
            "failures": _failures(content.failures),
        }
        for group, members in columns.items():
            _write_columns(file.create_group(group), members)
        # Only now: the caller may still add to it while its arrays are asked for.
        provenance = json.dumps(content.provenance, sort_keys=True, indent=1)
        file.create_dataset("provenance", data=_fixed([provenance]).reshape(()))
        attrs: dict[str, str | int] = {"format": FORMAT, "schema": SCHEMA}
        attrs |= {name: getattr(content, name) for name in FILE_ATTRS}
        attrs["seal"] = seal(attrs, features, columns, provenance)
        _write_attrs(file, attrs)


def _write_features(
    file: h5py.File,
    sink: Sink,
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Column],
    read: Callable[[str, str], Array],
) -> tuple[dict[str, dict[str, Any]], dict[str, list[str]]]:
    """Write every array; what the seal tells of each feature, and its arrays' digests."""
    group = file.create_group("features")
    features: dict[str, dict[str, Any]] = {}
    digests: dict[str, list[str]] = {}
    for name, column in sorted(columns.items()):
        attrs = _feature_attrs(name, column)
        dataset = None
        digests[name] = []
        for i, row in enumerate(rows):
            array = _narrow(read(row["sample_id"], name), column.dtype)
            if dataset is None:
                shape = (len(rows), *array.shape)
                _check_space(path, len(rows) * array.nbytes)
                dataset = group.create_dataset(name, shape, column.dtype, chunks=(1, *array.shape))
                _write_attrs(dataset, attrs)
                features[name] = {**attrs, "shape": shape, "dtype": column.dtype}
            if array.shape != dataset.shape[1:]:
                raise MerError(
                    f"{row['sample_id']}: its {name} is {array.shape}, that of"
                    f" {rows[0]['sample_id']} {dataset.shape[1:]}: clips differ in length",
                    "store what has one shape: let the recipe take tim's frames, or pool them",
                )
            # Straight to its place in the file: a chunk cache would put them where its own
            # history says, and the same content would no longer be the same bytes.
            data = np.ascontiguousarray(array)
            dataset.id.write_direct_chunk((i,) + (0,) * array.ndim, data)
            sink.check()  # a full disk ends the work now, not hours later
            digests[name].append(array_digest(array))
    return features, digests


def _feature_attrs(name: str, column: Column) -> dict[str, str | int]:
    if column.dtype not in FEATURE_TYPES:
        raise ValueError(f"{name}: stored as {' or '.join(FEATURE_TYPES)}, not {column.dtype}")
    values = (
        column.units, f"sample {column.axes}", column.convention, column.config, column.revision,
    )  # fmt: skip
    return dict(zip(FEATURE_ATTRS, values, strict=True))


def _narrow(array: Array, dtype: str) -> Array:
    """Cast to the stored type; ValueError if a finite value would not survive."""
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype)
    if not np.isfinite(narrow).all():
        raise ValueError(f"values to {np.abs(array).max():.3g} do not fit {dtype}")
    return narrow


def _index(rows: Sequence[Mapping[str, Any]], digests: Sequence[str]) -> dict[str, list[Any]]:
    numbers = {
        name: np.array([row[name] for row in rows], dtype).tolist()
        for name, dtype in NUMBER_COLUMNS.items()
    }
    texts = {
        name: list(digests) if name == "digest" else [str(row[name]) for row in rows]
        for name in TEXT_COLUMNS
    }
    return numbers | texts


def _failures(failures: Sequence[Mapping[str, str]]) -> dict[str, list[Any]]:
    rows = sorted(tuple(str(row[name]) for name in FAILURE_COLUMNS) for row in failures)
    return {name: [row[i] for row in rows] for i, name in enumerate(FAILURE_COLUMNS)}


def _write_columns(group: h5py.Group, columns: Mapping[str, Sequence[Any]]) -> None:
    for name, column in columns.items():
        dtype = NUMBER_COLUMNS.get(name)
        group.create_dataset(name, data=np.array(column, dtype) if dtype else _fixed(column))


def _write_attrs(owner: h5py.HLObject, values: Mapping[str, str | int]) -> None:
    for name, value in values.items():
        owner.attrs[name] = (
            _fixed([value]).reshape(()) if isinstance(value, str) else np.int64(value)
        )


def _fixed(texts: Sequence[str]) -> Array:
    """Text of fixed length: of variable length it is HDF5's one part without a checksum."""
    data = [text.encode() for text in texts]
    if any(b"\0" in text for text in data):
        raise ValueError("a NUL ends a text of fixed length; none can be stored")
    width = max(map(len, data), default=1) or 1
    return np.array(data, h5py.string_dtype("utf-8", width))


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
