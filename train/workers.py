"""Folds × seeds: each fit is alone, so they run in processes; the bits do not depend on how many.

A fit that was left goes on from its last state, and says what it found in a file of its own
before it says so here.

The networks are so small that a second thread inside one fit costs more than it gains,
and the number of threads changes the order of sums: one thread a fit, always. On a GPU
everything runs in this process.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from features.base import Array
from features.console import MerError
from train.config import FitConfig
from train.fit import Tensors, copied, fit, seed_of
from train.folds import Fold
from train.losses import Losses
from train.models import base
from train.oracle import Answer, Oracle
from train.predict import predict
from train.work import Work

# A batch system ends a whole group, one by one: our own SIGTERM may come after the workers'.
GRACE = 1.0  # s


@dataclass(frozen=True, slots=True)
class Job:
    """What all fits of a run share.

    Parameters
    ----------
    inputs : (N, …) float32 each, all samples
    work : where every fit keeps what it has done; None to keep nothing
    backbone : file of weights that every network begins with
    """

    model: str
    classes: int
    inputs: tuple[Array, ...]
    config: FitConfig
    device: str
    work: Work | None = None
    backbone: Path | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One fit: a fold under a seed.

    Parameters
    ----------
    truth : (N,) int64, or (N, classes) of 0 and 1; labels of all samples under this seed
    train, test : rows of the inputs
    inner : training rows split again by people, to choose the epoch on; None: the last counts
    """

    seed: int
    fold: str
    truth: Array
    train: Array
    test: Array
    inner: Fold | None = None


Fits = Generator[tuple[Task, Answer], None, None]


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0))


def compute(job: Job, tasks: Sequence[Task], workers: int) -> Fits:
    """Fit every task; give (task, answer) as each is done.

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
    workers = min(workers, len(tasks))
    if workers <= 1 or job.device != "cpu":
        inputs = tensors(job)
        with one_thread():
            for task in tasks:
                yield task, fit_and_predict(job, inputs, task)
    else:
        yield from _in_processes(job, tasks, workers)


def tensors(job: Job) -> list[Tensor]:
    """The inputs on the job's device."""
    return [torch.from_numpy(x).to(job.device) for x in job.inputs]


def fit_and_predict(job: Job, inputs: Sequence[Tensor], task: Task) -> Answer:
    """Fit one task; its test samples are looked at from aside, and teach the fit nothing."""
    until = chosen_epoch(job, inputs, task) if task.inner else job.config.epochs
    device = inputs[0].device
    train, test = (torch.from_numpy(rows).to(device) for rows in (task.train, task.test))
    truth = torch.from_numpy(task.truth).to(device)
    asked = [x[test] for x in inputs]
    oracle, losses = Oracle(asked, truth[test]), Losses()
    kept = job.work.fit(task.seed, task.fold) if job.work else None
    left = kept.newest() if kept else None
    start = left and (left[0], losses.restore(oracle.restore(dict(left[1]))))

    def keep(epoch: int, state: Callable[[], Tensors]) -> None:
        if kept:
            kept.keep(epoch, lambda: {**state(), **oracle.state(), **losses.state()})

    network = fit(
        base.load(job.model).started(job.backbone),
        job.classes,
        [x[train] for x in inputs],
        truth[train],
        job.config,
        seed_of(task.seed, task.fold),
        start,
        keep,
        oracle.watch,
        losses.add,
        until,
    )
    probabilities = checked(task, predict(network, asked, truth.ndim == 2).numpy())
    answer = Answer(
        until, probabilities, oracle.epoch, oracle.probabilities.numpy(), tuple(losses.each),
        tuple(oracle.hits),
    )  # fmt: skip
    if kept:
        kept.finish(answer, copied(network.state_dict()))
    return answer


def chosen_epoch(job: Job, inputs: Sequence[Tensor], task: Task) -> int:
    """The epoch that is best on people of the training part who are kept out of a fit of its own.

    It is what the oracle of that fit finds, and that fit is kept like any other; the network that
    is tested is then fitted anew, on all training samples, for so many epochs.
    """
    assert task.inner is not None
    work = job.work and replace(job.work, keep_networks=False)
    held = Task(task.seed, task.inner.name, task.truth, task.inner.train, task.inner.test)
    return fit_and_predict(replace(job, work=work), inputs, held).oracle_epoch


def checked(task: Task, probabilities: Array) -> Array:
    """Refuse what a diverged network says."""
    several = task.truth.ndim == 2
    sound = np.isfinite(probabilities) if several else abs(probabilities.sum(1) - 1) < 1e-3
    if not sound.all():  # NaN compares false
        raise MerError(
            f"fold {task.fold}, seed {task.seed}: the fit diverged, its output is no number",
            "lower --learning-rate",
        )
    return probabilities


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside, as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def no_signals() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back; processes started inside get neither before they ask for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_processes(job: Job, tasks: Sequence[Task], workers: int) -> Fits:
    # Spawned: a forked torch hangs in its own thread pool.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=(job,))
    others = set(multiprocessing.active_children())
    started: set[multiprocessing.process.BaseProcess] = set()
    try:
        with no_signals():  # the workers start here
            running: dict[Future[Answer], Task] = {pool.submit(_work, task): task for task in tasks}
            started = set(multiprocessing.active_children()) - others
        for done in as_completed(running):
            yield running[done], done.result()
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
_inputs: list[Tensor]


def _start(job: Job) -> None:
    global _job, _inputs
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    # Ctrl-C is the parent's to answer. SIGTERM ends a worker at once: what counts is on disk.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    torch.set_num_threads(1)
    _job, _inputs = job, tensors(job)


def _leave_with_parent() -> None:
    """End this worker if its parent is killed: nobody else would shut the pool down."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _work(task: Task) -> Answer:
    return fit_and_predict(_job, _inputs, task)
