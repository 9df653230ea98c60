"""Every call that changes a file fails once, in every way that a call can fail."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.forks import End, Fault, check_end
from tests.faults.scenes import Place, check_kept, check_shards, published

KINDS = ("kill", "torn", "no space once", "no space", "I/O error", "short")
CALLS = ("open", "write", "ftruncate", "fsync", "rename", "unlink", "mkdir", "chmod")
EVERY = 30  # the quick test takes every thirtieth call


class Scene:
    """Runs of the same clips, each in an empty place, struck at one call.

    Parameters
    ----------
    mutant : a protection that the runs lack, by its name in `server.py`
    """

    def __init__(self, forks, clips, reference: bytes, folder: Path, mutant: str = "") -> None:
        self.forks, self.clips, self.reference, self.mutant = forks, clips, reference, mutant
        self.place = Place(folder / "struck")
        journal = folder / "journal"
        end = self.run(Fault(self.place.root, "count"), journal=journal)
        assert end.code == 0, end.errors
        self.calls = [line.split("\t")[:2] for line in journal.read_text().splitlines()]
        assert {call for call, _ in self.calls} <= set(CALLS)

    def run(self, fault: Fault | None = None, **named) -> End:
        """Run the command, in an empty place if it is to be struck."""
        if fault:
            shutil.rmtree(self.place.root, ignore_errors=True)
            self.place.root.mkdir()
        words = self.clips.run(self.place.out)
        return self.forks.run(words, self.place.cache, fault, mutant=self.mutant, **named)

    def points(self, kind: str) -> list[int]:
        """The calls that can fail in a way: only writes can be short, and unlink needs no space."""
        spared = {"short": set(CALLS) - {"write"}, "no space": {"unlink", "chmod"}}.get(kind, set())
        return [n for n, (call, _) in enumerate(self.calls, 1) if call not in spared]

    def wrong(self, kind: str, at: int) -> list[str]:
        """Strike one call, run again, and tell what does not hold."""
        call, path = self.calls[at - 1]
        end = self.run(Fault(self.place.root, kind, at))
        told = [*told_by(check_end, kind, end), *told_by(check_shards, self.place)]
        told += told_by(check_store, self.place, self.reference)
        if end.signal is None and call != "unlink" and self.place.litter():
            told.append(f"left behind: {self.place.litter()}")
        finished = self.place.shards()
        stored = self.place.finished_samples()
        again = self.run()
        if again.code != 0:
            told.append(f"the second run ends with {again.code or again.signal}: {again.errors}")
        else:
            told += told_by(check_kept, finished, self.place)
            if again.told()["computed"] != self.clips.samples - stored:
                told.append(f"{again.told()['computed']} computed again, {stored} were there")
            if published(self.place) != self.reference:
                told.append("the second run gives other bytes")
        name = Path(path).name
        return [f"{kind} at {at}, {call} {name}: {one}" for one in told]


def told_by(check, *arguments) -> list[str]:
    try:
        check(*arguments)
    except AssertionError as error:
        return [str(error)]
    return []


def check_store(place: Place, reference: bytes) -> None:
    """There is no store, or there is the right one."""
    right = published(place) in (None, reference)
    assert right, "other bytes are published"


@pytest.fixture
def scene(forks, clips, reference, tmp_path) -> Scene:
    return Scene(forks, clips, reference, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_some_calls_fail_and_nothing_wrong_is_published_and_a_second_run_mends_it(scene, kind):
    points = scene.points(kind)[KINDS.index(kind) :: EVERY]
    wrong = [line for at in points for line in scene.wrong(kind, at)]
    print(f"{kind}: {len(points)} of {len(scene.points(kind))} calls, {len(wrong)} wrong")
    assert len(points) >= 3
    assert not wrong, "\n".join(wrong)


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
def test_each_call_fails_and_nothing_wrong_is_published_and_a_second_run_mends_it(scene, kind):
    points = scene.points(kind)
    wrong = [line for at in points for line in scene.wrong(kind, at)]
    print(f"{kind}: {len(points)} calls, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)


MUTANTS = {
    "in_place": ("torn", "write", ".shard", "not whole"),
    "unchecked": ("torn", "write", ".shard", "the second run ends with"),
    "store_in_place": ("kill", "write", ".h5", "published, but not readable"),
    "forgetful": ("kill", "write", ".h5", "made again"),
    "littering": ("I/O error", "write", ".shard", "left behind"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_protection_that_is_missing_would_be_noticed(forks, clips, reference, tmp_path, mutant):
    kind, call, name, words = MUTANTS[mutant]
    scene = Scene(forks, clips, reference, tmp_path, mutant)
    at = list(matching(scene, call, name))[1]
    assert words in "\n".join(scene.wrong(kind, at))


def matching(scene: Scene, call: str, name: str) -> Iterator[int]:
    for at, (one, path) in enumerate(scene.calls, 1):
        if one == call and name in Path(path).name:
            yield at
