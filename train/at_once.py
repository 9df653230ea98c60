"""How many fits are trained as one stack, and why: asked for, by memory, or by measurement."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from features.memory import keep_freed
from train.fit import fit, seed_of
from train.models import base
from train.precision import products
from train.stacked import fit_stack
from train.streamed import Clips
from train.task import Job, Task
from train.together import stack_of
from train.work import tell
from train.workers import one_thread

ON_CPU = 8  # in a stack that is measured; the work of more does not fit a core's cache
SHARE = 0.6  # of the free memory: steps of some of the fits copy their rows
GAIN = 1.5  # how much faster a stack must be: the same command must choose the same again
LONG = 0.005  # s a step: a stack saves calls, and those are a few ms of it
FIRST = 1.0  # s, a network's making and a step: if longer, no more is tried
STEPS = 4  # measured, of which the first only warms up


@dataclass(frozen=True, slots=True)
class Decision:
    """How many fits at once, and the reason in words."""

    at_once: int
    why: str


def told(job: Job, tasks: Sequence[Task], asked: int | None, workers: int) -> int:
    """How many fits are trained at once; said to the person."""
    choice = choose(job, tasks, asked, workers)
    how = f"{choice.at_once} fits at once" if choice.at_once > 1 else "one fit after another"
    tell(f"{how}: {choice.why}")
    return choice.at_once


def choose(job: Job, tasks: Sequence[Task], asked: int | None, workers: int = 1) -> Decision:
    """Decide for a run; leaves no trace in it.

    Parameters
    ----------
    asked : how many; None: what is best on the job's device
    workers : processes that stacks are trained in
    """
    most = min(len(tasks), asked or (ON_CPU if job.device == "cpu" else -(-len(tasks) // workers)))
    if asked == 1:
        return Decision(1, "as asked")
    if base.load(job.model).solved:
        return Decision(1, f"{job.model} is solved at once, there are no steps to share")
    if most == 1:
        return Decision(1, "there is one")
    if min(len(task.train) for task in tasks) < 2:
        return Decision(1, "a fold has less than two training samples")
    keep_freed()  # as where it will be trained
    with one_thread(), products(job.config.precision):
        return measured(one_step(job), tasks, most, asked, workers)


def one_step(job: Job) -> Job:
    """The same job, whose epochs are long enough to be measured."""
    return replace(job, config=replace(job.config, epochs=STEPS), work=None)


def measured(
    job: Job, tasks: Sequence[Task], most: int, asked: int | None, workers: int
) -> Decision:
    """Try a few steps, each an epoch of one batch, on the training samples."""
    inputs = job.clips()
    few = [replace(task, train=task.train[: job.config.batch_size]) for task in tasks[:most]]
    alone = 0.0
    if asked is None and job.device == "cpu":
        alone = seconds_alone(job, inputs, few[0])
        if alone > LONG:
            return Decision(1, f"a step of one takes {alone * 1e3:.0f} ms, its sums fill a core")
    try:
        if job.device != "cpu":
            return by_memory(job, inputs, few, most, asked, workers)
        if asked is not None:
            few = few[:2]  # enough to see that it can be
        stacked = seconds_together(job, inputs, few) / len(few)
    except (RuntimeError, ValueError) as problem:  # whatever torch.func makes of a network
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        return Decision(1, f"{job.model} cannot be stacked: {reason}")
    if asked is not None:
        return Decision(most, "as asked")
    return faster(alone, stacked, most)


def faster(alone: float, stacked: float, most: int) -> Decision:
    """Choose by the seconds that a step of one fit takes, alone and as a share of a stack's."""
    told = f"a step of one takes {alone * 1e3:.1f} ms alone, {stacked * 1e3:.1f} ms of a stack's"
    return Decision(most if alone > GAIN * stacked else 1, told)


def by_memory(
    job: Job,
    inputs: Sequence[Clips],
    tasks: Sequence[Task],
    most: int,
    asked: int | None,
    workers: int,
) -> Decision:
    """Choose by the memory that one fit takes on a GPU at its first steps; workers share it."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    seconds_together(job, inputs, tasks[:2])
    one = (torch.cuda.max_memory_allocated() - before) // 2
    torch.cuda.empty_cache()
    if asked is not None:
        return Decision(most, "as asked")
    free = torch.cuda.mem_get_info()[0] // -(-workers // torch.cuda.device_count())
    told = f"one takes {one / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free"
    return Decision(that_fit(free, one, most), told)


def that_fit(free: int, one: int, wanted: int) -> int:
    """How many fits have room in memory, at least 1.

    Parameters
    ----------
    free, one : bytes; of the device, and what one fit takes
    """
    return max(1, min(wanted, int(SHARE * free) // max(one, 1)))


def seconds_alone(job: Job, inputs: Sequence[Clips], task: Task) -> float:
    """What an epoch of one fit takes; of a network that begins slowly, the beginning too."""
    rows = torch.from_numpy(task.train).to(inputs[0].device)
    truth = torch.from_numpy(task.truth).to(inputs[0].device)[rows]
    model, seed = base.load(job.model).started(job.backbone), seed_of(task.seed, task.fold)
    shown = [x[rows] for x in inputs]

    def run(rows: slice, until: int | None, tell: Callable[[object], None]) -> None:
        few = [x[rows] for x in shown]
        fit(model, job.classes, few, truth[rows], job.config, seed, tell=tell, until=until)

    run(slice(2), 1, lambda _: None)  # what torch loads at a first step is not the network's
    started = time.process_time()
    run(slice(None), 1, lambda _: None)
    first = time.process_time() - started
    return first if first > FIRST else least(lambda tell: run(slice(None), None, tell))


def seconds_together(job: Job, inputs: Sequence[Clips], tasks: Sequence[Task]) -> float:
    """What an epoch of a stack takes; it is also asked, to see that it can be."""
    stack = stack_of(job, inputs, tasks, [job.config.epochs] * len(tasks))
    seconds = least(lambda tell: fit_stack(stack, tell=tell))
    first = torch.zeros(len(tasks), 1, dtype=torch.int64, device=inputs[0].device)
    stack.predict(first, tasks[0].truth.ndim == 2)
    return seconds


def least(run: Callable[[Callable[[object], None]], object]) -> float:
    """Seconds of this processor between two calls of what a run is given, at best.

    Not those of the clock, which other programs lengthen.
    """
    times: list[float] = []
    run(lambda _: times.append(time.process_time()))
    return min(b - a for a, b in pairwise(times))
