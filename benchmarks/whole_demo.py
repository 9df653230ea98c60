"""The demo from nothing to scores, beside the bounds it is meant to keep. `make bench` runs it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

BIN = Path(sys.executable).parent


def run(folder: Path, *command: str) -> tuple[float, dict]:
    """Run a command that prints JSON; its wall time in seconds and what it said."""
    env = {**os.environ, "MER_DATA": str(folder / "data"), "MER_CACHE": str(folder / "cache")}
    name, *words = command
    started = time.perf_counter()
    done = subprocess.run(
        [str(BIN / name), *words, "--json"], cwd=folder, env=env, check=True, stdout=subprocess.PIPE
    )
    return time.perf_counter() - started, json.loads(done.stdout)


def help_time(command: str) -> float:
    """Wall time of --help, ms, the median of five."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([BIN / command, "--help"], check=True, capture_output=True)
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times))


def main() -> None:
    table = Table("what", "measured", "bound", title=f"the demo on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        features, told = run(folder, "mer-features", "run", "demo")
        size = sum(path.stat().st_size for path in (folder / "data").rglob("*.jpg"))
        train = ["mer-train", "--features", "stores/demo/flow.h5"]
        fit, real = run(folder, *train, "-o", "runs/demo")
        control, shuffled = run(folder, *train, "--shuffle-labels", "-o", "runs/shuffled")
        again, _ = run(folder, "mer-features", "run", "demo")
    table.add_row("the dataset is made", f"{told['steps']['dataset']:.1f} s", "60 s")
    table.add_row("its frames", f"{size / 1e6:.0f} MB", "200 MB")
    table.add_row("dataset and features", f"{features:.1f} s", "")
    table.add_row("training", f"{fit:.1f} s", "")
    table.add_row("training with labels shuffled", f"{control:.1f} s", "")
    table.add_row("all of make demo after set-up", f"{features + fit + control:.1f} s", "180 s")
    table.add_row("mer-features run demo again", f"{again:.2f} s", "2 s")
    for title, results in (("UF1", real), ("UF1, labels shuffled", shuffled)):
        score = results["scores"]["network"]["UF1"]
        table.add_row(f"{title}, {len(score['seeds'])} seeds", f"{100 * score['mean']:.1f} %", "")
    for command in ("mer-features", "mer-train", "mer-report"):
        table.add_row(f"{command} --help", f"{help_time(command):.0f} ms", "500 ms")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
