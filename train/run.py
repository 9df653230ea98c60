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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from features.console import Interrupted, MerError
from features.disk import write_durably
from features.progress import follow, follow_steps
from features.protocol import load as load_protocol
from train import curves
from train.at_once import told
from train.audit import Audit, audit, named
from train.control import beside
from train.data import read
from train.device import choose_device, device_name
from train.finished import Finished
from train.folds import folds
from train.identity import describe, identity
from train.models import base
from train.oracle import Answer
from train.outcome import course, interrupted, tabulate
from train.page import REPORT, run_page
from train.paper import Scored
from train.place import MARK, NETWORKS, check_place, run_folder
from train.plan import plan, tallied
from train.precision import check as check_precision
from train.predictions import write
from train.request import Request, asked, begins_with, check, toml
from train.scores import scores
from train.sources import read_source
from train.tally import Tally
from train.task import Job, Task
from train.work import tell, work_folder
from train.workers import compute, one_thread, processes

ORACLE = "oracle.csv"


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
        Exit code 130: interrupted; what is finished is kept, and its predictions can be read.
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
        tally = None if model.solved else tallied(tasks, finished, at_once, request.fit.epochs)
        job = replace(job, at_once=at_once, tally=tally)
        try:
            with closing(compute(job, tasks, many, done)) as fitting:
                answers = list(shown(chain(finished, fitting), len(tasks), tally))
        except (KeyboardInterrupt, Interrupted) as error:
            raise interrupted(out.name, examples, work, tasks) from error
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


def shown(
    answers: Iterable[tuple[Task, Answer]], total: int, tally: Tally | None
) -> Iterator[tuple[Task, Answer]]:
    """Show how far the fits are: by their epochs, if they have any."""
    if tally is None:
        return follow(answers, total, "fits")
    return follow_steps(answers, total, "fits", tally.steps, "epochs")


def self_audit(run: Finished, features: Sequence[Path]) -> Audit:
    """Audit a run just made, with its stores; a control that does not read is told and left out."""
    try:
        control = beside(run)
    except MerError as error:
        tell(f"{error.cause}: the run is audited without this control")
        control = None
    return audit(run, [read_source(path) for path in features], named(None, run.told), control)
