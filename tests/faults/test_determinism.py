"""The same clips give the same bytes, whoever computes them, where and in which order."""

import random
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.faults.processes import COMMAND, environment
from tests.faults.scenes import Clips, Place, published


def another_process(clips: Clips, place: Place, workers: int, cwd, **told: str) -> bytes | None:
    """The store as a process of its own makes it."""
    place.root.mkdir()
    words = clips.run(place.out, workers)
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words], env=environment(place, **told), cwd=cwd,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return published(place)


@pytest.mark.faults  # tests/test_run.py has it for two
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_bytes_of_none(clips, reference, tmp_path, workers):
    assert another_process(clips, Place(tmp_path / "place"), workers, tmp_path) == reference


@pytest.mark.parametrize(
    "told",
    [
        {"PYTHONHASHSEED": "0", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"},
    ],
)
def test_hash_seed_folder_language_and_time_zone_do_not_show(clips, reference, tmp_path, told):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = Place(tmp_path / "place")
    assert another_process(clips, place, 0, elsewhere, **told) == reference


def shuffled(clips: Clips, number: int) -> Clips:
    """The same clips, the rows of their manifest in another order."""
    header, *rows = clips.manifest.read_text().splitlines()
    again = sorted(rows)
    while again == sorted(rows):
        random.Random(number).shuffle(again)
        number += 100
    folder = clips.manifest.parent / f"shuffled{number}"
    folder.mkdir()
    (folder / "clips.csv").write_text("\n".join([header, *again]) + "\n")
    return replace(clips, manifest=folder / "clips.csv")


def of_shuffled(forks, clips: Clips, place: Place, number: int, mutant: str = "") -> bytes | None:
    """The store of a shuffled manifest."""
    words = [*shuffled(clips, number).run(place.out), "--root", str(clips.manifest.parent)]
    assert forks.run(words, place.cache, mutant=mutant).code == 0
    return published(place)


@pytest.mark.parametrize("number", range(3))
def test_the_order_of_the_rows_does_not_show(forks, clips, reference, tmp_path, number):
    assert of_shuffled(forks, clips, Place(tmp_path / "place"), number) == reference


def test_samples_in_the_order_they_come_would_be_noticed(forks, clips, reference, tmp_path):
    assert of_shuffled(forks, clips, Place(tmp_path / "place"), 9, "unsorted") != reference
