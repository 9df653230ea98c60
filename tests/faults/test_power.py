"""The power fails: what was said to be safe is there when it is back."""

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.forks import Fault, Forks
from tests.faults.scenes import Place, check_kept, check_shards, published, wait_for

CUTS = 15
SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN, _IOR('X', 125, __u32)
NOTHING_FLUSHED = struct.pack("I", 2)  # neither the journal nor the pages
DISK = 64 << 20  # bytes
OPTIONS = "loop,commit=300"  # nothing gets to the disk because time has gone by
INSIDE = ("unshare", "--mount")


def test_a_file_is_synced_before_its_name_and_every_new_name_after_it(forks, clips, tmp_path):
    assert unsynced(forks, clips, Place(tmp_path / "place")) == []


@pytest.mark.parametrize("mutant", ["no_fsync", "no_folder_sync"])
def test_a_sync_that_is_left_out_would_be_noticed(forks, clips, tmp_path, mutant):
    assert unsynced(forks, clips, Place(tmp_path / "place"), mutant)


def unsynced(forks, clips, place: Place, mutant: str = "") -> list[str]:
    """What a run leaves to a power cut: data or names that no sync made safe."""
    place.root.mkdir()
    journal = place.root.with_name("journal")
    fault = Fault(place.root, "count")
    end = forks.run(clips.run(place.out), place.cache, fault, mutant=mutant, journal=journal)
    assert end.code == 0
    dirty: dict[str, str] = {}  # data that is not safe -> the last call on it
    named: dict[str, str] = {}  # folder -> the name in it that is not safe
    wrong = []
    for line in journal.read_text().splitlines():
        call, path, to = line.split("\t")
        if call in ("write", "ftruncate"):
            dirty[path] = call
        elif call in ("fsync", "fdatasync"):
            dirty.pop(path, None)
            named.pop(path, None)
        elif call == "mkdir":
            named[str(Path(path).parent)] = path
        elif call == "rename":
            if path in dirty:
                wrong.append(f"named before it was synced: {to}")
            named[str(Path(to).parent)] = to
    return wrong + [f"its folder was never synced: {path}" for path in named.values()]


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk whose power can be cut."""

    forks: Forks
    image: Path
    path: Path

    @property
    def seen(self) -> Place:
        """What is on it, as seen from here."""
        return Place(self.forks.root / str(self.path).lstrip("/"))

    def fresh(self) -> None:
        """Begin with an empty one."""
        self.forks.call("umount", str(self.path))
        self.image.unlink(missing_ok=True)
        with self.image.open("wb") as file:
            file.truncate(DISK)
        made = self.forks.call("mkfs.ext4", "-q", "-F", str(self.image))
        if made or self.mount():
            pytest.skip("no loop device with an ext4 can be mounted here")

    def mount(self) -> int:
        """Power is back; returns the exit code of mount."""
        return self.forks.call("mount", "-o", OPTIONS, str(self.image), str(self.path))

    def cut(self) -> None:
        """Cut the power: what is not on the disk by now is lost."""
        handle = os.open(self.seen.root, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, NOTHING_FLUSHED)
        finally:
            os.close(handle)

    def back(self) -> None:
        """End what was cut, and power up again."""
        assert not self.forks.call("umount", str(self.path))
        assert not self.mount()


@pytest.fixture(scope="module")
def disk(shim, clips, tmp_path_factory) -> Iterator[Disk]:
    if os.geteuid():
        pytest.skip("only root may cut the power of a disk")
    if subprocess.run([*INSIDE, "true"], check=False).returncode:
        pytest.skip("no mounts of one's own here (unshare --mount)")
    folder = tmp_path_factory.mktemp("power")
    warm = Place(folder / "warm")
    (folder / "disk").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MER_CACHE", str(warm.cache))
        with Forks(shim, folder, clips.run(warm.out), INSIDE) as forks:
            disk = Disk(forks, folder / "image", folder / "disk")
            yield disk
            forks.call("umount", str(disk.path))
            disk.image.unlink(missing_ok=True)


def lost_of_acknowledged(disk: Disk, seen: int, kind: str = "count") -> tuple[int, int]:
    """Cut the power when some shards were said to be safe; how many were not, of how many."""
    disk.fresh()
    cache = Place(disk.path).cache
    fault = Fault(disk.path, kind)
    process = disk.forks.start([str(cache), "2000"], fault=fault, command="put")
    said = disk.forks.said(process)
    wait_for(lambda: len(said.read_text().split()) >= seen)
    disk.cut()
    end = disk.forks.end(process)
    disk.back()
    check_shards(disk.seen)
    safe = {path.stem for path in disk.seen.shards()}
    told = end.output.split()
    return sum(f"{int(number):032x}" not in safe for number in told), len(told)


@pytest.mark.faults
def test_no_shard_that_was_said_to_be_safe_is_lost(disk):
    counts = [lost_of_acknowledged(disk, 1 + 5 * number) for number in range(CUTS)]
    print(f"{CUTS} cuts: {sum(n for _, n in counts)} said to be safe, lost {counts}")
    assert [lost for lost, _ in counts] == [0] * CUTS


@pytest.mark.faults
def test_a_run_that_lost_its_power_goes_on_from_what_was_safe(disk, clips, reference):
    for seen in range(1, 2 * clips.samples):
        disk.fresh()
        place = Place(disk.path)
        process = disk.forks.start(clips.run(place.out), place.cache)
        wait_for(lambda seen=seen: len(disk.seen.shards()) >= seen)
        disk.cut()
        disk.forks.end(process)
        disk.back()
        check_shards(disk.seen)
        assert published(disk.seen) in (None, reference)
        finished = disk.seen.shards()
        assert len(finished) >= seen - 1  # the last may have its name, and not yet be safe
        assert disk.forks.run(clips.run(place.out), place.cache).code == 0
        assert published(disk.seen) == reference
        check_kept(finished, disk.seen)


def stays(disk: Disk, clips, kind: str) -> bytes | None:
    """What is published when the power is cut as soon as a run has ended well."""
    disk.fresh()
    place = Place(disk.path)
    fault = Fault(disk.path, kind)
    assert disk.forks.run(clips.run(place.out), place.cache, fault).code == 0
    disk.cut()
    disk.back()
    return published(disk.seen)


@pytest.mark.faults
def test_a_store_that_was_said_to_be_published_is_not_lost(disk, clips, reference):
    assert stays(disk, clips, "count") == reference


@pytest.mark.faults
def test_a_sync_that_does_nothing_would_be_noticed(disk, clips):
    lost, told = lost_of_acknowledged(disk, 30, "no sync")
    print(f"without syncs: {lost} of {told} lost")
    assert lost
    assert stays(disk, clips, "no sync") is None
