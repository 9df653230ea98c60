"""The whole way, as make demo goes it, on the whole demo."""

import json
import os
import subprocess
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_demo_scores_above_chance_and_its_control_at_chance(tmp_path: Path):
    env = {**os.environ, "MER_DATA": str(tmp_path / "data"), "MER_CACHE": str(tmp_path / "cache")}

    def run(*command: str) -> dict:
        done = subprocess.run(
            [*command, "--json"], cwd=tmp_path, env=env, check=True, capture_output=True
        )
        return json.loads(done.stdout)

    (features,) = run("mer-features", "run", "demo")["recipes"]
    train = ["mer-train", "--features", "stores/demo/flow.h5"]
    real = run(*train, "-o", "runs/demo")["scores"]
    control = run(*train, "--shuffle-labels", "-o", "runs/shuffled")["scores"]
    (again,) = run("mer-features", "run", "demo")["recipes"]
    assert (features["samples"], features["failures"]) == (96, [])
    assert (again["computed"], again["published"]) == (0, False)
    assert real["network"]["UF1"]["mean"] >= 0.6
    assert real["majority"]["UF1"]["mean"] <= 0.25
    assert 0.15 <= control["network"]["UF1"]["mean"] <= 0.35
