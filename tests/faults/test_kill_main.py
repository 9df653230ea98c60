"""The main process of a run with workers is killed, and the run begun again."""

import time
from pathlib import Path

import psutil
import pytest

from tests.faults.processes import alive, running, see
from tests.faults.scenes import Place, check_kept, check_shards, published, wait_for

ORPHANS_GO = 5  # seconds


def kill_and_go_on(forks, clips, reference, folder: Path, seen: int) -> int:
    """Kill a run when it has finished some shards, run again; return how many were kept."""
    place = Place(folder / f"after{seen}")
    with running(clips, place, workers=2) as run:
        see(run, place, seen)
        family = run.family()
        assert len(run.workers()) == 2
        run.process.kill()
        run.process.wait()
        wait_for(lambda: not any(map(alive, family)), ORPHANS_GO)
    check_shards(place)
    assert published(place) in (None, reference)
    finished, done = place.shards(), place.finished_samples()
    again = forks.run(clips.run(place.out), place.cache)
    assert again.code == 0, again.errors
    assert published(place) == reference
    check_kept(finished, place)
    assert again.told()["computed"] == clips.samples - done
    return len(finished)


def test_a_run_whose_main_process_is_killed_leaves_no_orphan_and_goes_on(
    forks, slow_clips, slow_reference, tmp_path
):
    assert kill_and_go_on(forks, slow_clips, slow_reference, tmp_path, slow_clips.samples) > 0


@pytest.mark.faults
def test_ten_kills_of_the_main_process_at_ten_moments_lose_nothing(
    forks, slow_clips, slow_reference, tmp_path
):
    last = 2 * slow_clips.samples - 8  # later the run may be over before it is killed
    moments = [1 + k * (last - 1) // 9 for k in range(10)]
    kept = [kill_and_go_on(forks, slow_clips, slow_reference, tmp_path, seen) for seen in moments]
    print(f"{len(moments)} kills at {moments} shards, kept {kept}")


def test_a_run_that_computes_again_what_is_finished_would_be_noticed(forks, clips, tmp_path):
    place = Place(tmp_path / "place")
    assert forks.run(clips.run(place.out), place.cache).code == 0
    finished = place.shards()
    place.stores()[0].unlink()
    assert forks.run(clips.run(place.out), place.cache, mutant="forgetful").code == 0
    with pytest.raises(AssertionError, match="made again"):
        check_kept(finished, place)


def test_an_orphan_would_be_noticed():
    with psutil.Popen(["sleep", "60"]) as orphan:
        with pytest.raises(AssertionError, match="waited in vain"):
            wait_for(lambda: not alive(orphan), 0.1)
        orphan.kill()
        started = time.monotonic()
        wait_for(lambda: not alive(orphan), ORPHANS_GO)
        assert time.monotonic() - started < ORPHANS_GO
