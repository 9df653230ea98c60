"""Folds × seeds: fits know nothing of each other, so they run in processes, alone or in stacks.

The bits do not depend on how many processes there are.

A fit that was left goes on from its last state, and says what it found in a file of its own
before it says so here.

The networks are so small that a second thread inside one fit costs more than it gains,
and the number of threads changes the order of sums: one thread a fit, always. Of several GPUs
each has a process.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.queues import SimpleQueue

import torch

from features.console import MerError
from features.memory import keep_freed
from train import forks
from train.alone import fit_alone
from train.oracle import Answer
from train.precision import multiply, products
from train.streamed import Clips, Streamed
from train.tally import Key
from train.task import Job, Task, units
from train.together import fit_together
from train.work import tell

# A batch system ends a whole group, one by one: our own SIGTERM may come after the workers'.
GRACE = 1.0  # s


Fits = Generator[tuple[Task, Answer], None, None]
Unit = tuple[Task, ...]  # trained together, or one alone


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0))


def processes(device: str) -> int:
    """How many processes are best: one a core, or one a GPU."""
    return usable_cores() if device == "cpu" else torch.cuda.device_count()


def devices(device: str, workers: int) -> list[str]:
    """The device of each process; GPUs in turn."""
    if device == "cpu":
        return [device] * workers
    return [f"{device}:{number % torch.cuda.device_count()}" for number in range(workers)]


def compute(
    job: Job,
    tasks: Sequence[Task],
    workers: int,
    finished: frozenset[Key] = frozenset(),
) -> Fits:
    """Fit every task but those finished, by their keys; give (task, answer) as each is done.

    To close it before its end stops the fits under way.

    Raises
    ------
    MerError
        If a fit diverges, has one training sample, or a worker dies.
    """
    for task in tasks:
        if len(task.train) < 2:
            raise MerError(
                f"fold {task.fold}: {len(task.train)} training sample, at least 2 are needed",
                "give a store of more samples",
            )
    left = units(tasks, finished, job.at_once)
    with closing(_fitted(job, left, min(workers, len(left)))) as fitted:
        for task, answer in fitted:
            if task.key not in finished:
                yield task, answer


def _fitted(job: Job, left: Sequence[Unit], workers: int) -> Fits:
    if workers <= 1:
        keep_freed()
        inputs = there(job)
        with one_thread(), products(job.config.precision):
            for unit in left:
                yield from zip(unit, fit_unit(job, inputs, unit), strict=True)
    else:
        yield from _in_processes(job, left, workers)


def there(job: Job) -> list[Clips]:
    """The clips where the fits find them; said if they have no room on the device."""
    clips = job.clips()
    if any(isinstance(x, Streamed) for x in clips):
        size = sum(x.nbytes for x in job.inputs) / 2**30
        tell(f"{size:.1f} GiB of clips have no room on {job.device}: each batch is sent there")
    return clips


def fit_unit(job: Job, inputs: Sequence[Clips], unit: Unit) -> list[Answer]:
    """Fit what is trained together."""
    if job.at_once > 1:
        return fit_together(job, inputs, unit)
    return [fit_alone(job, inputs, task) for task in unit]


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside, as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _in_processes(job: Job, left: Sequence[Unit], workers: int) -> Fits:
    how = forks.context()
    free = how.SimpleQueue()
    for device in devices(job.device, workers):
        free.put(device)
    pool = ProcessPoolExecutor(workers, how, initializer=_start, initargs=(job, free))
    others = set(multiprocessing.active_children())
    started: set[multiprocessing.process.BaseProcess] = set()
    try:
        with forks.no_signals():  # the workers start here
            running: dict[Future[list[Answer]], Unit] = {pool.submit(_work, u): u for u in left}
            started = set(multiprocessing.active_children()) - others
        for done in as_completed(running):
            yield from zip(running[done], done.result(), strict=True)
    except BrokenProcessPool as error:
        time.sleep(GRACE)
        raise MerError(
            "a worker process died, probably for want of memory",
            "run again with fewer --workers: finished fits are kept",
        ) from error
    except BaseException:
        for worker in started:  # not to wait for fits that nobody will ask for
            worker.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_job: Job  # set once in each worker: the samples travel once, not with every task
_inputs: list[Clips]


def _start(job: Job, free: SimpleQueue[str]) -> None:
    global _job, _inputs
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    # Ctrl-C is the parent's to answer. SIGTERM ends a worker at once: what counts is on disk.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    keep_freed()
    torch.set_num_threads(1)
    multiply(job.config.precision)
    _job = replace(job, device=free.get())
    _inputs = there(_job)


def _leave_with_parent() -> None:
    """End this worker if its parent is killed: nobody else would shut the pool down."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _work(unit: Unit) -> list[Answer]:
    return fit_unit(_job, _inputs, unit)
