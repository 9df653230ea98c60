"""What a store costs beside the copying it cannot do without. `make bench` runs it.

442 samples of flow and strain, as many as the composite of MEGC 2019 has, in the size that
the recipes store; and how long it takes to open one of 20,000.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from rich.console import Console
from rich.table import Table

from features.publish import Column, Content, publish
from features.store import Store

SAMPLES, MANY, SIDE, TIMES = 442, 20_000, 224, 5
CHANNELS = {"flow": 2, "strain": 1}


def content(samples: int, names=("flow", "strain")) -> Content:
    row = {
        "dataset": "made", "clip": "EP02_01f", "emotion": "happiness", "action_units": "6+12",
        "objective_class": "1", "onset": 46, "apex": 59, "offset": 86, "fps": 200.0,
        "apex_source": "annotated",
    }  # fmt: skip
    index = [{"sample_id": f"{n:05}", "subject": f"{n % 99:02}", **row} for n in range(samples)]
    columns = {name: Column("px", "C H W", "", "{}", 1) for name in names}
    return Content("{}", "k", "made", "f", "0", index, columns, [], {})


def best(function, before=lambda: None) -> float:
    """Seconds of the fastest of a few tries: the others tell of other people's work."""
    spent = []
    for _ in range(TIMES):
        before()
        started = time.perf_counter()
        function()
        spent.append(time.perf_counter() - started)
    return min(spent)


def plain_write(path: Path, data: np.ndarray) -> None:
    with path.open("wb") as file:
        file.write(data.data)
        os.fsync(file.fileno())


def main() -> None:
    table = Table("step", "time", "beside it", title=f"a store, best of {TIMES}")
    planes = {
        name: np.random.default_rng(0).normal(size=(count, SIDE, SIDE)).astype(np.float32)
        for name, count in CHANNELS.items()
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, plain = folder / "s.h5", folder / "plain"
        given = content(SAMPLES)
        spent = best(lambda: publish(path, given, lambda i, name: planes[name]))
        data = np.fromfile(path, np.uint8)
        floor = best(lambda: plain_write(plain, data))
        size = f"{SAMPLES} × 3 × {SIDE} × {SIDE} float16, {len(data) / 1e6:.0f} MB"
        table.add_row(f"publish {size}", f"{spent:.2f} s", f"write and fsync {floor:.2f} s")

        def load() -> None:
            with Store(path) as store:
                for name in CHANNELS:
                    store.load(name)

        def load_by_h5py() -> None:
            with h5py.File(path) as file:
                for name in CHANNELS:
                    file["features"][name][()]

        beside = (
            f"memcpy {best(data.copy):.3f} s, np.fromfile"
            f" {best(lambda: np.fromfile(path, np.uint8)):.3f} s,"
            f" h5py unchecked {best(load_by_h5py):.3f} s"
        )
        table.add_row("load it whole, every sample checked", f"{best(load):.3f} s", beside)
        with Store(path) as store, h5py.File(path, locking=False) as file:
            rows = np.random.default_rng(1).permutation(SAMPLES)
            ours = best(lambda: [store.read("flow", int(row)) for row in rows]) / SAMPLES
            fancy = best(lambda: [file["features/flow"][[row]][0] for row in rows]) / SAMPLES
            table.add_row(
                "read one sample's flow, checked", f"{ours * 1e6:.0f} µs",
                f"h5py's fancy index, unchecked {fancy * 1e6:.0f} µs",
            )  # fmt: skip
        opened = best(lambda: Store(path).close())
        bare = best(lambda: h5py.File(path, locking=False).close())
        table.add_row(
            f"open {SAMPLES} samples: scan and seal", f"{opened * 1e3:.1f} ms",
            f"h5py.File {bare * 1e3:.1f} ms",
        )  # fmt: skip
        small = np.zeros((8, 2), np.float32)
        publish(path, content(MANY), lambda i, name: small)
        opened = best(lambda: Store(path).close())
        table.add_row(f"open {MANY} samples: scan and seal", f"{opened * 1e3:.0f} ms", "")
        shutil.rmtree(folder, ignore_errors=True)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
