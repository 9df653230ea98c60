"""The cache: finished results, one file a sample and stage, named by what they were made of.

A shard is ``magic, header length, header, array, blake3 of all before``. It is written aside,
synced and renamed, so one that exists is whole; it is never edited.
"""

import json
import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import blake3
import numpy as np

from features.base import Array, canonical_json, digest
from features.disk import write_durably

MAGIC = b"merkit-shard-2\n\0"
MARK = "mark"  # a file in the cache: two paths that show the same one lead to the same folder
MEMO_AFTER_NS = 2_000_000_000  # a file younger than this may change again within its mtime


def folder() -> Path:
    """Where the cache is: $MER_CACHE, else the platform's folder for caches."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("MER_CACHE") or user_cache_path("merkit"))


@dataclass(frozen=True, slots=True)
class Kept:
    """A result, and what a person should know of how it came about.

    Parameters
    ----------
    numerics : classes of the machines that had a part in it (`machine.numerics`)
    """

    array: Array
    notes: Collection[str] = ()
    numerics: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Cache:
    """Shards below one folder, which several runs and hosts may share."""

    root: Path

    def path(self, key: str) -> Path:
        """Where the shard of a key lies, once it does."""
        return self.root / "shards" / key[:2] / f"{key}.shard"

    def has(self, key: str) -> bool:
        """Whether a result is there; a shard that exists was written whole."""
        return self.path(key).is_file()

    def put(self, key: str, kept: Kept) -> None:
        """Keep a result. When it returns, the result survives a power cut."""
        array = np.ascontiguousarray(kept.array)
        told = {"notes": list(kept.notes), "numerics": sorted(kept.numerics)}
        header = {"key": key, "dtype": array.dtype.str, "shape": array.shape, **told}
        text = canonical_json(header).encode()
        body = b"".join([MAGIC, len(text).to_bytes(8, "little"), text, array.tobytes()])
        write_durably(self.path(key), body + blake3.blake3(body).digest())

    def get(self, key: str) -> Kept | None:
        """A result, or None if it is not there or no longer what was written."""
        try:
            kept = _opened(key, self.path(key).read_bytes())
        except FileNotFoundError:
            return None
        if kept is None:
            self.path(key).unlink(missing_ok=True)  # damaged: to be computed again
        return kept

    def take(self, key: str, shard: bytes) -> None:
        """Keep a shard that came from another cache; a damaged one will be found by `get`."""
        write_durably(self.path(key), shard)

    def mark(self) -> str:
        """What tells this folder from all others, whatever path leads to it."""
        path = self.root / MARK
        if not path.exists():
            write_durably(path, secrets.token_hex(16).encode())
        return path.read_text()

    def shared(self, mark: str) -> bool:
        """Whether this is the folder that was so marked, seen from another machine perhaps."""
        try:
            return (self.root / MARK).read_text() == mark
        except OSError:
            return False


def _opened(key: str, data: bytes) -> Kept | None:
    """What a shard's bytes hold; None if they are not whole, or another result's."""
    body, seal = memoryview(data)[:-32], data[-32:]
    if data[: len(MAGIC)] != MAGIC or blake3.blake3(body).digest() != seal:
        return None
    start = len(MAGIC) + 8
    end = start + int.from_bytes(body[len(MAGIC) : start], "little")
    header = json.loads(bytes(body[start:end]))
    if header["key"] != key:
        return None
    array = np.frombuffer(body, header["dtype"], offset=end).reshape(header["shape"])
    return Kept(array, header["notes"], header.get("numerics", ()))


class Digests:
    """Digests of source files, remembered by (inode, size, mtime) so that a second run is quick.

    What is remembered only saves reading a file twice: it never reaches a key unread.
    """

    def __init__(self, cache: Path, root: Path) -> None:
        self._path = cache / "digests" / f"{digest(os.fsencode(root.resolve()))}.json"
        try:
            self._known: dict[str, list[object]] = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            self._known = {}
        self._fresh: dict[str, list[object]] = {}

    def known(self, path: Path) -> str | None:
        """The digest of a file that has not changed since it was read."""
        entry = self._known.get(str(path))
        if entry is None:
            return None
        try:
            stat = os.stat(path)
        except OSError:
            return None
        unchanged = entry[:3] == [stat.st_ino, stat.st_size, stat.st_mtime_ns]
        return str(entry[3]) if unchanged else None

    def remember(self, path: Path, stat: os.stat_result, value: str, now_ns: int) -> None:
        """Keep a digest, unless the file is so young that it may yet change unseen."""
        if now_ns - stat.st_mtime_ns > MEMO_AFTER_NS:
            entry = [stat.st_ino, stat.st_size, stat.st_mtime_ns, value]
            self._fresh[str(path)] = entry

    def save(self) -> None:
        """Write what was learnt; the last of two runs wins, and only time is lost."""
        if self._fresh:
            self._known.update(self._fresh)
            self._fresh = {}
            write_durably(self._path, json.dumps(self._known).encode())
