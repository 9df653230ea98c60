"""Workers are killed while a run goes on."""

import random
from pathlib import Path

import pytest

from tests.faults.processes import Running, running, see
from tests.faults.scenes import Place, check_shards, published, wait_for

KILLS = 3  # a run
# An item whose worker was killed once is given up.
NO_SECOND_TRY = """\
from pipeline.engine import Engine, _spread
Engine.map = lambda self, function, items: _spread(self._connect(), function, items, 2)
"""


def kill_workers(run: Running, place: Place, moments: list[int], choose: random.Random) -> int:
    """Kill a worker each time when some shards are there; return how many were killed."""
    killed = 0
    for seen in moments:
        see(run, place, seen)
        wait_for(lambda: bool(run.workers()))  # one that was killed is replaced
        choose.choice(run.workers()).kill()
        killed += 1
    return killed


def moments(samples: int, choose: random.Random) -> list[int]:
    """When to kill: at three numbers of shards, none so late that the run may be over."""
    return sorted(choose.sample(range(1, 2 * samples - 6), KILLS))


def check_run(clips, reference, folder: Path, number: int) -> int:
    """Kill workers during a run, which must end well by itself; return how many were killed."""
    place, choose = Place(folder / str(number)), random.Random(number)
    with running(clips, place, workers=2) as run:
        killed = kill_workers(run, place, moments(clips.samples, choose), choose)
        assert run.process.wait(timeout=120) == 0, run.errors.read_text()
    assert published(place) == reference
    check_shards(place)
    return killed


@pytest.mark.faults
def test_a_run_whose_workers_are_killed_ends_well_by_itself(slow_clips, slow_reference, tmp_path):
    assert check_run(slow_clips, slow_reference, tmp_path, 0) == KILLS


@pytest.mark.faults
def test_six_runs_of_which_eighteen_workers_are_killed_end_well(
    slow_clips, slow_reference, tmp_path
):
    killed = [check_run(slow_clips, slow_reference, tmp_path, number) for number in range(1, 7)]
    print(f"workers killed in {len(killed)} runs: {killed}")
    assert sum(killed) >= 18


@pytest.mark.faults
def test_a_run_that_gives_up_at_once_would_be_noticed(slow_clips, tmp_path):
    place = Place(tmp_path / "place")
    with running(slow_clips, place, workers=2, before=NO_SECOND_TRY) as run:
        assert kill_workers(run, place, [4], random.Random(0)) == 1
        assert run.process.wait(timeout=120) in (1, 3)  # by how many shared the worker
