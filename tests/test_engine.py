"""Real worker processes."""

import os
import signal
import time
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from features.console import MerError
from pipeline.engine import ALONE, MOST, Engine


def square(x: int) -> int:
    return x * x


KILLERS = {3, 8}


def dies_at_some(x: int) -> int:
    if x in KILLERS:
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
        results = dict(alone.map(dies_at_some, range(12)))
    innocent = set(range(12)) - KILLERS
    assert {x: results[x] for x in innocent} == {x: x for x in innocent}
    assert {type(results[x]).__name__ for x in KILLERS} == {"KilledWorker"}


def counted(x: tuple[int, str]) -> int:
    """Leave a line a call, in a file that outlives the worker."""
    item, log = x
    with open(log, "a") as file:
        file.write(f"{item}\n")
    if item == 30:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return item


@pytest.mark.slow
def test_an_item_that_kills_its_worker_sends_back_no_more_than_shared_its_task(tmp_path):
    log = tmp_path / "calls"
    items = [(x, str(log)) for x in range(60)]
    with Engine(workers=2) as pair:
        results = [result for _, result in pair.map(counted, items)]
    calls = [int(line) for line in log.read_text().split()]
    assert sorted(r for r in results if isinstance(r, int)) == [x for x in range(60) if x != 30]
    assert calls.count(30) == 1 + ALONE
    again = sum(calls.count(x) - 1 for x in range(60) if x != 30)
    assert again <= 2 * MOST  # one task each, of the two workers; Dask by itself: 75


def test_results_that_die_with_their_worker_are_made_again():
    with Engine(workers=1) as alone:
        results = alone.map(threads, range(8))
        first, (pid, _) = next(results)
        time.sleep(1)  # the others are done meanwhile, and lie in the worker's memory
        os.kill(pid, signal.SIGKILL)
        rest = dict(results)
    assert sorted([first, *rest]) == list(range(8))
    assert all(isinstance(result, tuple) for result in rest.values())


def test_no_workers_means_this_process_and_what_is_raised_comes_back_all_the_same():
    with Engine(workers=0) as here:
        assert list(here.map(square, range(5))) == [(x, x * x) for x in range(5)]
        assert {pid for _, (pid, _) in here.map(threads, range(3))} == {os.getpid()}
        ((_, error),) = here.map(refuses, [1])
    assert isinstance(error, MerError)


def test_a_worker_that_was_given_up_is_replaced():
    with Engine(workers=1) as alone:
        list(alone.map(square, [1]))
        (nanny,) = alone._cluster.workers.values()
        alone._cluster.sync(nanny.close)
        assert list(alone.map(square, [3])) == [(3, 9)]


def test_no_worker_is_started_for_nothing():
    with Engine(scheduler="tcp://127.0.0.1:9") as idle:
        assert list(idle.map(square, [])) == []


@pytest.mark.parametrize("page", ["status", "json/identity.json", "info/main/workers.html"])
def test_no_dashboard_tells_what_is_being_done(engine, page):
    list(engine.map(square, [1]))
    port = engine._client.scheduler_info()["services"]["dashboard"]
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"http://127.0.0.1:{port}/{page}", timeout=10)


def test_a_scheduler_that_is_none_is_refused():
    with (
        Engine(scheduler="no address") as wrong,
        pytest.raises(MerError, match="no Dask scheduler answers"),
    ):
        list(wrong.map(square, [1]))
