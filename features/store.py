"""Reading the feature store: one immutable HDF5 file, `layout.py` says of what parts.

Opening checks that nothing else is in the file, and that the seal fits everything but the
arrays; an array's digest is checked whenever it is read. Nothing here opens a file for writing.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from features.base import Array, array_digest, canonical_json, digest
from features.console import MerError
from features.layout import Parts, check_layout, damaged, reading, unopened


def seal(
    attrs: Mapping[str, Any],
    features: Mapping[str, Mapping[str, Any]],
    columns: Mapping[str, Mapping[str, Sequence[Any]]],
    provenance: str,
) -> str:
    """Digest of all that a store holds beside its arrays.

    Parameters
    ----------
    attrs : of the file; a `seal` among them is left out
    features : name -> attributes, shape and dtype
    columns : index, digests and failures: name -> column
    """
    told = {
        "attrs": {name: value for name, value in attrs.items() if name != "seal"},
        "features": features,
        "columns": columns,
        "provenance": provenance,
    }
    return digest(canonical_json(told).encode())


class Store:
    """A published store, open for reading.

    Attributes
    ----------
    attrs : the file's own
    features : name of each feature -> its attributes, with shape and dtype
    index, failures : name -> column, a row a sample; text as str objects, not to be written to
    sealed : whether labels and all other words are known to be what was published

    Raises
    ------
    MerError
        If the file is missing; exit code 4 if it is no store, of a schema this version does not
        know, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise MerError(f"{path}: no such store", "mer-features run DATASET makes one")
        try:
            self._file = h5py.File(path, "r", locking=False)  # immutable: nothing to lock against
        except Exception as error:
            raise unopened(path, error) from error
        try:
            parts = check_layout(self._file, path)
            self.sealed = parts.schema > 1
            with reading(path):
                self._read(parts)
        except BaseException:
            self.close()
            raise

    def _read(self, parts: Parts) -> None:
        """Everything but the arrays: what is handed out later is what was checked now."""
        self.attrs = _read_attrs(self._file)
        self.features: dict[str, dict[str, Any]] = {
            name: {**_read_attrs(dataset), "shape": dataset.shape, "dtype": dataset.dtype.name}
            for name, dataset in parts.features.items()
        }
        columns = {
            group: {name: _read_column(column) for name, column in members.items()}
            for group, members in parts.columns.items()
        }
        self.index, self.failures = columns["index"], columns["failures"]
        provenance = parts.provenance[()].decode()
        if self.sealed:
            told = {
                group: {name: column.tolist() for name, column in members.items()}
                for group, members in columns.items()
            }
            if seal(self.attrs, self.features, told, provenance) != self.attrs["seal"]:
                raise damaged(self.path, "its seal does not fit: labels or other words changed")
            self._digests = columns["digests"]
        self.provenance: dict[str, Any] = json.loads(provenance)
        if not isinstance(self.provenance, dict):
            raise damaged(self.path, "its provenance is no JSON object")
        self._datasets = parts.features
        self._offsets = {name: _offsets(dataset) for name, dataset in parts.features.items()}

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
        return len(self.index["sample_id"])

    def load(self, name: str) -> Array:
        """All samples of a feature, (N, …) as stored.

        Raises
        ------
        MerError
            If there is no such feature, or no memory for it; exit code 4 if a sample is damaged.
        """
        shape, dtype = self._known(name)
        try:
            out = np.empty(shape, dtype)
        except MemoryError as error:
            raise MerError(
                f"{self.path}: no memory for the whole of {name}, {shape} {dtype}",
                "read it a sample at a time: Store.read",
            ) from error
        for row in range(len(self)):
            self._fill(name, row, out[row : row + 1])
            self._check(name, row, out[row])
        return out

    def read(self, name: str, row: int) -> Array:
        """One sample's feature, as stored.

        Raises
        ------
        MerError
            If there is no such feature; exit code 4 if the sample is damaged.
        IndexError
            If there is no such row.
        """
        row = range(len(self))[row]
        array = self._array(name, row)
        self._check(name, row, array)
        return array

    def verify(self) -> list[str]:
        """Sample ids whose arrays no longer have the digest they were published with."""
        names = sorted(self.features)
        if not self.sealed:
            names = names[:1]  # their digest is of all features at once
        return [
            str(sample_id)
            for row, sample_id in enumerate(self.index["sample_id"])
            if not all(self._whole(name, row) for name in names)
        ]

    def _whole(self, name: str, row: int) -> bool:
        try:
            self.read(name, row)
        except MerError:
            return False
        return True

    def _known(self, name: str) -> tuple[tuple[int, ...], str]:
        if name not in self.features:
            raise MerError(
                f"{self.path}: holds no feature {name!r}, only {', '.join(self.features)}",
                "choose a recipe that makes it: mer-features list recipes",
            )
        return self.features[name]["shape"], self.features[name]["dtype"]

    def _array(self, name: str, row: int) -> Array:
        shape, dtype = self._known(name)
        out = np.empty((1, *shape[1:]), dtype)
        self._fill(name, row, out)
        return out[0]

    def _fill(self, name: str, row: int, out: Array) -> None:
        """Read one sample into its place, past HDF5 where it only would copy."""
        handle = self._file.id.get_vfd_handle()
        offsets = self._offsets[name]
        with reading(self.path):
            if offsets is None:
                self._datasets[name].read_direct(out, np.s_[row : row + 1])
            else:
                os.preadv(handle, [out.data], offsets[row])  # too little shows by the digest

    def _check(self, name: str, row: int, array: Array) -> None:
        if self.sealed:
            whole = array_digest(array) == self._digests[name][row]
        else:
            parts = [
                array_digest(array if other == name else self._array(other, row))
                for other in sorted(self.features)
            ]
            whole = digest("".join(parts).encode()) == self.index["digest"][row]
        if not whole:
            raise self._damaged(name, row)

    def _damaged(self, name: str, row: int) -> MerError:
        return damaged(self.path, f"{name} of {self.index['sample_id'][row]} is damaged")


def _offsets(dataset: h5py.Dataset) -> Array | None:
    """Where in the file each sample lies, (N,) bytes; None if it is compressed."""
    if dataset.id.get_create_plist().get_nfilters():
        return None
    offsets = np.full(len(dataset), -1, np.int64)

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        offsets[chunk.chunk_offset[0]] = chunk.byte_offset

    dataset.id.chunk_iter(note)
    return offsets


def _read_attrs(owner: h5py.HLObject) -> dict[str, Any]:
    return {
        name: value.decode() if isinstance(value, bytes) else value.item()
        for name, value in owner.attrs.items()
    }


def _read_column(column: h5py.Dataset) -> Array:
    values = column[()]
    if values.dtype.kind == "S":
        values = np.array([value.decode() for value in values.tolist()], object)
    values.flags.writeable = False
    return values
