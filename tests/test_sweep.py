import os
import time

import pytest
from click.testing import CliRunner

from features.console import MerError
from pipeline import sweep
from pipeline.cache import Cache
from pipeline.cli import cli
from tests.walls import key_of, made, using, walls

OTHER = using("other", strain={"sigma": 2.0})  # shares crop and flow with `using()`


@pytest.fixture
def two(tmp_path, own_cache):
    """Two stores of the same clips, and the cache they share."""
    manifest = walls(tmp_path / "clips")
    made(manifest, tmp_path / "a" / "flow.h5")
    made(manifest, tmp_path / "a" / "other.h5", OTHER)
    return manifest, tmp_path / "a" / "flow.h5", tmp_path / "a" / "other.h5", Cache(own_cache)


def names(cache: Cache) -> set[str]:
    return {path.name for path in cache.root.glob("shards/*/*")}


def test_what_only_a_deleted_store_wanted_goes_and_what_is_shared_stays(two):
    manifest, first, second, cache = two
    everything = names(cache)
    assert sweep.look_through(cache, 0).unwanted == []
    second.unlink()
    found = sweep.look_through(cache, 0)
    assert len(found.unwanted) == 4  # the other strain of each sample
    assert names(cache) == everything  # so far it only looked
    sweep.remove(found)
    assert len(names(cache)) == len(everything) - 4
    first.unlink()
    assert (made(manifest, first).computed, made(manifest, second, OTHER).computed) == (0, 4)


def test_another_setting_of_the_same_store_leaves_the_old_results_unwanted(two):
    manifest, _, second, cache = two
    made(manifest, second, using("other", strain={"sigma": 3.0}))
    assert len(sweep.look_through(cache, 0).unwanted) == 4


def test_young_ones_stay(two):
    *_, second, cache = two
    second.unlink()
    found = sweep.look_through(cache, 1)
    assert (found.young, found.unwanted) == (4, [])
    yesterday = time.time() - 2 * 24 * 3600
    for path in cache.root.glob("shards/*/*"):
        os.utime(path, (yesterday, yesterday))
    assert len(sweep.look_through(cache, 1).unwanted) == 4


def test_a_pin_keeps_what_a_store_was_made_of_until_it_is_let_go(two):
    _, _, second, cache = two
    name = sweep.pin(second, cache)
    assert name == f"a-other-{key_of(second)[:8]}"
    second.unlink()
    assert sweep.look_through(cache, 0).unwanted == []
    sweep.unpin(name, cache)
    assert len(sweep.look_through(cache, 0).unwanted) == 4
    with pytest.raises(MerError, match="no pin 'a-other"):
        sweep.unpin(name, cache)


def test_a_store_that_this_cache_did_not_make_is_not_pinned(two, tmp_path):
    _, first, _, cache = two
    moved = tmp_path / "elsewhere.h5"
    first.rename(moved)
    with pytest.raises(MerError, match="does not know of what it was made"):
        sweep.pin(moved, cache)


def test_files_written_aside_by_a_run_that_was_killed_go_after_a_day(two):
    *_, cache = two
    litter = next(cache.root.glob("shards/*")) / ".x.shard.0123.tmp"
    litter.write_bytes(b"half")
    assert sweep.look_through(cache, 0).unwanted == []
    os.utime(litter, (0, 0))
    assert sweep.look_through(cache, 0).unwanted == [litter]


def test_a_damaged_record_stops_the_sweep_rather_than_what_it_wanted(two):
    *_, cache = two
    next((cache.root / "runs").glob("*.json")).write_text("{half")
    with pytest.raises(MerError, match="it is not known what is wanted"):
        sweep.look_through(cache, 0)


def test_a_run_that_misses_a_swept_result_makes_it_again(two):
    manifest, first, _, cache = two
    before = first.read_bytes()
    first.unlink()
    for path in cache.root.glob("shards/*/*"):
        path.unlink()
    assert made(manifest, first).computed == 4
    assert first.read_bytes() == before


def test_the_command_only_tells_unless_it_is_told_to_delete(two):
    _, first, second, cache = two
    done = CliRunner().invoke(cli, ["gc", "--keep-days", "0", "--pin", str(first)])
    assert done.exit_code == 0
    assert f"by pin a-flow-{key_of(first)[:8]}" in done.stdout
    second.unlink()
    everything = names(cache)
    done = CliRunner().invoke(cli, ["gc", "--keep-days", "0"])
    assert "wanted by none: 4 files" in done.stdout
    assert names(cache) == everything
    done = CliRunner().invoke(cli, ["gc", "--keep-days", "0", "--delete"])
    assert done.exit_code == 0
    assert len(names(cache)) == len(everything) - 4
    assert CliRunner().invoke(cli, ["gc", "--unpin", "nothing"]).exit_code == 2
