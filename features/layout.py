"""What a store file may contain, and nothing else.

    /            attrs: format, schema, recipe, key, dataset, dataset_fingerprint, code_version,
                 seal
    /index/*     fixed-length columns, a row a sample, sorted by sample_id
    /features/*  (N, …) float16, a chunk a sample; attrs: units, axes, convention, config, revision
    /digests/*   a column a feature: the digest of each sample's array
    /failures/*  sample_id, stage, code, message
    /provenance  JSON

Schema 1 had no digests and no seal. HDF5 itself follows links into other files, loads plug-ins
and believes any size a file declares, so every file is held against this list when it is opened,
before a value is read.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5l, h5o, h5s, h5t, h5z

from features.console import INTEGRITY, MerError

FORMAT, SCHEMA = "merkit-store", 2
TEXT_COLUMNS = (
    "sample_id", "dataset", "subject", "clip", "emotion", "action_units", "objective_class",
    "apex_source", "digest",
)  # fmt: skip
NUMBER_COLUMNS = {"onset": "<i4", "apex": "<i4", "offset": "<i4", "fps": "<f8"}
FAILURE_COLUMNS = ("sample_id", "stage", "code", "message")
FEATURE_ATTRS = ("units", "axes", "convention", "config", "revision")
FEATURE_TYPES = ("float16", "float32")
FILE_ATTRS = ("recipe", "key", "dataset", "dataset_fingerprint", "code_version")
DIGITS = 32  # of a digest

KINDS = ("format", "schema")  # what every schema has, so that a newer one can name itself
SCHEMAS = {
    1: ((*KINDS, *FILE_ATTRS), ("index", "features", "failures", "provenance")),
    2: ((*KINDS, *FILE_ATTRS, "seal"), ("index", "features", "digests", "failures", "provenance")),
}
NUMBERS = ("schema", "revision")  # attributes that are int64; the others are text
FILTERS = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)  # all built in
LINKS = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link into another file"}
MOST_FEATURES, MOST_NAME = 256, 80
MOST_ATTRIBUTE = 2**20  # bytes
MOST_INFLATED = 16  # times the file's size; flow shrinks by a third
REMEDY = "delete it and run mer-features again: finished work is kept"
SIGNATURE = b"\x89HDF\r\n\x1a\n"  # how every HDF5 file of ours begins


class Foreign(Exception):
    """Something is in the file that no store has."""


def damaged(path: Path, what: str) -> MerError:
    """The error of a store that no longer is what was published."""
    return MerError(f"{path}: {what}", REMEDY, INTEGRITY)


def no_store(path: Path, what: str) -> MerError:
    """The error of a file that never was a store: somebody's work, and not ours to give up."""
    remedy = "give a store that mer-features run or mer-features import has made"
    if path.suffix.lower() == ".csv":
        remedy = f"make a store of it: mer-features run {path}"
    return MerError(f"{path}: no feature store, {what}", remedy, INTEGRITY)


def unopened(path: Path, error: Exception) -> MerError:
    """The error of a file that HDF5 cannot open: a store that was damaged, or none at all."""
    with path.open("rb") as file:
        head = file.read(len(SIGNATURE))
    lost = not head.strip(b"\0")  # a disk that lost power or data leaves nothing, or zeros
    if lost or SIGNATURE.startswith(head):
        words = " ".join(str(error).split())
        return damaged(path, f"not readable as HDF5 ({words})")
    return no_store(path, "and no HDF5 file at all")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever HDF5 makes of a damaged file into one MerError; its errors have no class."""
    try:
        yield
    except MerError:
        raise
    except Foreign as error:
        raise damaged(path, f"not a {FORMAT} that may be read: {error}") from error
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise damaged(path, f"damaged, HDF5 cannot read it ({words})") from error


@dataclass(frozen=True, slots=True)
class Parts:
    """The datasets of a store, open and checked, but not read."""

    schema: int
    columns: dict[str, dict[str, h5py.Dataset]]  # of index, failures and, since schema 2, digests
    features: dict[str, h5py.Dataset]
    provenance: h5py.Dataset


def check_layout(file: h5py.File, path: Path) -> Parts:
    """Refuse a file that holds anything but a store; reads no value but format and schema.

    Parameters
    ----------
    file : open for reading
    path : named in errors

    Raises
    ------
    MerError
        Exit code 4, naming what was found.
    """
    with reading(path):
        schema = _check_kind(file, path)
        attrs, members = SCHEMAS[schema]
        _check_attrs(file, "/", attrs)
        _check_names(file, "/", members)
        weigh = _Weigh(path.stat().st_size)
        group = {name: _group(file, name) for name in members if name != "provenance"}
        index = _columns(group["index"], "index", (*TEXT_COLUMNS, *NUMBER_COLUMNS), weigh)
        samples = len(index["sample_id"])
        names = _check_names(group["features"], "features", None)
        features = {name: _feature(group["features"], name, samples, weigh) for name in names}
        columns = {"index": index}
        if "digests" in group:
            columns["digests"] = _columns(group["digests"], "digests", names, weigh, samples)
        columns["failures"] = _columns(group["failures"], "failures", FAILURE_COLUMNS, weigh)
        provenance = _dataset(file, "provenance")
        _check_column(provenance, "provenance", (), weigh)
        return Parts(schema, columns, features, provenance)


def _check_kind(file: h5py.File, path: Path) -> int:
    """Format and schema: read first, for a newer schema may look otherwise altogether."""
    _check_heap(h5o.get_info(file.id), "/")
    if any(name not in file.attrs for name in KINDS):
        raise no_store(path, f"not a {FORMAT}: its HDF5 has no {' and '.join(KINDS)}")
    for name in KINDS:
        _check_attr(file, "/", name)
    form, schema = file.attrs["format"], int(file.attrs["schema"])
    if form != FORMAT.encode():
        raise no_store(path, f"not a {FORMAT} (format={_short(form)})")
    if schema > SCHEMA:
        raise MerError(
            f"{path}: schema {schema}; this merkit reads schemas 1 to {SCHEMA}",
            "install a newer merkit, or make the store again with this one",
            INTEGRITY,
        )
    if schema not in SCHEMAS:
        raise damaged(path, f"schema {schema}; this merkit reads schemas 1 to {SCHEMA}")
    return schema


def _check_names(group: h5py.Group, where: str, expected: Collection[str] | None) -> list[str]:
    most = MOST_FEATURES if expected is None else len(expected)
    if len(group) > most:
        raise Foreign(f"{where} holds {len(group)} names, at most {most} are known")
    names = sorted(group)
    if expected is not None:
        for name in set(names) ^ set(expected):
            raise Foreign(f"{where} has {'a foreign' if name in names else 'no'} {_short(name)}")
    for name in names:
        if not name.isprintable() or len(name) > MOST_NAME:
            raise Foreign(f"{where} has a foreign {_short(name)}")
        link = group.id.links.get_info(_encoded(name)).type
        if link != h5l.TYPE_HARD:
            raise Foreign(f"{where}: {name!r} is {LINKS.get(link, 'a link of unknown kind')}")
    return names


def _group(file: h5py.File, name: str) -> h5py.Group:
    _check_object(file, name, h5o.TYPE_GROUP, ())
    return file[name]


def _dataset(group: h5py.Group, name: str, attrs: Collection[str] = ()) -> h5py.Dataset:
    _check_object(group, name, h5o.TYPE_DATASET, attrs)
    dataset = h5py.Dataset(h5d.open(group.id, _encoded(name)))
    plist = dataset.id.get_create_plist()
    if plist.get_layout() == h5d.VIRTUAL:
        raise Foreign(f"{name} is virtual: its data are in other files")
    if plist.get_external_count():
        raise Foreign(f"{name} has its data in another file")
    if attrs:
        _check_attrs(dataset, name, attrs)
    return dataset


def _check_object(group: h5py.Group, name: str, kind: int, attrs: Collection[str]) -> None:
    """Before it is opened: its kind, that it has no second name, how many attributes it has."""
    info = h5o.get_info(group.id, _encoded(name))
    if info.type != kind:
        raise Foreign(f"{name!r} is no {'group' if kind == h5o.TYPE_GROUP else 'dataset'}")
    if info.rc != 1:
        raise Foreign(f"{name!r} has {info.rc} names")
    _check_heap(info, name)
    if info.num_attrs != len(attrs):
        raise Foreign(f"{name!r} has {info.num_attrs} attributes, not {len(attrs)}")


def _check_heap(info: h5o.ObjInfo, where: str) -> None:
    """HDF5 reads an attribute whole when it is asked for its type."""
    if info.meta_size.attr.heap_size > MOST_ATTRIBUTE:
        raise Foreign(f"{where} has {info.meta_size.attr.heap_size} bytes of attributes")


def _check_attrs(owner: h5py.HLObject, where: str, expected: Collection[str]) -> None:
    if len(owner.attrs) != len(expected):
        raise Foreign(f"{where} has {len(owner.attrs)} attributes, not {len(expected)}")
    found = set(owner.attrs)
    for name in found ^ set(expected):
        kind = "a foreign" if name in found else "no"
        raise Foreign(f"{where} has {kind} attribute {_short(name)}")
    for name in expected:
        _check_attr(owner, where, name)


def _check_attr(owner: h5py.HLObject, where: str, name: str) -> None:
    attr = owner.attrs.get_id(name)
    if attr.get_space().get_simple_extent_type() != h5s.SCALAR:
        raise Foreign(f"{where}: attribute {name!r} is no single value")
    _check_type(attr.get_type(), f"attribute {name!r}", "<i8" if name in NUMBERS else None)


def _check_type(found: h5t.TypeID, where: str, dtype: str | None) -> None:
    """Exactly a number's type, or text of fixed length (dtype None)."""
    if found.committed():
        raise Foreign(f"{where} has a type with a name")
    if dtype is not None:
        if not found.equal(h5t.py_create(np.dtype(dtype))):
            raise Foreign(f"{where} is not of type {dtype}")
    elif not isinstance(found, h5t.TypeStringID):
        raise Foreign(f"{where} is no text")
    elif found.is_variable_str():
        raise Foreign(f"{where} is text of variable length")
    elif (found.get_cset(), found.get_strpad()) != (h5t.CSET_UTF8, h5t.STR_NULLPAD):
        raise Foreign(f"{where} is text of another encoding")


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _short(value: object) -> str:
    return f"{value!r:.80}"


class _Weigh:
    """Adds up what the datasets say they hold, against the bytes there are."""

    def __init__(self, size: int) -> None:
        self.size, self.told = size, 0

    def add(self, name: str, nbytes: int) -> None:
        self.told += nbytes
        if self.told > MOST_INFLATED * self.size:
            raise Foreign(f"{name} declares {nbytes} bytes, the file has {self.size}")


def _columns(
    group: h5py.Group, where: str, names: Sequence[str], weigh: _Weigh, length: int | None = None
) -> dict[str, h5py.Dataset]:
    """Columns of one length, which is the first's if none is given."""
    _check_names(group, where, names)
    columns = {name: _dataset(group, name) for name in names}
    for name, column in columns.items():
        if length is None:
            length = column.shape[0] if column.shape else 0
        _check_column(column, name, (length,), weigh)
        width = column.id.get_type().get_size()
        if (where == "digests" or name == "digest") and width != DIGITS:
            raise Foreign(f"{where}/{name} is {width} wide, a digest {DIGITS}")
    return columns


def _check_column(dataset: h5py.Dataset, name: str, shape: tuple[int, ...], weigh: _Weigh) -> None:
    found = dataset.id.get_type()
    _check_type(found, name, NUMBER_COLUMNS.get(name))
    if dataset.shape != shape:
        raise Foreign(f"{name} has shape {dataset.shape}, not {shape}")
    if dataset.id.get_create_plist().get_layout() != h5d.CONTIGUOUS:
        raise Foreign(f"{name} is not contiguous")
    nbytes = math.prod(shape) * found.get_size()
    weigh.add(name, nbytes)
    if nbytes and dataset.id.get_offset() is None:
        raise Foreign(f"{name} was never written")


def _feature(group: h5py.Group, name: str, samples: int, weigh: _Weigh) -> h5py.Dataset:
    dataset = _dataset(group, name, FEATURE_ATTRS)
    shape = dataset.shape
    if not any(dataset.id.get_type().equal(h5t.py_create(np.dtype(t))) for t in FEATURE_TYPES):
        raise Foreign(f"{name} is not of type {' or '.join(FEATURE_TYPES)}")
    if not shape or shape[0] != samples:
        raise Foreign(f"{name} has shape {shape}, not ({samples}, …)")
    if dataset.maxshape != shape:
        raise Foreign(f"{name} can grow")
    plist = dataset.id.get_create_plist()
    if plist.get_layout() != h5d.CHUNKED or plist.get_chunk() != (1, *shape[1:]):
        raise Foreign(f"{name} is not a chunk a sample")
    for i in range(plist.get_nfilters()):
        if (number := plist.get_filter(i)[0]) not in FILTERS:
            raise Foreign(f"{name} needs filter {number}")
    nbytes = math.prod(shape) * dataset.id.get_type().get_size()
    weigh.add(name, nbytes)
    # What was never written would read as zeros.
    if dataset.id.get_num_chunks() != samples:
        raise Foreign(f"{name} has {dataset.id.get_num_chunks()} chunks, not {samples}")
    return dataset
