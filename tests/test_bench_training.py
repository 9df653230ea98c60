"""The benchmark of training, at a size for a test."""

import re
import subprocess
import sys
import time

import pytest
import torch

from benchmarks import first_step, training
from benchmarks.busy import watched
from benchmarks.roofline import Cost, cost

FEW = ("--samples", "24", "--folds", "4", "--only", "2", "--epochs", "1", "--workers", "1")


def test_it_shows_every_way_beside_the_plain_loop_and_what_a_step_must_at_least_take(
    capsys, monkeypatch
):
    monkeypatch.setattr(training, "by_itself", training.here)  # the next test has it
    monkeypatch.setattr(training, "ENOUGH", 2)
    training.main(["ststnet", *FEW])
    shown = capsys.readouterr().out
    numbers = r" +[\d.]+ │ +[\d,]+ │ +[\d,]+ s │ +\d+% │ +[\d,]+ │ +[\d.]+ │".replace(" │", " +│")
    for way in ("plain, three streams", "plain", "one by one", "stacked"):
        assert re.search(rf"│ {way} +│{numbers}", shown), way
    assert "whole LOSO, worked out" in shown
    assert "times the floor" in " ".join(shown.split())


@pytest.mark.slow
def test_every_way_begins_in_a_new_process(capsys, monkeypatch):
    monkeypatch.setattr(training, "watched", None)  # which is called there, not here
    training.main(["ststnet", *FEW])
    told = capsys.readouterr()
    assert len(re.findall(r"ststnet, .*: [\d.]+ s", told.err)) == 4
    assert "one by one" in told.out


def test_subjects_have_the_clips_of_the_three_datasets():
    found = training.sizes(442, 68)
    assert (len(found), sum(found), min(found)) == (68, 442, 1)
    assert [sum(found[a:b]) for a, b in ((0, 24), (24, 52), (52, 68))] == [145, 133, 164]
    assert sum(training.sizes(24, 4)) == 24


def test_sums_and_bytes_of_a_step_are_counted():
    a, b = torch.zeros(3, 5), torch.zeros(5, 7)
    assert cost(lambda: a @ b) == Cost(2 * 3 * 5 * 7, 4 * (15 + 35 + 21))
    assert Cost(100, 30).floors(Cost(50, 10)) == (2, 3)


def test_a_core_that_sleeps_is_not_busy_and_one_that_counts_is_in_a_child_too():
    spent = watched(lambda: time.sleep(0.3), "cpu", 1)
    assert spent.seconds >= 0.3
    assert spent.share < 0.5
    count = "import time\nwhile time.process_time() < 0.6: pass"
    spent = watched(lambda: subprocess.run([sys.executable, "-c", count], check=True), "cpu", 2)
    assert 0.4 < spent.share * spent.seconds * 2 < 0.9
    assert spent.peak > 10


@pytest.mark.slow
def test_the_time_to_the_first_step_is_that_of_the_command(capsys, monkeypatch):
    monkeypatch.setattr(first_step, "TIMES", 1)
    first_step.main()
    rows = re.findall(r"│ +([\d.]+) +│ +([\d.]+) +│ +([\d.]+) +│", capsys.readouterr().out)
    assert len(rows) == len(first_step.WAYS)
    for alone, step, beyond in rows:
        assert float(step) - float(alone) == pytest.approx(float(beyond), abs=0.02)
        assert float(beyond) > 0.5
