"""How long the second run of 442 clips takes to find that nothing is to do. `make bench`.

The clips are the demo's, linked under other names, so that as many files must be looked at as
CASME II and SMIC together have; the command is the real one, with the start of Python.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.datasets import demo
from pipeline.engine import Engine, over
from pipeline.manifest import COLUMNS

CLIPS = 442
TIMES = 5


def linked(source: Path, root: Path) -> int:
    """Clips of the demo under other names, and their manifest; returns how many files."""
    samples, files = demo.read(source).samples, 0
    root.mkdir()
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for number in range(CLIPS):
            sample = samples[number % len(samples)]
            name = f"clip{number:03d}"
            (root / name).mkdir()
            for frame in (source / sample.path).iterdir():
                os.link(frame, root / name / frame.name)
                files += 1
            row = {**asdict(sample), "sample_id": name, "clip": name, "path": name}
            writer.writerow({column: row[column] for column in COLUMNS})
    return files


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MER_CACHE"] = str(folder / "cache")
        with Engine() as engine:
            demo.make(folder / "demo", lambda *given: over(engine, *given))
        files = linked(folder / "demo", folder / "many")
        time.sleep(2)  # a file younger than that may yet change: its digest is not remembered
        command = [str(Path(sys.executable).parent / "mer-features"), "run"]
        command += [str(folder / "many" / "manifest.csv"), "--out", str(folder / "stores")]
        subprocess.run(command, check=True, capture_output=True)
        spent = []
        for _ in range(TIMES):
            started = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            spent.append(time.perf_counter() - started)
            assert "nothing to do" in done.stdout
    start = []
    for _ in range(TIMES):
        started = time.perf_counter()
        subprocess.run([command[0], "--help"], check=True, capture_output=True)
        start.append(time.perf_counter() - started)
    table = Table("what", "best", "worst", title=f"{CLIPS} clips of {files} files, {TIMES} times")
    table.add_row("second run", f"{min(spent):.2f} s", f"{max(spent):.2f} s")
    table.add_row("of it the command's start (--help)", f"{min(start):.2f} s",
                  f"{max(start):.2f} s")  # fmt: skip
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
