"""Disks too small for a run, of many sizes."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.forks import End, Forks, check_end
from tests.faults.scenes import Clips, Place, check_kept, check_shards, published

SIZES = 11
ROOMY = 64 << 20  # bytes
INSIDE = ("unshare", "--map-root-user", "--mount")


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk in memory that processes of their own see, as large as we like."""

    forks: Forks
    path: Path

    @property
    def seen(self) -> Place:
        """What is on it, as seen from here."""
        return Place(self.forks.root / str(self.path).lstrip("/"))

    def mount(self, size: int) -> None:
        """Begin with an empty one, of a size in bytes."""
        self.forks.call("umount", str(self.path))
        if self.forks.call(
            "mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.path)
        ):  # fmt: skip
            pytest.skip("no disk in memory can be mounted here")

    def enlarge(self) -> None:
        """Make room."""
        assert not self.forks.call("mount", "-o", f"remount,size={ROOMY}", str(self.path))

    def used(self) -> int:
        """Bytes that are taken."""
        told = os.statvfs(self.seen.root)
        return (told.f_blocks - told.f_bfree) * told.f_bsize

    def run(self, clips: Clips, mutant: str = "") -> End:
        """Run with cache and stores on it."""
        place = Place(self.path)
        return self.forks.run(clips.run(place.out), place.cache, mutant=mutant)


@pytest.fixture(scope="module")
def disk(shim, clips, tmp_path_factory) -> Iterator[Disk]:
    try:
        here = subprocess.run([*INSIDE, "true"], check=False).returncode == 0
    except FileNotFoundError:
        here = False
    if not here:
        pytest.skip("no mounts of one's own here (unshare --map-root-user --mount)")
    folder = tmp_path_factory.mktemp("full")
    warm = Place(folder / "warm")
    (folder / "disk").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MER_CACHE", str(warm.cache))
        with Forks(shim, folder, clips.run(warm.out), INSIDE) as forks:
            yield Disk(forks, folder / "disk")


@pytest.fixture(scope="module")
def enough(disk, clips) -> int:
    """Bytes that a whole run takes."""
    disk.mount(ROOMY)
    assert disk.run(clips).code == 0
    return disk.used()


@pytest.mark.parametrize("twelfths", range(1, SIZES + 1))
def test_a_full_disk_ends_the_run_with_5_and_room_ends_it_well(
    disk, enough, clips, reference, twelfths
):
    disk.mount(enough * twelfths // (SIZES + 1))
    check_end("no space", disk.run(clips))
    assert disk.seen.stores() == []
    assert disk.seen.litter() == []
    check_shards(disk.seen)
    finished = disk.seen.shards()
    disk.enlarge()
    assert disk.run(clips).code == 0
    assert published(disk.seen) == reference
    check_kept(finished, disk.seen)


def test_a_shard_written_under_its_own_name_would_be_noticed(disk, enough, clips):
    disk.mount(enough // 2)
    disk.run(clips, mutant="in_place")
    with pytest.raises(AssertionError, match="not whole"):
        check_shards(disk.seen)
