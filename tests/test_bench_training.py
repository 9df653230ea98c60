"""The benchmark of training, at a size for a test."""

import re

import torch

from benchmarks import training
from benchmarks.roofline import Cost, cost


def test_it_shows_every_way_beside_the_plain_loop_and_what_a_step_must_at_least_take(capsys):
    few = ("--samples", "24", "--folds", "4", "--only", "2", "--epochs", "1", "--workers", "1")
    training.main(["ststnet", *few])
    shown = capsys.readouterr().out
    numbers = r" +[\d.]+ │ +[\d,]+ │ +[\d,]+ s │ +[\d,]+ │ +[\d.]+ │".replace(" │", " +│")
    for way in ("plain, three streams", "plain", "one by one", "stacked"):
        assert re.search(rf"│ {way} +│{numbers}", shown), way
    assert "whole LOSO, worked out" in shown
    assert "times the floor" in " ".join(shown.split())


def test_subjects_have_the_clips_of_the_three_datasets():
    found = training.sizes(442, 68)
    assert (len(found), sum(found), min(found)) == (68, 442, 1)
    assert [sum(found[a:b]) for a, b in ((0, 24), (24, 52), (52, 68))] == [145, 133, 164]
    assert sum(training.sizes(24, 4)) == 24


def test_sums_and_bytes_of_a_step_are_counted():
    a, b = torch.zeros(3, 5), torch.zeros(5, 7)
    assert cost(lambda: a @ b) == Cost(2 * 3 * 5 * 7, 4 * (15 + 35 + 21))
    assert Cost(100, 30).floors(Cost(50, 10)) == (2, 3)
