"""The sweep: which shards of the cache are still wanted, and away with the others.

A shard is wanted by the last run of a store that still exists, and by whatever is pinned. Runs
of another cache folder know nothing of this one, so one cache should serve all stores.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from features.console import INTEGRITY, USAGE, MerError, nearest
from features.disk import write_durably
from features.store import Store
from pipeline.cache import Cache
from pipeline.why import recall

LITTER_S = 24 * 3600  # a file written aside is somebody's work until it is a day old


@dataclass(slots=True)
class Sweep:
    """What a cache holds, and what of it nobody wants."""

    wanted: int = 0  # shards
    wanted_bytes: int = 0
    young: int = 0  # wanted by nobody, but too new to go
    unwanted: list[Path] = field(default_factory=list)
    unwanted_bytes: int = 0
    by: list[str] = field(default_factory=list)  # stores and pins that want some


def look_through(cache: Cache, keep_days: float) -> Sweep:
    """Find the shards, and the litter of killed runs, that nobody wants.

    Parameters
    ----------
    keep_days : what is younger stays, whoever may want it
    """
    now, found, wanted = time.time(), Sweep(), set[str]()
    for name, shards in _wanting(cache):
        found.by.append(name)
        wanted |= set(shards)
    for path in sorted((cache.root / "shards").glob("*/*")):
        stat = path.stat()
        age = now - stat.st_mtime
        if path.suffix == ".shard" and path.stem in wanted:
            found.wanted += 1
            found.wanted_bytes += stat.st_size
        elif age < (keep_days * 24 * 3600 if path.suffix == ".shard" else LITTER_S):
            found.young += 1
        else:
            found.unwanted.append(path)
            found.unwanted_bytes += stat.st_size
    return found


def remove(found: Sweep) -> None:
    """Delete what nobody wants; a run that misses some of it computes it again."""
    for path in found.unwanted:
        path.unlink(missing_ok=True)


def pin(store: Path, cache: Cache) -> str:
    """Keep the shards that a store is made of, whatever becomes of the store; returns the name.

    Raises
    ------
    MerError
        Exit code 2: the cache knows no run of this store.
    """
    with Store(store) as opened:
        name = f"{store.resolve().parent.name}-{store.stem}-{opened.attrs['key'][:8]}"
    record = recall(store, cache)
    if record is None or record["key"] != opened.attrs["key"]:
        raise MerError(
            f"{store}: the cache {cache.root} does not know of what it was made",
            "run mer-features run again with this cache, then pin it",
            USAGE,
        )
    write_durably(_pins(cache) / f"{name}.json", json.dumps(record).encode())
    return name


def unpin(name: str, cache: Cache) -> None:
    """Keep a pinned store's shards no longer for its pin's sake.

    Raises
    ------
    MerError
        Exit code 2: there is no such pin.
    """
    known = pins(cache)
    if name not in known:
        cause = f"no pin {name!r}{nearest(name, known)}"
        raise MerError(cause, f"known: {', '.join(known) or 'none'}", USAGE)
    (_pins(cache) / f"{name}.json").unlink()


def pins(cache: Cache) -> list[str]:
    """Names of what is pinned."""
    return sorted(path.stem for path in _pins(cache).glob("*.json"))


def _pins(cache: Cache) -> Path:
    return cache.root / "pins"


def _wanting(cache: Cache) -> Iterator[tuple[str, list[str]]]:
    """Every store and pin that wants shards, and which."""
    for path in sorted((cache.root / "runs").glob("*.json")):
        record = _record(path)
        if Path(record["store"]).exists():
            yield record["store"], record["shards"]
    for name in pins(cache):
        yield f"pin {name}", _record(_pins(cache) / f"{name}.json")["shards"]


def _record(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise MerError(
            f"{path}: not what was written there, so it is not known what is wanted",
            "delete it, and run mer-features run again for every store that is to keep its shards",
            INTEGRITY,
        ) from error
