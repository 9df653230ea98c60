"""One run: a store in, a folder of predictions and scores out.

runs/NAME/predictions.csv   every test sample once a seed, after the last epoch
          oracle.csv        the same at the epoch best on each test subject: no result
          results.json      scores, and all that is needed to repeat them
          config.toml       what was asked for
          curves.csv        loss and oracle's accuracy of every fit and epoch
          report.html       all of it on a page
          checkpoints/      the networks, if they are kept

Until it is whole, what is done lies in runs/.NAME.work/: work.py.
"""

import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import blake3
import numpy as np
import torch

from features.base import Array, array_digest, canonical_json, digest, file_digest
from features.console import MerError
from features.disk import write_durably
from features.progress import follow
from features.protocol import load as load_protocol
from features.store import Store
from train import curves
from train.at_once import told
from train.audit import Audit, audit, named
from train.control import beside
from train.data import Examples, read
from train.finished import Finished
from train.folds import Fold, folds, validation
from train.labels import predicted, word
from train.models import base
from train.oracle import Answer
from train.page import REPORT, run_page
from train.paper import Scored
from train.place import MARK, NETWORKS, check_place, run_folder
from train.precision import check as check_precision
from train.predictions import Predictions, Row, write
from train.request import Request, asked, begins_with, check, toml
from train.scores import scores
from train.sources import read_source
from train.task import Job, Task
from train.work import tell, work_folder
from train.workers import compute, one_thread, processes

ORACLE = "oracle.csv"
PLACES = ("features", "backbone")  # of files whose content counts instead


def run(
    request: Request,
    out: Path,
    device: str,
    workers: int | None,
    force: bool,
    keep_networks: bool = False,
    seconds: float = 30.0,
    folds_at_once: int | None = None,
) -> dict[str, Any]:
    """Train and test all folds under all seeds, and write the run folder.

    Parameters
    ----------
    device : "auto", "cpu" or "cuda"
    workers : processes; None for one a core, or one a GPU. Never changes the numbers.
    force : replace the run that is at `out`
    keep_networks : put the network of every fit into the run
    seconds : of work that a fit may lose if it is killed. Never changes the numbers.
    folds_at_once : fits trained as one stack; 1: each alone; None: what is fastest here
        Changes the last bits of the numbers; a run that goes on keeps to what it began with.

    Returns
    -------
    The content of results.json.

    Raises
    ------
    MerError
        If anything asked for cannot be had, before the first fit where that can be known.
    """
    start = time.monotonic()
    check_place(out, force)
    device = choose_device(device)
    check_precision(request.fit.precision, device)
    model = base.load(request.model)
    protocol = load_protocol(request.protocol)
    check(request, model, protocol)
    backbone = begins_with(request, model)
    with one_thread():  # small planes: threads would wait for each other
        examples = read(request.features, model, protocol)
    made = folds(examples.group, examples.truth, examples.digest, request.split)
    tasks = plan(request, examples, made)
    stores = [describe(path) for path in request.features]
    of = {
        **identity(request, examples, tasks, stores, device),
        "begins_with": backbone,
        "folds_at_once": folds_at_once,
    }
    with work_folder(out, of, seconds, keep_networks) as work:
        kept = [(task, work.fit(task.seed, task.fold).recover()) for task in tasks]
        finished = [(task, found) for task, found in kept if found is not None]
        if finished:
            tell(f"{work.folder}: {len(finished)} of {len(tasks)} fits are finished and kept")
        inputs = tuple(x.numpy() for x in examples.inputs)
        job = Job(
            request.model,
            len(examples.classes),
            inputs,
            request.fit,
            device,
            work,
            request.backbone,
        )
        done = frozenset(task.key for task, _ in finished)
        many = workers or processes(device)
        at_once = work.at_once(lambda: told(job, tasks, folds_at_once, many))
        job = replace(job, at_once=at_once)
        with closing(compute(job, tasks, many, done)) as fitting:
            fitted = follow(chain(finished, fitting), len(tasks), "fits")
            answers = list(fitted)
        last, oracle = tabulate(out.name, examples, answers)
        results = {
            "run": out.name,
            **asked(request),
            "seeds": list(range(request.seeds)),
            "scores": scores(last, oracle),
            "left_out": examples.left_out,
            "differences": examples.differences,
            "stores": stores,
            "begins_with": backbone,
            "device": device_name(device),
            "folds_at_once": at_once,
            "torch": torch.__version__,
            "seconds": round(time.monotonic() - start, 1),
        }
        went = [point for task, answer in answers for point in course(task, answer)]
        ran = Finished(out / MARK, out.name, last, oracle, results)
        judged = self_audit(ran, request.features)
        page = run_page(Scored(ran, results["scores"]), judged, curves=went)
        with run_folder(out, force) as partial:
            write(partial / MARK, last)
            write(partial / ORACLE, oracle)
            text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
            write_durably(partial / "results.json", (text + "\n").encode())
            write_durably(partial / "config.toml", toml(asked(request)).encode())
            curves.write(partial / curves.CURVES, went)
            write_durably(partial / REPORT, page.encode())
            if keep_networks:
                shutil.copytree(work.networks, partial / NETWORKS)
    return results


def identity(
    request: Request,
    examples: Examples,
    tasks: Sequence[Task],
    stores: Sequence[Mapping[str, str]],
    device: str,
) -> dict[str, Any]:
    """All that a fit's numbers depend on beside its seed and fold: what is kept is kept under it.

    The store's path is no part of it, the processor's instructions are: they change last bits.
    """
    rows = [[t.seed, t.fold, *map(array_digest, (t.truth, t.train, t.test))] for t in tasks]
    code = sorted(Path(__file__).parent.rglob("*.py"))
    return {
        **{name: value for name, value in asked(request).items() if name not in PLACES},
        "stores": [[store["key"], store["blake3"]] for store in stores],
        "samples": [array_digest(x.numpy()) for x in examples.inputs],
        "classes": list(examples.classes),
        "folds": digest(canonical_json(rows).encode()),
        "code": digest(canonical_json([file_digest(path) for path in code]).encode()),
        "torch": torch.__version__,
        "device": device_name(device),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


def plan(request: Request, examples: Examples, made: Sequence[Fold]) -> list[Task]:
    """Every fold under every seed."""
    tasks = []
    for seed in range(request.seeds):
        truth = labels(examples.truth, seed, request.shuffle_labels)
        for fold in made:
            parts = request.fit.validation
            inner = validation(fold, examples.group, truth, parts) if parts else None
            tasks.append(Task(seed, fold.name, truth, fold.train, fold.test, inner))
    return tasks


def labels(truth: Array, seed: int, shuffle: bool) -> Array:
    """Give what a seed trains and is scored with: the truth, or the truth permuted."""
    return np.random.default_rng(seed).permutation(truth) if shuffle else truth


def tabulate(
    name: str, examples: Examples, answers: Iterable[tuple[Task, Answer]]
) -> tuple[Predictions, Predictions]:
    """Pool what the folds say, at the last epoch and at the oracle's; their order does not show."""
    names = examples.classes

    def row(task: Task, i: int, probabilities: Array, epoch: int) -> Row:
        return Row(
            run=name,
            seed=task.seed,
            fold=task.fold,
            sample_id=examples.sample_id[i],
            dataset=examples.dataset[i],
            subject=examples.subject[i],
            truth=word(task.truth[i], names),
            prediction=predicted(probabilities, names),
            probabilities=tuple(float(str(value)) for value in probabilities),  # shortest text
            epoch=epoch,
        )

    last, oracle = [], []
    for task, answer in answers:
        for i, now, best in zip(task.test, answer.probabilities, answer.oracle, strict=True):
            last.append(row(task, i, now, answer.epoch))
            oracle.append(row(task, i, best, answer.oracle_epoch))
    for rows in (last, oracle):
        rows.sort(key=lambda one: (one.seed, one.sample_id))
    return Predictions(names, tuple(last)), Predictions(names, tuple(oracle))


def course(task: Task, answer: Answer) -> list[curves.Point]:
    """How one fit went."""
    losses, hits = answer.losses, answer.oracle_hits
    asked = task.truth[task.test].size  # of several labels, every one of every sample
    return curves.points(task.seed, task.fold, losses, hits, asked)


def self_audit(run: Finished, features: Sequence[Path]) -> Audit:
    """Audit a run just made, with its stores; a control that does not read is told and left out."""
    try:
        control = beside(run)
    except MerError as error:
        tell(f"{error.cause}: the run is audited without this control")
        control = None
    return audit(run, [read_source(path) for path in features], named(None, run.told), control)


def choose_device(device: str) -> str:
    """Resolve "auto", and refuse a CUDA that is not there."""
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise MerError("no CUDA device is visible to torch", "use --device cpu, or auto")
    return ("cuda" if there else "cpu") if device == "auto" else device


def device_name(device: str) -> str:
    """``cpu``, or the name of the GPU."""
    return "cpu" if device == "cpu" else f"cuda ({torch.cuda.get_device_name()})"


def describe(path: Path) -> dict[str, str]:
    """Which store this was, by name, by key and by every byte."""
    with Store(path) as store:
        key = str(store.attrs["key"])
    return {"name": path.name, "key": key, "blake3": blake3.blake3().update_mmap(path).hexdigest()}
