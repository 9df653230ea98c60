import shutil

import pytest

from pipeline import graph
from pipeline.cache import Cache, folder
from pipeline.manifest import read_manifest
from pipeline.plan import Plan, plan
from pipeline.scan import scan
from pipeline.why import MOST, reasons, recall
from tests.walls import made, relabelled, using, walls


@pytest.fixture
def manifest(tmp_path):
    return walls(tmp_path / "clips")


def planned(manifest, by=None) -> Plan:
    cache = Cache(folder())
    scanned = scan(read_manifest(manifest), manifest.parent, cache.root)
    return plan("walls", scanned, by or using(), cache)


def why(manifest, store, by=None) -> list[str]:
    cache, now = Cache(folder()), planned(manifest, by)
    return reasons(recall(store, cache), now, now.missing(cache))


def test_the_first_run_has_no_earlier_one(manifest, tmp_path):
    assert why(manifest, tmp_path / "s.h5") == [
        "4 of 4 samples to compute: no earlier run of this store is known here"
    ]


def test_nothing_changed_is_said_so_also_if_results_are_gone(manifest, tmp_path, own_cache):
    made(manifest, tmp_path / "s.h5")
    told = "0 of 4 samples to compute: no field and no file has changed"
    assert why(manifest, tmp_path / "s.h5") == [told]
    shutil.rmtree(own_cache / "shards")
    assert why(manifest, tmp_path / "s.h5") == [told.replace("0 of", "4 of")]


def test_a_setting_is_named_with_its_old_and_new_value(manifest, tmp_path):
    made(manifest, tmp_path / "s.h5")
    other = using(strain={"sigma": 2.0}, crop={"size": 40})
    head, *told = why(manifest, tmp_path / "s.h5", other)
    assert head == "4 of 4 samples to compute: because"
    assert told[0] == "recipe crop size was 32, is 40"
    assert told[1].startswith("recipe strain sigma was ")
    assert told[1].endswith(", is 2.0")
    assert len(told) == 2


def test_a_revision_is_named(manifest, tmp_path, monkeypatch):
    made(manifest, tmp_path / "s.h5")
    monkeypatch.setattr(graph, "CROP_REVISION", 99)
    assert why(manifest, tmp_path / "s.h5")[1:] == ["revision crop was 2, is 99"]


def test_a_file_and_a_field_are_named_with_their_sample(manifest, tmp_path):
    made(manifest, tmp_path / "s.h5")
    frame = tmp_path / "clips" / "w2" / "img3.png"
    shutil.copy(tmp_path / "clips" / "w1" / "img3.png", frame)
    relabelled(manifest, "w1", apex=4, emotion="anger")
    head, count, *told = why(manifest, tmp_path / "s.h5")
    assert head.startswith("2 of 4 samples")
    assert count == "samples changed: 3"
    assert told[:2] == [
        "  w1: row apex was 3, is 4", '  w1: row emotion was "joy", is "anger"',
    ]  # fmt: skip
    assert told[2].startswith("  w2: files img3.png was ")


def test_what_came_and_went_is_counted(manifest, tmp_path):
    made(manifest, tmp_path / "s.h5")
    lines = manifest.read_text().splitlines()
    fewer = [line for line in lines if not line.startswith("w0")]
    copies = [lines[2].replace("w1", f"v{k:02d}", 1) for k in range(MOST + 5)]
    manifest.write_text("\n".join([*fewer, *copies]) + "\n")
    told = why(manifest, tmp_path / "s.h5")
    assert f"new samples: {MOST + 5}" in told
    assert told[1 + MOST + 1] == "  … and 5 more"
    assert told[-2:] == ["samples no longer there: 1", "  w0"]


def test_a_run_says_it_before_it_computes(manifest, tmp_path, capsys):
    made(manifest, tmp_path / "s.h5")
    capsys.readouterr()
    report = made(manifest, tmp_path / "s.h5", using(crop={"size": 40}), why=True)
    told = capsys.readouterr().err.splitlines()
    assert report.computed == 4
    assert told[:2] == [
        "small: 4 of 4 samples to compute: because", "small: recipe crop size was 32, is 40",
    ]  # fmt: skip
    assert told[2].startswith("small 1/4")
