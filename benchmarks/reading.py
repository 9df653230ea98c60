"""How long it takes to know what a copy of a dataset holds. `make bench` runs it.

A manifest of 10,000 rows, read and checked without touching a pixel; and the doctor on 1,000
clips, whose floor is reading their bytes once.
"""

import csv
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from pipeline.copies import find
from pipeline.doctor import examine
from pipeline.engine import Engine
from pipeline.manifest import COLUMNS, read_manifest
from pipeline.scan import scan

FRAMES = 10


def manifest(path: Path, rows: int) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for k in range(rows):
            cells = {"sample_id": f"s{k:05d}", "subject": f"{k % 100:03d}", "path": f"{k:05d}"}
            cells |= {"onset": 1, "apex": 5, "offset": FRAMES, "fps": 200, "emotion": "joy"}
            writer.writerow(cells | {"action_units": "4+L12B"})
    return path


def clips(root: Path, n: int) -> int:
    """Folders of noise as large as a frame of CASME II's crops; the bytes they take."""
    rng = np.random.default_rng(0)
    written = 0
    for k in range(n):
        folder = root / f"{k:05d}"
        folder.mkdir()
        picture = Image.fromarray(rng.integers(0, 256, (170, 140, 3)).astype(np.uint8))
        for number in range(1, FRAMES + 1):
            picture.save(folder / f"img{number}.jpg", quality=90)
            written += (folder / f"img{number}.jpg").stat().st_size
    return written


def seconds(function, *arguments):
    started = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - started, result


def main() -> None:
    table = Table("step", "time", title="reading, this machine's disk")
    with tempfile.TemporaryDirectory() as name, Engine() as engine:
        root = Path(name)
        spent, read = seconds(read_manifest, manifest(root / "many.csv", 10_000))
        table.add_row(f"manifest of {len(read.samples)} rows", f"{spent:.2f} s")
        size = clips(root, 1000)
        (copy,) = find([str(manifest(root / "clips.csv", 1000))], [])
        listed = copy.manifest(engine)

        def doctor():
            return examine(copy, scan(listed, root, root / "cache"))

        def bare():
            return sum(len(path.read_bytes()) for path in root.glob("*/*.jpg"))

        floor, _ = seconds(bare)
        first, found = seconds(doctor)
        time.sleep(2.1)  # a file that is younger is read again
        seconds(doctor)
        again, _ = seconds(doctor)
        assert found.healthy
        what = f"{found.samples} clips, {size / 1e6:.0f} MB"
        table.add_row(f"reading the bytes of {what}, one thread", f"{floor:.2f} s")
        table.add_row(f"doctor on {what}", f"{first:.2f} s")
        table.add_row("doctor again", f"{again:.2f} s")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
