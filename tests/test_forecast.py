import json
import re

import pytest
from click.testing import CliRunner

from pipeline import graph
from pipeline.cache import Cache, folder
from pipeline.cli import cli
from pipeline.forecast import MEASURED, Cost, forecast, keep, kept
from pipeline.manifest import read_manifest
from pipeline.plan import plan
from pipeline.run import Report
from pipeline.scan import scan
from pipeline.told import summary
from tests.walls import made, using, walls

RECIPE = 'features = ["strain"]\n[landmarks]\nlandmarker = "none"\n[crop]\nsize = 32\n'


def predicted(manifest, store):
    cache = Cache(folder())
    scanned = scan(read_manifest(manifest), manifest.parent, cache.root)
    return forecast(plan("walls", scanned, using(), cache), store, cache, workers=2)


def test_bytes_are_predicted_and_what_was_measured_is_kept(tmp_path, own_cache):
    manifest, store = walls(tmp_path / "clips", samples=12), tmp_path / "s.h5"
    told = predicted(manifest, store)
    assert (told.samples, told.to_compute) == (12, 12)
    assert 1 < told.measured <= MEASURED + 1
    assert told.seconds > 0
    assert not store.exists()
    report = made(manifest, store)
    assert report.computed == 12 - told.measured
    shards = sum(path.stat().st_size for path in own_cache.glob("shards/*/*.shard"))
    assert 0.8 < told.cache_bytes / shards < 1.01  # a shard's head and seal besides
    assert 0.2 < told.store_bytes / store.stat().st_size < 1.01  # so small a store is mostly head
    assert told.store_bytes == 12 * (2 + 1) * 32 * 32 * 2


def test_when_nothing_is_to_do_nothing_is_measured(tmp_path):
    manifest, store = walls(tmp_path / "clips"), tmp_path / "s.h5"
    made(manifest, store)
    told = predicted(manifest, store)
    assert (told.to_compute, told.measured, told.seconds, told.cache_bytes) == (0, 0, 0, 0)
    assert told.store_bytes == 4 * 3 * 32 * 32 * 2


def test_a_single_clip_is_its_own_measure(tmp_path):
    told = predicted(walls(tmp_path / "clips", samples=1), tmp_path / "s.h5")
    assert (told.measured, told.to_compute) == (1, 1)
    assert told.seconds > 0


def test_the_command_predicts_and_publishes_nothing(tmp_path):
    manifest = walls(tmp_path / "clips", samples=6)
    (tmp_path / "clips" / "w5" / "img2.png").unlink()
    (tmp_path / "r.toml").write_text(RECIPE)
    words = ["run", str(manifest), "--recipe", str(tmp_path / "r.toml"), "--workers", "3"]
    words += ["--out", str(tmp_path / "out"), "--dry-run", "--why"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0
    assert "w5: frame 2 is missing" in done.stderr
    assert "r: 5 of 5 samples to compute: no earlier run of this store is known" in done.stderr
    assert "r.h5: 5 of 5 samples to compute" in done.stdout
    assert "on 3 workers, by " in done.stdout
    assert "free" in done.stdout
    assert not (tmp_path / "out").exists()
    (answer,) = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)
    assert answer["samples"] == 5
    assert answer["to_compute"] < 5


def said(lines, pattern):
    (found,) = re.findall(pattern, lines)
    return found


def test_a_run_says_what_was_predicted_for_it_and_what_it_took(tmp_path):
    manifest = walls(tmp_path / "clips", samples=12)
    (tmp_path / "r.toml").write_text(RECIPE)
    words = ["run", str(manifest), "--recipe", str(tmp_path / "r.toml"), "--workers", "0"]
    words += ["--out", str(tmp_path / "out")]
    assert CliRunner().invoke(cli, [*words, "--dry-run"]).exit_code == 0
    done = CliRunner().invoke(cli, [*words, "--json"])
    (told,) = json.loads(done.stdout)["recipes"]
    assert told["published"]
    assert told["predicted"]["seconds"] > 0
    assert told["cost"]["seconds"] > 0
    assert told["computed"] < 12  # what was measured is not predicted again
    assert told["predicted"]["cache_bytes"] == told["cost"]["cache_bytes"] > 0
    assert told["cost"]["store_bytes"] == (tmp_path / "out" / "clips" / "r.h5").stat().st_size
    assert said(done.stderr, r"r: predicted (\d+) s, 0 MiB for the cache, 0 MiB for the store\n")
    again = CliRunner().invoke(cli, words)
    assert "up to date" in again.stdout
    assert "predicted" not in again.output


def test_a_run_compares_in_words(tmp_path):
    cost = Cost(seconds=180, cache_bytes=120 * 2**20, store_bytes=40 * 2**20)
    took = Cost(seconds=200, cache_bytes=118 * 2**20, store_bytes=40 * 2**20)
    report = Report(tmp_path / "s.h5", "flow", published=True, predicted=cost, cost=took)
    assert [*summary([report], {"all": 1.0})][-1] == (
        "flow: predicted 180 s, 120 MiB for the cache, 40 MiB for the store; "
        "took 200 s, 118 MiB for the cache, 40 MiB for the store"
    )


def planned(manifest, recipe=None, cache=None):
    scanned = scan(read_manifest(manifest), manifest.parent, cache.root)
    return plan("walls", scanned, recipe or using(), cache)


@pytest.fixture
def foretold(tmp_path):
    """A prediction for 12 clips by two workers, kept."""
    cache, store = Cache(folder()), tmp_path / "s.h5"
    manifest = walls(tmp_path / "clips", samples=12)
    left = forecast(planned(manifest, cache=cache), store, cache, workers=2).left
    keep(left, store, planned(manifest, cache=cache), cache, workers=2)
    return manifest, store, cache, left


def test_a_prediction_is_kept_for_just_the_run_it_was_made_for(foretold):
    manifest, store, cache, left = foretold
    asked = planned(manifest, cache=cache)
    assert kept(store, asked, cache, lambda: 2) == left
    assert kept(store, asked, cache, lambda: 3) is None
    assert kept(store.with_name("t.h5"), asked, cache, lambda: 2) is None


def test_a_prediction_for_one_recipe_is_none_for_another(tmp_path):
    manifest, store, cache = walls(tmp_path / "clips"), tmp_path / "s.h5", Cache(folder())
    keep(Cost(1, 1, 1), store, planned(manifest, cache=cache), cache, workers=2)
    assert kept(store, planned(manifest, cache=cache), cache, lambda: 2) == Cost(1, 1, 1)
    other = planned(manifest, using(crop={"size": 40}), cache)
    assert kept(store, other, cache, lambda: 2) is None


def test_when_some_of_the_work_is_done_meanwhile_the_prediction_is_for_nobody(foretold):
    manifest, store, cache, _ = foretold
    graph.compute(planned(manifest, cache=cache).missing(cache)[0])
    assert kept(store, planned(manifest, cache=cache), cache, lambda: 2) is None


@pytest.mark.parametrize("garbage", [b"", b"[]", b"{}", b'{"work": "x"}', b"\xff"])
def test_a_prediction_that_cannot_be_read_is_none(foretold, garbage):
    manifest, store, cache, _ = foretold
    (path,) = (cache.root / "forecasts").glob("*.json")
    path.write_bytes(garbage)
    assert kept(store, planned(manifest, cache=cache), cache, lambda: 2) is None


def test_workers_are_counted_only_where_there_is_a_prediction(tmp_path):
    def never():
        raise AssertionError

    manifest, cache = walls(tmp_path / "clips"), Cache(folder())
    assert kept(tmp_path / "s.h5", planned(manifest, cache=cache), cache, never) is None
