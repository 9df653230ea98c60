"""What the fault tests share: clips, where a run of them writes, and what must hold there."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import blake3
import numpy as np

from features.console import MerError
from features.store import Store
from pipeline.cache import Cache
from tests.movies import write_images

ROOT = Path(__file__).parents[2]
RECIPE = """\
features = ["flow"]
[landmarks]
landmarker = "none"
[crop]
size = {size}
[flow]
method = "{method}"
[steady]
motion = "none"
"""


@dataclass(frozen=True, slots=True)
class Clips:
    """Clips without faces, cropped already, and the recipe for them."""

    manifest: Path
    recipe: Path
    samples: int

    def run(self, out: Path, workers: int = 0) -> list[str]:
        """The words after ``mer-features``."""
        return [
            "run", str(self.manifest), "--recipe", str(self.recipe), "--out", str(out),
            "--workers", str(workers), "--json",
        ]  # fmt: skip


def write_clips(folder: Path, samples: int, size: int, method: str = "dis") -> Clips:
    """Clips of three frames each, of a texture that moves; a method may be slow."""
    rng = np.random.default_rng(0)
    rows = ["sample_id,subject,path,onset,apex,offset,fps,emotion"]
    for number in range(samples):
        wall = rng.integers(60, 200, (size + 2, size, 3)).astype(np.uint8)
        images = write_images(folder / f"clip{number}", [wall[k : k + size] for k in range(3)])
        for image in images.iterdir():
            os.utime(image, (1e9, 1e9))  # old, so that its digest is remembered
        emotion = ("joy", "anger")[number % 2]
        rows.append(f"s{number},p{number % 2},clip{number},1,2,3,100,{emotion}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    (folder / "small.toml").write_text(RECIPE.format(size=size, method=method))
    return Clips(folder / "manifest.csv", folder / "small.toml", samples)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so; AssertionError if it does not become so."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run writes."""

    root: Path

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def out(self) -> Path:
        return self.root / "stores"

    def stores(self) -> list[Path]:
        """The published stores."""
        return sorted(self.out.rglob("[!.]*.h5"))

    def shards(self) -> dict[Path, tuple[int, int]]:
        """Each finished shard, and what changes when it is written anew."""
        return {
            path: (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in sorted(self.cache.glob("shards/*/[!.]*.shard"))
        }

    def finished_samples(self) -> int:
        """How many samples need no more work: the store takes their flows, (2, H, W), alone."""
        keys = [path.stem for path in self.shards() if whole(path)]
        kept = [Cache(self.cache).get(key) for key in keys]
        return sum(one is not None and one.array.ndim == 3 for one in kept)

    def litter(self) -> list[Path]:
        """What was written aside and left there."""
        return sorted(self.root.rglob(".*"))


def published(place: Place) -> bytes | None:
    """The bytes of the one store, which must open and be whole; None if there is none."""
    stores = place.stores()
    if not stores:
        return None
    (path,) = stores
    try:
        with Store(path) as store:
            bad = store.verify()
    except MerError as error:
        raise AssertionError(f"published, but not readable: {error}") from error
    assert not bad, f"published, but not whole: {bad}"
    return path.read_bytes()


def whole(shard: Path) -> bool:
    """Whether a shard ends with the digest of all before."""
    data = shard.read_bytes()
    return blake3.blake3(data[:-32]).digest() == data[-32:]


def check_shards(place: Place) -> None:
    """Every shard under its own name is whole."""
    for path in place.shards():
        assert whole(path), f"not whole: {path.name}"


def check_kept(before: dict[Path, tuple[int, int]], place: Place) -> None:
    """What was finished before is there, and was not made again."""
    after = place.shards()
    again = [path.name for path, made in before.items() if after.get(path) != made]
    assert not again, f"made again: {again}"


def check_words(errors: str) -> None:
    """One line of cause, and no traceback or complaint of the interpreter."""
    assert sum(line.startswith("error: ") for line in errors.splitlines()) == 1, errors
    assert not [word for word in ("Traceback", "Exception ignored") if word in errors], errors
    assert "this is a defect" not in errors, errors
