"""Several runs of the same thing at the same time."""

import os
import signal
from pathlib import Path

import pytest

from tests.faults.forks import Fault
from tests.faults.scenes import Place, check_shards, published

RACERS = 3
# What A is about to do when it is stopped: the call, on what, and which of them.
STAGES = {
    "opens a shard": ("open", ".shard", 3),
    "names a shard": ("rename", ".shard", 2),
    "opens the store": ("open", ".h5", 0),
    "writes the store": ("write", ".h5", 9),
    "names the store": ("rename", ".h5", 0),
}


@pytest.fixture
def place(tmp_path) -> Place:
    place = Place(tmp_path / "shared")
    place.root.mkdir()
    return place


def race(forks, clips, place) -> list[str]:
    """Start runs at once; tell the errors of those that fail."""
    racers = [forks.start(clips.run(place.out), place.cache) for _ in range(RACERS)]
    ends = [forks.end(racer) for racer in racers]
    return [end.errors for end in ends if end.code != 0]


def check_races(forks, clips, reference, folder: Path, races: int) -> None:
    for number in range(races):
        place = Place(folder / str(number))
        assert race(forks, clips, place) == []
        assert published(place) == reference
        check_shards(place)
        assert place.litter() == []
    print(f"{races} races of {RACERS}")


def test_three_runs_that_race_all_end_well_with_one_store(forks, clips, reference, tmp_path):
    check_races(forks, clips, reference, tmp_path, 6)


@pytest.mark.faults
def test_three_runs_that_race_twenty_eight_times_all_end_well(forks, clips, reference, tmp_path):
    check_races(forks, clips, reference, tmp_path, 28)


def stopped(forks, clips, place: Place, stage: str, mutant: str = "") -> list[str]:
    """Stop run A at a stage, let run B begin and end, let A go on; tell the errors of both."""
    fault = Fault(place.root, "stop", moment(forks, clips, place, stage, mutant))
    a = forks.start(clips.run(place.out), place.cache, fault, mutant=mutant)
    assert forks.end(a) is None
    try:
        b = forks.run(clips.run(place.out), place.cache, mutant=mutant)
    finally:
        os.kill(a, signal.SIGCONT)
    ends = [forks.end(a), b]
    return [end.errors for end in ends if end.code != 0]


def moment(forks, clips, place: Place, stage: str, mutant: str) -> int:
    """The number of the call that a stage begins with, from a run of its own elsewhere."""
    other = Place(place.root.with_name("other"))
    other.root.mkdir()
    journal = other.root.with_name("journal")
    fault = Fault(other.root, "count")
    forks.run(clips.run(other.out), other.cache, fault, mutant=mutant, journal=journal)
    call, name, which = STAGES[stage]
    calls = [line.split("\t") for line in journal.read_text().splitlines()]
    found = [n for n, (one, path, _) in enumerate(calls, 1) if one == call and name in path]
    return found[which]


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_that_is_overtaken_while_it_stands_still_ends_well(
    forks, clips, reference, place, stage
):
    assert stopped(forks, clips, place, stage) == []
    assert published(place) == reference
    check_shards(place)
    assert place.litter() == []


def test_one_name_for_all_that_is_written_aside_would_be_noticed(forks, clips, place):
    assert "No such file" in "\n".join(stopped(forks, clips, place, "names a shard", "one_name"))
