"""A tiny store of every schema there ever was, frozen as text: base64 of gzip.

To freeze that of a new schema, publish `frozen_content()` and keep it beside the others.
"""

import base64
import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.console import INTEGRITY, USAGE, MerError
from features.layout import SCHEMA, SCHEMAS
from features.migrate import migrate
from features.publish import Column, Content, publish
from features.store import Store

FROZEN = Path(__file__).parents[1] / "stores"
CLI = [sys.executable, "-c", "from pipeline.cli import cli; cli()"]


def frozen_row(sample_id: str, subject: str, emotion: str, **changes: object) -> dict:
    return {
        "sample_id": sample_id, "dataset": "tiny", "subject": subject, "clip": "é clip",
        "emotion": emotion, "action_units": "4+L12B", "objective_class": "2", "onset": 1,
        "apex": 5, "offset": 9, "fps": 200.0, "apex_source": "annotated", **changes,
    }  # fmt: skip


def frozen_array(sample_id: str, name: str) -> np.ndarray:
    channels = {"flow": 2, "strain": 1}[name]
    ramp = np.arange(channels * 6, dtype=np.float32).reshape(channels, 2, 3)
    return (ramp - 3) / 8 + ord(sample_id[-1])


def frozen_content() -> Content:
    return Content(
        recipe=json.dumps({"name": "tiny", "sensitive": False}), key="0" * 32, dataset="tiny",
        dataset_fingerprint="1" * 32, code_version="0.1.0",
        index=[
            frozen_row("s2_b", "s2", "surprise", fps=99.5, apex_source="midpoint"),
            frozen_row("s1_a", "s1", "joy"),
        ],
        features={
            "flow": Column("px", "C H W", "u right, v down", '{"method":"tvl1"}', 1),
            "strain": Column("px/px", "C H W", "", "{}", 2, "float32"),
        },
        failures=[{"sample_id": "s3_c", "stage": "read", "code": "truncated",
                   "message": "cut at é"}],
        provenance={"counts": {"samples": 2}, "versions": {"numpy": "1.26"}},
    )  # fmt: skip


def thaw(schema: int, folder: Path) -> Path:
    text = (FROZEN / f"schema_{schema}.txt").read_text()
    path = folder / f"schema_{schema}.h5"
    path.write_bytes(gzip.decompress(base64.b64decode(text)))
    return path


def test_a_store_of_every_schema_is_frozen():
    assert {path.name for path in FROZEN.iterdir()} == {f"schema_{n}.txt" for n in SCHEMAS}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_store_of_every_schema_reads_as_it_was_published(tmp_path, schema):
    with Store(thaw(schema, tmp_path)) as store:
        assert store.attrs["schema"] == schema
        assert store.sealed == (schema > 1)
        assert store.index["sample_id"].tolist() == ["s1_a", "s2_b"]
        for row, given in enumerate(sorted(frozen_content().index, key=lambda r: r["sample_id"])):
            assert {name: store.index[name][row] for name in given} == given
        assert {name: column.tolist() for name, column in store.failures.items()} == {
            name: [value] for name, value in frozen_content().failures[0].items()
        }
        assert store.provenance == frozen_content().provenance
        assert json.loads(store.attrs["recipe"]) == {"name": "tiny", "sensitive": False}
        assert store.features["strain"] == {
            "units": "px/px", "axes": "sample C H W", "convention": "", "config": "{}",
            "revision": 2, "shape": (2, 1, 2, 3), "dtype": "float32",
        }  # fmt: skip
        for name in ("flow", "strain"):
            wanted = np.stack([frozen_array(i, name) for i in store.index["sample_id"]])
            np.testing.assert_array_equal(store.load(name), wanted)
            np.testing.assert_array_equal(store.read(name, 1), wanted[1])
        assert store.verify() == []


def test_today_writes_the_bytes_of_the_frozen_store(tmp_path):
    publish(tmp_path / "now.h5", frozen_content(), frozen_array)
    assert (tmp_path / "now.h5").read_bytes() == thaw(SCHEMA, tmp_path).read_bytes()


def test_an_old_store_is_made_new_with_its_digests_and_left_as_it_is(tmp_path):
    old, new = thaw(1, tmp_path), tmp_path / "new.h5"
    before = old.read_bytes()
    migrate(old, new)
    assert old.read_bytes() == before
    with Store(old) as was, Store(new) as now:
        assert now.sealed
        assert now.index["digest"].tolist() == was.index["digest"].tolist()
        assert {n: c.tolist() for n, c in now.index.items()} == {
            n: c.tolist() for n, c in was.index.items()
        }
        assert now.failures["message"].tolist() == ["cut at é"]
        assert now.features == was.features
        assert now.provenance == {**was.provenance, "migrated_from_schema": 1}
        kept = {**was.attrs, "schema": SCHEMA, "seal": now.attrs["seal"]}
        assert now.attrs == kept
        for name in was.features:
            np.testing.assert_array_equal(now.load(name), was.load(name))


def test_nothing_is_replaced_by_making_a_store_new(tmp_path):
    old, new = thaw(1, tmp_path), tmp_path / "new.h5"
    new.write_text("mine")
    with pytest.raises(MerError, match="there already") as caught:
        migrate(old, new)
    assert caught.value.exit_code == USAGE
    assert new.read_text() == "mine"


def test_a_store_of_today_is_not_made_new(tmp_path):
    with pytest.raises(MerError, match="of schema 2 already") as caught:
        migrate(thaw(2, tmp_path), tmp_path / "new.h5")
    assert caught.value.exit_code == USAGE
    assert not (tmp_path / "new.h5").exists()


def test_a_damaged_old_store_is_not_made_new(tmp_path):
    old = thaw(1, tmp_path)
    with Store(old) as store:
        place = int(store._offsets["strain"][1])
    data = bytearray(old.read_bytes())
    data[place] ^= 1
    old.write_bytes(data)
    with Store(old) as store:
        assert store.verify() == ["s2_b"]
        with pytest.raises(MerError, match="flow of s2_b is damaged"):  # one digest for both
            store.read("flow", 1)
        np.testing.assert_array_equal(store.read("strain", 0), frozen_array("s1_a", "strain"))
    with pytest.raises(MerError, match="s2_b is damaged") as caught:
        migrate(old, tmp_path / "new.h5")
    assert caught.value.exit_code == INTEGRITY
    assert sorted(path.name for path in tmp_path.iterdir()) == ["schema_1.h5"]


def test_an_old_store_whose_two_rows_became_one_sample_is_not_made_new(tmp_path):
    old = thaw(1, tmp_path)
    data = old.read_bytes()
    assert data.count(b"s2_b") == 1  # no checksum and no seal guards a label of schema 1
    old.write_bytes(data.replace(b"s2_b", b"s1_a"))
    with pytest.raises(MerError, match="holds what no store can") as caught:
        migrate(old, tmp_path / "new.h5")
    assert caught.value.exit_code == INTEGRITY


def test_an_old_store_whose_provenance_is_no_object_is_refused(tmp_path):
    old = thaw(1, tmp_path)
    data = old.read_bytes()
    text = json.dumps(frozen_content().provenance, sort_keys=True, indent=1).encode()
    assert data.count(text) == 1
    old.write_bytes(data.replace(text, b"[1]".ljust(len(text))))
    with pytest.raises(MerError, match="provenance is no JSON object") as caught:
        Store(old)
    assert caught.value.exit_code == INTEGRITY


def test_a_label_of_today_cannot_change_unseen(tmp_path):
    path = thaw(SCHEMA, tmp_path)
    data = path.read_bytes()
    assert data.count(b"surprise") == 1
    path.write_bytes(data.replace(b"surprise", b"surpriza"))
    with pytest.raises(MerError, match="seal does not fit") as caught:
        Store(path)
    assert caught.value.exit_code == INTEGRITY


def test_the_commands_say_what_is_unsealed_and_make_it_new(tmp_path):
    old, new = thaw(1, tmp_path), tmp_path / "new.h5"
    root = Path(__file__).parents[2]

    def command(*words: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*CLI, *map(str, words)], cwd=root, capture_output=True, text=True, check=False
        )

    told = command("verify", old)
    assert told.returncode == 0
    assert "schema 1, unsealed: its labels cannot be checked; mer-features migrate" in told.stdout
    assert command("migrate", old, "-o", new).returncode == 0
    told = command("verify", new)
    assert told.returncode == 0
    assert "whole" in told.stdout
    assert "unsealed" not in told.stdout
    again = command("migrate", old, "-o", new)
    assert again.returncode == USAGE
    assert again.stderr.splitlines()[0] == f"error: {new} is there already"


def test_the_seal_covers_a_feature_and_every_other_word(tmp_path):
    seals = set()
    content = frozen_content()
    flow = content.features["flow"]
    changes = [
        {},
        {"key": "2" * 32},
        {"dataset": "other"},
        {"features": {**content.features, "flow": replace(flow, units="mm")}},
        {"features": {**content.features, "flow": replace(flow, revision=2)}},
        {"features": {**content.features, "flow": replace(flow, dtype="float32")}},
        {"index": [content.index[0], {**content.index[1], "emotion": "fear"}]},
        {"index": [content.index[0], {**content.index[1], "fps": 201.0}]},
        {"failures": [{**content.failures[0], "code": "other"}]},
        {"provenance": {"counts": {"samples": 3}}},
    ]
    for number, change in enumerate(changes):
        path = tmp_path / f"{number}.h5"
        publish(path, replace(content, **change), frozen_array)
        with Store(path) as store:
            seals.add(store.attrs["seal"])
    publish(tmp_path / "x.h5", content, lambda i, name: frozen_array(i, name) + 1)
    with Store(tmp_path / "x.h5") as store:
        seals.add(store.attrs["seal"])
    assert len(seals) == len(changes) + 1
