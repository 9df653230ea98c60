import json

from click.testing import CliRunner

from pipeline.cache import Cache, folder
from pipeline.cli import cli
from pipeline.forecast import MEASURED, forecast
from pipeline.manifest import read_manifest
from pipeline.plan import plan
from pipeline.scan import scan
from tests.walls import made, using, walls


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
    (tmp_path / "r.toml").write_text(
        'features = ["strain"]\n[landmarks]\nlandmarker = "none"\n[crop]\nsize = 32\n'
    )
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
