"""Several datasets, one store, a protocol's classes."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner

from features.store import Store
from pipeline.cli import cli
from pipeline.datasets import demo
from pipeline.manifest import write_manifest
from train.cli import cli as train


@pytest.fixture
def sheets(demo_root, tmp_path):
    """The demo's eight clips as if four were CASME II's and four SAMM's, subjects named alike."""
    samples = demo.read(demo_root).samples
    emotions = ["disgust", "happiness", "others", "surprise"]
    for name, part in (("casme2", samples[:4]), ("samm", samples[4:])):
        rows = [
            replace(s, dataset=name, sample_id=f"{name}_{k}", subject=f"0{k % 2 + 1}", emotion=e)
            for k, (s, e) in enumerate(zip(part, emotions, strict=True))
        ]
        write_manifest(rows, tmp_path / f"{name}.csv")
    return [str(tmp_path / "casme2.csv"), str(tmp_path / "samm.csv")]


def run(*words: str):
    return CliRunner().invoke(cli, ["run", *words, "--workers", "0"])


def test_a_composite_store_keeps_dataset_and_subject(sheets, demo_root, tmp_path):
    roots = [f"--root={name}={demo_root}" for name in ("casme2", "samm")]
    done = run(*sheets, *roots, "--out", str(tmp_path / "out"))
    assert done.exit_code == 0, done.stderr
    with Store(tmp_path / "out" / "casme2+samm" / "flow.h5") as store:
        index = store.index
        assert store.attrs["dataset"] == "casme2+samm"
    assert Counter(index["dataset"]) == {"casme2": 4, "samm": 4}
    assert len(set(zip(index["dataset"], index["subject"], strict=True))) == 4


def test_a_protocol_takes_its_samples_and_says_what_is_short(sheets, demo_root, tmp_path):
    roots = [f"--root={name}={demo_root}" for name in ("casme2", "samm")]
    words = [*sheets, *roots, "--protocol", "megc2019", "--out", str(tmp_path / "out")]
    done = run(*words)
    assert done.exit_code == 0, done.stderr
    assert "megc2019: casme2: negative 1, expected 88" in done.stderr
    assert "megc2019: smic: subjects 0, expected 16" in done.stderr
    path = tmp_path / "out" / "megc2019" / "flow.h5"
    with Store(path) as store:
        assert list(store.index["emotion"]).count("others") == 0
        assert len(store) == 6
        asked = "mer-features run casme2.csv samm.csv --protocol megc2019 --recipe flow"
        assert store.provenance["command"] == asked

    fit = ["--features", str(path), "--protocol", "megc2019", "-o", str(tmp_path / "run")]
    trained = CliRunner().invoke(train, [*fit, "--epochs", "1", "--seeds", "1", "--json"])
    assert trained.exit_code == 0, trained.stderr
    results = json.loads(trained.stdout)
    assert results["scores"]["classes"] == ["negative", "positive", "surprise"]
    assert results["scores"]["counts"]["folds"] == 4
    assert "samm: negative 1, expected 92" in results["differences"]


def test_a_sample_id_in_two_datasets_is_refused_by_name(sheets, demo_root, tmp_path):
    twice = tmp_path / "twice.csv"
    twice.write_text((tmp_path / "samm.csv").read_text())
    words = [sheets[1], str(twice), f"--root=samm={demo_root}", f"--root=twice={demo_root}"]
    done = run(*words, "--max-failed", "100%", "--out", str(tmp_path / "out"))
    assert done.exit_code == 3
    assert "samm_0: another dataset has a sample of this id" in done.stderr
