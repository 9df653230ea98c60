"""Leave one subject out on made-up clips of MEGC2019's shape: one by one, in processes, stacked.

`make bench-train`. 442 clips of 68 subjects, as many in each of the three datasets as there; how
many each subject has is made up. The networks are trained by their own recipes but for STSTNet: 60
epochs, batches of 64. What takes longer than minutes is trained on few folds and epochs, and its
whole LOSO is worked out from that: those tables say so.

plain       a loop as anyone writes it: torch's optimizer, one fit after another, nobody looks on
one by one  merkit's fits in a row; as in the two below, test subjects are looked at every epoch
processes   the same, in processes
stacked     fits as one stack, in as many processes

Each way works in a process of its own, as one leaves another memory to go on with. Where there are
enough fits, all ways do a half of them and then all do the other: machines are not always as fast.

Busy: the share of the cores' time, or of the GPU's, that was used. Peak: of the largest process, or
of the GPU.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from benchmarks.busy import Spent, watched
from benchmarks.roofline import Cost, best, cost, rates
from benchmarks.three_streams import ThreeStreams
from train.config import FitConfig
from train.fit import batches, changed, loss_of, rate, seed_of
from train.models.base import Model, load
from train.optimizers import MOMENTUM
from train.predict import predict
from train.task import Job, Task
from train.workers import compute, one_thread, usable_cores

DATASETS = ((145, 24), (133, 28), (164, 16))  # clips, subjects: CASME II, SAMM, SMIC
CLIPS, PEOPLE = map(sum, zip(*DATASETS, strict=True))
CLASSES = 3
LEAD = {"tokens": (4,), "frames": (2,)}  # axes of an input before its planes
SHORT = {"off_apexnet": (4, 8), "fr": (2, 4), "artnet_lite": (4, 8), "sssnet": (2, 8),
         "mmnet_lite": (2, 4)}  # fmt: skip  # folds and epochs on a CPU; ststnet has all of both
ENOUGH = 32  # fits that are done in halves
PLANES = 3  # of an input that does not say


@dataclass(frozen=True, slots=True)
class Case:
    """A network, its clips, and the fits to be done."""

    model: Model
    name: str
    job: Job
    tasks: list[Task]
    whole: int  # samples stepped on in the whole LOSO


def sizes(samples: int, folds: int) -> list[int]:
    """Clips of each subject: uneven, each at least 1; the totals of the datasets at full size."""
    if (samples, folds) == (CLIPS, PEOPLE):
        return [size for clips, subjects in DATASETS for size in sizes(clips, subjects)]
    ranks = np.arange(1, folds + 1)
    cuts = np.floor(np.cumsum(ranks) / ranks.sum() * (samples - folds) + 0.5).astype(int)
    return (np.diff(cuts, prepend=0) + 1).tolist()


def case(name: str, asked: argparse.Namespace, device: str) -> Case:
    model = load(name)
    config = replace(model.fit, epochs=60, batch_size=64) if name == "ststnet" else model.fit
    generator = np.random.default_rng(0)
    inputs = tuple(
        generator.normal(
            0, 0.5, (asked.samples, *LEAD.get(one.feature, ()), len(one.planes) or PLANES,
                     *(one.size or (28, 28)))
        ).astype(np.float32)
        for one in model.takes
    )  # fmt: skip
    truth = generator.choice(CLASSES, asked.samples, p=(0.57, 0.25, 0.18))
    owner = np.repeat(np.arange(asked.folds), sizes(asked.samples, asked.folds))
    tasks = [
        Task(seed, f"s{who}", truth, np.flatnonzero(owner != who), np.flatnonzero(owner == who))
        for seed in range(asked.seeds)
        for who in range(asked.folds)
    ]
    whole = config.epochs * sum(len(task.train) for task in tasks)
    folds, epochs = SHORT.get(name, (None, None)) if device == "cpu" else (None, None)
    config = replace(config, epochs=asked.epochs or epochs or config.epochs)
    job = Job(name, CLASSES, inputs, config, device)
    return Case(model, name, job, tasks[: asked.only or folds], whole)


def torchs(network: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
    """The optimizer of a config as torch has it."""
    given = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=MOMENTUM, **given)
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[config.optimizer](network.parameters(), **given)


def plain(case: Case, build: Callable[[int], nn.Module]) -> None:
    """One fit after another."""
    inputs, config, device = case.job.clips(), case.job.config, case.job.device
    truth = torch.from_numpy(case.tasks[0].truth).to(device)
    for task in case.tasks:
        torch.manual_seed(seed_of(task.seed, task.fold))
        network = build(CLASSES).to(device)
        train, test = (torch.from_numpy(rows).to(device) for rows in (task.train, task.test))
        optimizer, order = torchs(network, config), torch.Generator().manual_seed(0)
        network.train()
        for epoch in range(1, config.epochs + 1):
            for group in optimizer.param_groups:
                group["lr"] = rate(config, epoch)
            for picked in batches(len(train), config.batch_size, order):
                rows = train[picked.to(device)]
                shown = changed(case.model, [x[rows] for x in inputs], config.augment, order)
                optimizer.zero_grad()
                loss_of(network, shown, truth[rows], None).backward()
                optimizer.step()
        predict(network, [x[test] for x in inputs])


def ways(case: Case, asked: argparse.Namespace) -> dict[str, Callable[[], None]]:
    """What is compared, by name."""
    ours, cpu = case.model.build, case.job.device == "cpu"
    stack = replace(case.job, at_once=min(asked.at_once or (8 if cpu else 10**6), len(case.tasks)))

    def run(job: Job, workers: int) -> Callable[[], None]:
        return lambda: list(compute(job, case.tasks, workers)) and None

    found = {"plain": lambda: plain(case, ours)}
    if case.name == "ststnet":
        found = {"plain, three streams": lambda: plain(case, ThreeStreams), **found}
    found["one by one"] = run(case.job, 1)
    if asked.workers > 1 and cpu:
        found[f"{asked.workers} processes"] = run(case.job, asked.workers)
    return {**found, "stacked": run(stack, asked.workers)}


def a_step(case: Case) -> Callable[[], object]:
    """One step of the network on a full batch."""
    network = case.model.build(CLASSES).to(case.job.device).train()
    optimizer = torchs(network, case.job.config)
    count = case.job.config.batch_size
    inputs = [x[:count] for x in case.job.clips()]
    truth = torch.from_numpy(case.tasks[0].truth[:count]).to(case.job.device)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(network, inputs, truth, None).backward()
        optimizer.step()

    return step


def roofline(case: Case, most: Cost) -> str:
    step = a_step(case)
    of_step = cost(step)
    sums, moved = of_step.floors(most)
    seconds = best(step, case.job.device)
    return (
        f"a step of {case.job.config.batch_size}: {of_step.operations / 1e6:.1f} M operations, "
        f"{of_step.bytes / 2**20:.1f} MiB; floors {sums * 1e3:.2f} and {moved * 1e3:.2f} ms, "
        f"measured {seconds * 1e3:.2f} ms: {seconds / max(sums, moved):.1f} times the floor"
    )


def table(case: Case, asked: argparse.Namespace) -> Table:
    config, device = case.job.config, case.job.device
    stepped = config.epochs * sum(len(task.train) for task in case.tasks)
    part = "" if stepped == case.whole else ", worked out"
    fits = f"{len(case.tasks)} fits of {config.epochs} epochs, batches of {config.batch_size}"
    found = Table(
        "",
        "s",
        "samples/s",
        f"whole LOSO{part}",
        "busy",
        "peak MiB",
        "times",
        title=f"{case.name}: {fits}",
    )
    spent: dict[str, list[Spent]] = {way: [] for way in ways(case, asked)}
    rounds = 2 if len(case.tasks) >= ENOUGH else 1
    for number in range(rounds):
        for way, parts in spent.items():
            parts.append(by_itself(case.name, asked, device, way, slice(number, None, rounds)))
            print(f"{case.name}, {way}: {parts[-1].seconds:.1f} s", file=sys.stderr)
    first = None
    for way, parts in spent.items():
        seconds = sum(part.seconds for part in parts)
        used = [part.share * part.seconds for part in parts if part.share is not None]
        first = first or seconds
        found.add_row(way, f"{seconds:.1f}", f"{stepped / seconds:,.0f}",
                      f"{seconds * case.whole / stepped:,.0f} s",
                      f"{sum(used) / seconds:.0%}" if len(used) == rounds else "?",
                      f"{max(part.peak for part in parts):,.0f}",
                      f"{first / seconds:.2f}")  # fmt: skip
    return found


def by_itself(name: str, asked: argparse.Namespace, device: str, way: str, some: slice) -> Spent:
    """What some of the fits take in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(here, name, asked, device, way, some).result()


def here(name: str, asked: argparse.Namespace, device: str, way: str, some: slice) -> Spent:
    """What they take in this one."""
    with one_thread():
        whole = case(name, asked, device)
        part = replace(whole, tasks=whole.tasks[some])
        return watched(ways(part, asked)[way], device, asked.workers)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["ststnet", *SHORT])
    for name, default in (("samples", CLIPS), ("folds", PEOPLE), ("seeds", 1), ("epochs", None),
                          ("only", None), ("at-once", None)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--workers", type=int, default=usable_cores())
    asked = parser.parse_args(arguments)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    out = Console(width=100)
    with one_thread():
        most = rates(device)
        rate_of = f"{most.operations / 1e9:.1f} G operations, {most.bytes / 2**30:.1f} GiB a second"
        out.print(f"{device}, {asked.workers} processes; one thread does {rate_of}")
        for name in asked.models:
            one = case(name, asked, device)
            out.print(table(one, asked))
            out.print(roofline(one, most))


if __name__ == "__main__":
    sys.exit(main())
