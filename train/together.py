"""Several fits of a run as one stack, and what is kept of them: alone.py for many."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from features.base import Array
from train.fit import Tensors, seed_of
from train.losses import Losses
from train.members import Member
from train.models import base
from train.oracle import Answer, Oracle
from train.stacked import Stack, fit_stack
from train.streamed import Clips
from train.task import Job, Task, checked


def fit_together(job: Job, inputs: Sequence[Clips], tasks: Sequence[Task]) -> list[Answer]:
    """Fit tasks in one stack; test samples are looked at from aside, and teach no fit.

    The state of the stack is kept as one, so that its members are always at one epoch.
    """
    until = chosen_epochs(job, inputs, tasks)
    stack = stack_of(job, inputs, tasks, until)
    several = tasks[0].truth.ndim == 2
    asked = torch.from_numpy(padded([task.test for task in tasks])).to(inputs[0].device)
    watchers = [Watcher(task) for task in tasks]
    kept = job.work.stack([task.key for task in tasks]) if job.work else None
    if kept:
        kept.recover()
    left = kept.newest() if kept else None
    start = left and (left[0], restored(watchers, left[1]))
    if job.tally:
        for task, last in zip(tasks, until, strict=True):
            job.tally.begin(task.key, min(start[0], last) if start else 0, last)

    def watch(epoch: int, stack: Stack) -> None:
        found = stack.predict(asked, several)
        for watcher, last, each in zip(watchers, until, found, strict=True):
            if epoch <= last:
                watcher.oracle.see(epoch, each[: watcher.count])

    def tell(lost: Mapping[int, float]) -> None:
        for number, loss in lost.items():
            watchers[number].losses.add(loss)
            if job.tally:
                job.tally.add(tasks[number].key)

    def keep(epoch: int, state: Callable[[], Tensors]) -> None:
        if kept:
            kept.keep(epoch, lambda: {**state(), **states(watchers)})

    fit_stack(stack, start, keep, watch, tell)
    answers = []
    for number, (task, each) in enumerate(zip(tasks, stack.predict(asked, several), strict=True)):
        probabilities = checked(task, each[: len(task.test)].numpy())
        answers.append(watchers[number].answer(until[number], probabilities))
    if job.work and kept:
        for number, (task, answer) in enumerate(zip(tasks, answers, strict=True)):
            job.work.fit(*task.key).finish(answer, stack.network(number))
        shutil.rmtree(kept.states, ignore_errors=True)
    return answers


def stack_of(
    job: Job, inputs: Sequence[Clips], tasks: Sequence[Task], until: Sequence[int]
) -> Stack:
    """The stack of some tasks, before its first epoch."""
    members = [
        Member(
            torch.from_numpy(task.train),
            torch.from_numpy(task.truth),
            seed_of(task.seed, task.fold),
            last,
        )
        for task, last in zip(tasks, until, strict=True)
    ]
    model = base.load(job.model).started(job.backbone)
    return Stack(model, job.classes, inputs, members, job.config)


def chosen_epochs(job: Job, inputs: Sequence[Clips], tasks: Sequence[Task]) -> list[int]:
    """The last epoch of each task: the config's, or as `chosen_epoch` has it, by a stack."""
    if any(task.inner is None for task in tasks):
        return [job.config.epochs] * len(tasks)
    work, held = job.work and replace(job.work, keep_networks=False), [t.held() for t in tasks]
    left = [work.fit(*task.key).recover() for task in held] if work else []
    found = [answer for answer in left if answer is not None]
    if len(found) < len(held):
        found = fit_together(replace(job, work=work), inputs, held)
    else:
        for task in held:
            job.had(task)
    return [answer.oracle_epoch for answer in found]


class Watcher:
    """What is seen of one member."""

    def __init__(self, task: Task) -> None:
        self.count = len(task.test)
        self.oracle = Oracle([], torch.from_numpy(task.truth[task.test]))
        self.losses = Losses()

    def answer(self, epoch: int, probabilities: Array) -> Answer:
        """All of it, once the fit is over."""
        oracle = self.oracle
        return Answer(
            epoch, probabilities, oracle.epoch, oracle.probabilities.numpy(),
            tuple(self.losses.each), tuple(oracle.hits),
        )  # fmt: skip


def states(watchers: Sequence[Watcher]) -> dict[str, Tensor]:
    """What a stack that is left must remember of its watchers."""
    return {
        f"watcher.{number}.{name}": value
        for number, watcher in enumerate(watchers)
        for name, value in {**watcher.oracle.state(), **watcher.losses.state()}.items()
    }


def restored(watchers: Sequence[Watcher], state: Tensors) -> dict[str, Tensor]:
    """Go back to a state; gives the rest of it, which is the stack's."""
    left = {name: value for name, value in state.items() if not name.startswith("watcher.")}
    for number, watcher in enumerate(watchers):
        start = f"watcher.{number}."
        mine = {n.removeprefix(start): v for n, v in state.items() if n.startswith(start)}
        watcher.losses.restore(watcher.oracle.restore(mine))
    return left


def padded(rows: Sequence[Array]) -> Array:
    """(F, longest) int64: each one's rows, then its first again; what is said of those is cut."""
    longest = max(map(len, rows))
    return np.stack([np.pad(each, (0, longest - len(each)), mode="wrap") for each in rows])
