"""Arrays in files made elsewhere, read a sample at a time; no file is believed or executed.

Whatever a file declares is held against the bytes there are before any memory is taken, and
nothing is ever unpickled.
"""

import math
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

import numpy as np

from features.base import Array
from features.console import MerError
from pipeline.clips import check_whole, decode
from pipeline.errors import SampleError
from pipeline.listing import IMAGES, inside

MOST_BYTES = 2**30  # of one sample
MOST_WHOLE = 2**32  # of an entry that is read whole, all samples at once
NUMBERS = "bfiu"  # kinds of dtype
HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
MATLAB_NUMBERS = frozenset(
    {"double", "single", "logical", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))}
)
HDF5 = "MATLAB 7.3"


@dataclass(frozen=True, slots=True)
class Named:
    """What a sample's array is found by.

    Parameters
    ----------
    place : its row among all of the index, from 0
    row : of the index, for messages; the header is row 1
    names : of its file, the first that is there, without a suffix or with
    """

    sample_id: str
    place: int
    row: int
    names: tuple[str, ...]


class Source(Protocol):
    """One feature of all samples."""

    @property
    def pictures(self) -> bool:
        """Whether the samples are images, (H, W, 3) uint8 RGB."""

    def read(self, sample: Named) -> Array:
        """One sample as it lies.

        Raises
        ------
        SampleError
            If it is not there, or no plain array of numbers.
        """

    def where(self, sample: Named) -> str:
        """What to call it in a message: a file's name, without its folder."""


def open_source(path: Path, name: str, samples: Sequence[Named], rows: int) -> Source:
    """Open the arrays of one feature: a .npy, .npz or .mat file, or a folder of files.

    Parameters
    ----------
    name : of the feature, which an entry with a row a sample is called by
    rows : how many the index has

    Raises
    ------
    MerError
        If there is nothing to be read there, or its rows are not those of the index.
    """
    kind = path.suffix.lower()
    try:
        if path.is_dir():
            return Folder(path, name, samples)
        if not path.is_file():
            raise MerError(f"{path}: no such file or folder", "check the path behind --array")
        if kind == ".npy":
            return RowFile(path, rows)
        if kind in (".npz", ".mat"):
            return _container(path, kind, name, samples, rows)
    except SampleError as error:
        remedy = "save it as a plain array of numbers, version 1 .npy or v7 .mat; no pickles"
        raise MerError(f"{path}: {error.message}", remedy) from error
    remedy = "give a .npy, .npz or .mat file, or a folder with a file a sample"
    raise MerError(f"{path}: no kind of array that can be read", remedy)


class RowFile:
    """A .npy file with a row a sample: (N, …), as large as the disk."""

    pictures = False

    def __init__(self, path: Path, rows: int) -> None:
        self.path = path
        with path.open("rb") as file:
            shape, fortran, self._dtype = _header(file, path.name)
            self._start = file.tell()
        _check_rows(path, shape, rows)
        if fortran and len(shape) > 1:
            raise MerError(
                f"{path}: lies in Fortran order, a sample scattered over all of the file",
                "save it row by row: np.save(file, np.ascontiguousarray(array))",
            )
        self._shape = shape[1:]
        self._bytes = _size(path.name, self._shape, self._dtype)
        expected, there = self._start + rows * self._bytes, path.stat().st_size
        if expected != there:
            raise SampleError("truncated", f"declares {expected} bytes, has {there}")

    def read(self, sample: Named) -> Array:
        """One row; no more of the file is in memory."""
        with self.path.open("rb") as file:
            data = os.pread(file.fileno(), self._bytes, self._start + sample.place * self._bytes)
        if len(data) < self._bytes:
            raise SampleError("changed", f"{self.where(sample)}: cut off since the import began")
        return np.frombuffer(data, self._dtype).reshape(self._shape)

    def where(self, sample: Named) -> str:
        """File and row."""
        return f"{self.path.name}[{sample.place}]"


@dataclass(frozen=True, slots=True)
class Rows:
    """An array with a row a sample out of a file of several."""

    label: str
    array: Array
    pictures: bool = False

    def read(self, sample: Named) -> Array:
        """One row."""
        return self.array[sample.place]

    def where(self, sample: Named) -> str:
        """File, entry and row."""
        return f"{self.label}[{sample.place}]"


@dataclass(frozen=True, slots=True)
class Entries:
    """A file with an entry a sample, by its sample_id."""

    path: Path
    names: frozenset[str]
    get: Callable[..., Array]
    pictures: bool = False

    def read(self, sample: Named) -> Array:
        """One entry."""
        if sample.sample_id not in self.names:
            raise SampleError("missing_file", "no such entry")
        return self.get(sample.sample_id)

    def where(self, sample: Named) -> str:
        """File and entry."""
        return f"{self.path.name}[{sample.sample_id}]"


class Folder:
    """A folder with a file a sample: .npy, .mat or an image."""

    def __init__(self, path: Path, name: str, samples: Sequence[Named]) -> None:
        self.path, self.name = path, name
        self._found = {sample.sample_id: _file(path, sample) for sample in samples}
        files = [file for file in self._found.values() if isinstance(file, Path)]
        images = sum(file.suffix.lower() in IMAGES for file in files)
        self.pictures = 2 * images > len(files)  # one that strayed in is no rule for the others

    def read(self, sample: Named) -> Array:
        """One file."""
        file = self._found[sample.sample_id]
        if isinstance(file, SampleError):
            raise file
        kind = file.suffix.lower()
        with _foreign(file.name):
            if kind == ".npy":
                with file.open("rb") as stream:
                    return _array(stream, file.name)
            if kind == ".mat":
                return _only_variable(file, self.name)
            data = file.read_bytes()
            check_whole(file, data)
            return decode(data, file.name)

    def where(self, sample: Named) -> str:
        """Folder and file."""
        file = self._found[sample.sample_id]
        name = file.name if isinstance(file, Path) else sample.sample_id
        return f"{self.path.name}/{name}"


def _file(root: Path, sample: Named) -> Path | SampleError:
    """The one file of a sample, or why there is none."""
    for name in sample.names:
        try:
            suffixes = ("",) if PurePosixPath(name).suffix.lower() in FILES else FILES
            there = [path for s in suffixes if (path := inside(root, name + s)).is_file()]
        except (ValueError, OSError) as error:
            return SampleError("bad_path", str(error))
        if len(there) > 1:
            both = " and ".join(path.name for path in there)
            return SampleError("bad_path", f"{root.name}: {both} are both there")
        if there:
            return there[0]
    listed = " nor ".join(sample.names)
    return SampleError("missing_file", f"{root.name}: no {listed} with one of {', '.join(FILES)}")


FILES = (".npy", ".mat", *sorted(IMAGES))


def _container(
    path: Path, kind: str, name: str, samples: Sequence[Named], rows: int
) -> Rows | Entries:
    listed, get = (_zip if kind == ".npz" else _matlab)(path)
    if not any(sample.sample_id in listed for sample in samples):
        if name not in listed:
            raise MerError(
                f"{path}: holds neither an entry {name} nor one called as a sample_id, such as"
                f" {samples[0].sample_id if samples else '…'}",
                f"it holds {', '.join(sorted(listed)[:6]) or 'nothing'}",
            )
        array = get(name, MOST_WHOLE)
        _check_rows(path, array.shape, rows)
        return Rows(f"{path.name}[{name}]", array)
    return Entries(path, listed, get)


def _check_rows(path: Path, shape: Sequence[int], rows: int) -> None:
    if not shape or shape[0] != rows:
        raise MerError(
            f"{path}: is {tuple(shape)}, {shape[0] if shape else 'no'} rows; expected {rows}, one"
            " for each row of the index",
            "row k of the index tells of row k of the array: give it the same rows, in that order",
        )


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type that a .npy declares; objects, which are pickles, are refused."""
    with _foreign(name):
        read = HEADERS.get(np.lib.format.read_magic(stream))  # type: ignore[no-untyped-call]
        if read is None:
            raise SampleError("unsupported", f"{name}: a .npy of no known version")
        shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise SampleError("unsupported", f"{name}: holds Python objects, which are never unpickled")
    if dtype.kind not in NUMBERS:
        raise SampleError("unsupported", f"{name}: holds {dtype}, not plain numbers")
    if any(size < 0 for size in shape):
        raise SampleError("undecodable", f"{name}: declares the shape {shape}")
    return shape, fortran, dtype


def _size(name: str, shape: Sequence[int], dtype: np.dtype[Any], most: int = MOST_BYTES) -> int:
    """Bytes of an array; none and too many are refused."""
    size = math.prod(shape) * dtype.itemsize
    if not 0 < size <= most:
        told = f"{name}: {tuple(shape)} are {size} bytes, not 1 byte to {most >> 20} MiB"
        raise SampleError("unsupported", told)
    return size


def _array(stream: IO[bytes], name: str, most: int = MOST_BYTES) -> Array:
    """A whole .npy."""
    shape, fortran, dtype = _header(stream, name)
    size = _size(name, shape, dtype, most)
    data = stream.read(size)
    if len(data) < size or stream.read(1):  # to the end: a zip checks its sum only there
        raise SampleError("truncated", f"{name}: declares {size} bytes, has more or fewer")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _zip(path: Path) -> tuple[frozenset[str], Callable[..., Array]]:
    """Entries of an .npz, and how to read one."""
    with _foreign(path.name), zipfile.ZipFile(path) as archive:
        names = frozenset(
            name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")
        )

    def get(entry: str, most: int = MOST_BYTES) -> Array:
        with (
            _foreign(path.name),
            zipfile.ZipFile(path) as archive,
            archive.open(f"{entry}.npy") as stream,
        ):
            return _array(stream, f"{path.name}[{entry}]", most)

    return names, get


def _matlab(path: Path) -> tuple[frozenset[str], Callable[..., Array]]:
    """Variables of a .mat, and how to read one; other kinds than numbers stay unread."""
    from scipy.io import loadmat, whosmat

    with _foreign(path.name):
        kinds = {name: (shape, kind) for name, shape, kind in whosmat(path)}

    def get(name: str, most: int = MOST_BYTES) -> Array:
        shape, kind = kinds[name]
        label = f"{path.name}[{name}]"
        if kind not in MATLAB_NUMBERS:
            raise SampleError("unsupported", f"{label}: a MATLAB {kind}, not plain numbers")
        _size(label, shape, np.dtype(np.float64), most)
        with _foreign(path.name):
            array = loadmat(path, variable_names=[name])[name]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in NUMBERS:
            raise SampleError("unsupported", f"{label}: holds {type(array)}, not plain numbers")
        return array

    return frozenset(kinds), get


def _only_variable(path: Path, name: str) -> Array:
    names, get = _matlab(path)
    if name not in names and len(names) != 1:
        told = f"{path.name}: holds {', '.join(sorted(names)) or 'nothing'}; expected {name} or one"
        raise SampleError("unsupported", told)
    return get(name if name in names else next(iter(names)))


@contextmanager
def _foreign(name: str) -> Iterator[None]:
    """Turn whatever a decoder makes of a foreign file into one sentence."""
    try:
        yield
    except SampleError:
        raise
    except NotImplementedError as error:  # scipy's word for it
        told = f"{name}: {HDF5}, which is HDF5; save it in MATLAB with -v7, or as .npy"
        raise SampleError("unsupported", told) from error
    except MemoryError as error:
        told = f"{name}: does not fit the memory; a .npy is read a row at a time"
        raise SampleError("unsupported", told) from error
    except OSError as error:
        raise SampleError("missing_file", f"{name}: {error.strerror or error}") from error
    except Exception as error:  # these decoders raise whatever they come across
        words = " ".join(str(error).split()) or type(error).__name__
        raise SampleError("undecodable", f"{name}: cannot be read ({words:.160})") from error
