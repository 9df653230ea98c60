"""The whole way, as make demo goes it, on the whole demo."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

LIMITS = {"dataset": 60, "demo": 180, "again": 2}  # seconds, on two cores


@pytest.mark.slow
def test_the_demo_scores_above_chance_its_control_at_chance_and_in_time(tmp_path: Path):
    env = {**os.environ, "MER_DATA": str(tmp_path / "data"), "MER_CACHE": str(tmp_path / "cache")}

    def run(*command: str) -> dict:
        done = subprocess.run(
            [*command, "--json"], cwd=tmp_path, env=env, check=True, capture_output=True
        )
        return json.loads(done.stdout)

    started = time.perf_counter()
    features = run("mer-features", "run", "demo")
    train = ["mer-train", "--features", "stores/demo/flow.h5"]
    real = run(*train, "-o", "runs/demo")
    control = run(*train, "--shuffle-labels", "--seeds", "3", "-o", "runs/shuffled")
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    again = run("mer-features", "run", "demo")
    idle = time.perf_counter() - started

    size = sum(path.stat().st_size for path in (tmp_path / "data").rglob("*.jpg"))
    print(f"\ndataset {features['steps']['dataset']:.1f} s, {size / 1e6:.0f} MB")
    print(f"demo {seconds:.1f} s, second run {idle:.2f} s")
    for name, results in (("demo", real), ("labels shuffled", control)):
        print(name, {k: v["mean"] for k, v in results["scores"]["network"].items()})
    assert features["recipes"][0]["samples"] == 96
    assert size <= 200e6
    assert (again["recipes"][0]["computed"], again["recipes"][0]["published"]) == (0, False)
    assert features["steps"]["dataset"] <= LIMITS["dataset"]
    assert seconds <= LIMITS["demo"]
    assert idle <= LIMITS["again"]
    assert real["scores"]["network"]["UF1"]["mean"] >= 0.6
    assert 0.15 <= control["scores"]["network"]["UF1"]["mean"] <= 0.35
