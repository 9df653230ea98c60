"""Clips that have no room on the device: the same bits, batch by batch."""

import numpy as np
import pytest
import torch

from tests.test_at_once import SHORT, answers, job
from train import workers
from train.streamed import ROOM, Streamed, part, placed
from train.task import Job

HERE = torch.device("cpu")
WHOLE = torch.arange(24.0).view(6, 4)


def test_rows_of_a_part_are_rows_of_the_whole_and_nothing_is_copied():
    clips = Streamed(WHOLE, HERE).part(torch.tensor([5, 1, 3]))
    assert len(clips) == 3
    assert torch.equal(clips[torch.tensor([2, 0, 0])], WHOLE[[3, 5, 5]])
    assert torch.equal(clips[1:], WHOLE[[1, 3]])
    again = clips.part(torch.tensor([1]))
    assert torch.equal(again[:], WHOLE[[1]])
    assert again.whole is WHOLE


def test_a_part_of_both_kinds_is_the_same():
    rows = torch.tensor([4, 2])
    of_tensor, of_streamed = part([WHOLE, Streamed(WHOLE, HERE)], rows)
    assert torch.equal(of_tensor, of_streamed[:])
    assert isinstance(of_streamed, Streamed)


def test_they_are_sent_whole_where_they_have_room_beside_a_folds_part():
    arrays = [np.ones((5, 4), np.float32), np.ones((5, 2), np.float32)]
    size = sum(one.nbytes for one in arrays)
    assert all(isinstance(x, Streamed) for x in placed(arrays, HERE, int(size / ROOM) - 1))
    for free in (int(size / ROOM) + 1, None):
        assert all(isinstance(x, torch.Tensor) for x in placed(arrays, HERE, free))
    for x, array in zip(placed(arrays, HERE, 0), arrays, strict=True):
        assert np.array_equal(x[:].numpy(), array)


@pytest.mark.parametrize("at_once", [1, 4])
def test_fits_on_streamed_clips_say_the_same_to_the_bit_and_it_is_told(
    at_once, monkeypatch, capsys
):
    resident = answers(job(SHORT, at_once=at_once))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(Job, "free", lambda self: 0)
    streamed = answers(job(SHORT, at_once=at_once))
    assert "have no room on cpu: each batch is sent there" in capsys.readouterr().err
    for key, answer in resident.items():
        assert np.array_equal(answer.probabilities, streamed[key].probabilities)
        assert np.array_equal(answer.oracle, streamed[key].oracle)
        assert answer.losses == streamed[key].losses


def test_each_process_has_a_gpu_in_turn(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert workers.devices("cuda", 3) == ["cuda:0", "cuda:1", "cuda:0"]
    assert workers.processes("cuda") == 2
    assert workers.devices("cpu", 2) == ["cpu", "cpu"]
    assert workers.processes("cpu") == workers.usable_cores()
