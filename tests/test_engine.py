"""Real worker processes."""

import os
import signal

import pytest

from features.console import MerError
from pipeline.engine import Engine


def square(x: int) -> int:
    return x * x


def dies_at_three(x: int) -> int:
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def refuses(x: int) -> int:
    raise MerError("cause", "remedy", 5)


def threads(x: int) -> tuple[int, str | None]:
    return os.getpid(), os.environ.get("OMP_NUM_THREADS")


def test_every_item_is_done_once_in_any_order(engine):
    assert sorted(engine.map(square, range(50))) == [(x, x * x) for x in range(50)]
    assert list(engine.map(square, [])) == []


def test_workers_are_processes_of_one_thread(engine):
    seen = {result for _, result in engine.map(threads, range(40))}
    assert os.getpid() not in {pid for pid, _ in seen}
    assert {threads for _, threads in seen} == {"1"}


def test_what_a_function_raises_comes_back_whole(engine):
    ((_, error),) = engine.map(refuses, [1])
    assert isinstance(error, MerError)
    assert (error.cause, error.remedy, error.exit_code) == ("cause", "remedy", 5)


def test_an_item_that_kills_its_worker_is_named_and_the_others_are_done():
    with Engine(workers=1) as alone:
        results = dict(alone.map(dies_at_three, [1, 2, 3]))
    assert (results[1], results[2]) == (1, 2)
    assert type(results[3]).__name__ == "KilledWorker"


def test_no_worker_is_started_for_nothing():
    with Engine(scheduler="tcp://127.0.0.1:9") as idle:
        assert list(idle.map(square, [])) == []


def test_a_scheduler_that_is_none_is_refused():
    with (
        Engine(scheduler="no address") as wrong,
        pytest.raises(MerError, match="no Dask scheduler answers"),
    ):
        list(wrong.map(square, [1]))
