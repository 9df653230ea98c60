"""Thousands of damaged copies of a small store: each is refused, or gives just what was published.

They are opened in a child process with an alarm: damage that hangs or kills HDF5 shows as such.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_store import row, tiny_store

KINDS = ("flip", "truncate", "zeros", "append", "garbage", "swap", "version", "delete")
ROOT = Path(__file__).parents[2]
MOST_SECONDS = 10  # for one mutant

# One line for each mutant: what became of it.
CHILD = """
import signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from features.console import MerError, INTEGRITY
from features.store import Store
from tests.faults.test_store_fuzz import MOST_SECONDS, mutants, told

def outcome(path):
    try:
        with Store(path) as store:
            return "same" if told(store) == wanted else "changed"
    except MerError as error:
        assert error.exit_code == INTEGRITY, error
        return "refused"

good, folder = Path(sys.argv[2]), Path(sys.argv[3])
with Store(good) as store:
    wanted = told(store)
for number, (kind, data) in enumerate(mutants(good.read_bytes(), int(sys.argv[4]))):
    path = folder / "m.h5"
    path.write_bytes(data)
    signal.alarm(MOST_SECONDS)
    try:
        print(kind, outcome(path), flush=True)
    except BaseException as error:
        (folder / f"bad{number}.h5").write_bytes(data)
        print(kind, f"{type(error).__name__}:{error}".split(chr(10))[0].replace(" ", "_"))
"""


def told(store) -> str:
    """All that a store gives out; a sample that is refused by one way must be so by all."""
    bad = store.verify()
    index, failures = store.index, store.failures
    words = [
        {name: column.tolist() for name, column in columns.items()} for columns in (index, failures)
    ]
    attrs = dict(store.attrs), store.features, store.provenance
    arrays = {name: store.load(name).tobytes().hex() for name in store.features}
    rows = [store.read(name, n).tobytes().hex() for name in arrays for n in range(len(store))]
    return json.dumps([bad, words, attrs, arrays, rows], sort_keys=True)


def mutants(data: bytes, count: int):
    """Yield (kind, bytes), always the same ones."""
    random = np.random.default_rng(0)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        at = int(random.integers(len(data)))
        run = int(random.integers(1, 65))
        made = bytearray(data)
        if kind == "flip":
            made[at] ^= 1 << int(random.integers(8))
        elif kind == "truncate":
            del made[at:]
        elif kind == "zeros":
            made[at : at + run] = bytes(len(made[at : at + run]))
        elif kind == "append":
            made += random.bytes(run)
        elif kind == "garbage":
            made[at : at + run] = random.bytes(len(made[at : at + run]))
        elif kind == "swap":
            other = int(random.integers(len(data) - 64))
            at = min(at, len(data) - 64)
            made[at : at + 64], made[other : other + 64] = (
                data[other : other + 64],
                data[at : at + 64],
            )
        elif kind == "version":  # a byte of those that say what a part of HDF5 is: near its name
            names = [i for i in range(len(data) - 4) if data[i : i + 4] in PARTS]
            made[names[at % len(names)] + 4] = int(random.integers(256))
        elif kind == "delete":
            del made[at : at + run]
        yield kind, bytes(made)


PARTS = {b"OHDR", b"FRHP", b"FHDB", b"BTHD", b"BTLF", b"FAHD", b"FADB", b"\x89HDF", b"HDF\r"}


def seen(tmp_path: Path, count: int) -> Counter[tuple[str, str]]:
    def small(sample: dict) -> dict[str, np.ndarray]:
        values = np.random.default_rng(ord(sample["sample_id"])).normal(size=(3, 4, 5))
        return {"flow": values[:2], "strain": values[2:]}

    samples = [row(name, f"p{name}", "joy") for name in "abcd"]
    good = tiny_store(tmp_path / "good.h5", samples, make=small)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(ROOT), str(good), str(tmp_path), str(count)],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [tuple(line.split()) for line in done.stdout.splitlines()]
    assert len(lines) == count
    return Counter(lines)


def only_refused_or_the_same(found: Counter[tuple[str, str]]) -> None:
    assert {outcome for _, outcome in found} == {"refused", "same"}, found
    for kind in KINDS:
        if kind not in ("append", "zeros"):  # behind the end, or where zeros are: no change
            assert found[kind, "refused"] > found[kind, "same"], (kind, found)


def test_five_hundred_damaged_copies_are_refused_or_the_same(tmp_path):
    only_refused_or_the_same(seen(tmp_path, 500))


@pytest.mark.faults
def test_five_thousand_damaged_copies_are_refused_or_the_same(tmp_path):
    only_refused_or_the_same(seen(tmp_path, 5000))
