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
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import blake3
import numpy as np
import torch

from features.base import Array, array_digest, canonical_json, digest, file_digest
from features.console import USAGE, MerError
from features.disk import private_folder, sync, write_durably
from features.progress import follow
from features.protocol import load as load_protocol
from features.store import Store
from train import checkpoint, curves
from train.audit import Audit, audit, named
from train.config import FitConfig
from train.control import beside
from train.data import Examples, read
from train.finished import Finished
from train.folds import LOSO, Fold, folds, validation
from train.labels import predicted, word
from train.loss import check_losses
from train.models import base
from train.models.base import Model
from train.oracle import Answer
from train.page import REPORT, run_page
from train.paper import Scored
from train.predictions import Predictions, Row, write
from train.scores import scores
from train.sources import read_source
from train.work import tell, work_folder
from train.workers import Job, Task, compute, usable_cores

NETWORKS = "checkpoints"
ORACLE = "oracle.csv"
PLACES = ("features", "backbone")  # of files whose content counts instead
MARK = "predictions.csv"  # a folder that holds it holds a whole run


@dataclass(frozen=True, slots=True)
class Request:
    """What changes the numbers of a run, apart from the store's content.

    Parameters
    ----------
    seeds : how many; they are 0, 1, …
    backbone : file of weights that every network begins with
        Nobody who is tested may have been among those it was trained on: merkit cannot see that.
    split : who is tested when: ``loso``, ``dataset`` (leave one out) or ``5-fold`` and its kin
    shuffle_labels : the control
        Labels are permuted over samples, by the seed, before the folds are made, and
        scored as permuted: whatever is then above chance leaks.
    """

    features: tuple[Path, ...]
    model: str
    protocol: str
    seeds: int
    fit: FitConfig
    shuffle_labels: bool = False
    split: str = LOSO
    backbone: Path | None = None


def run(
    request: Request,
    out: Path,
    device: str,
    workers: int | None,
    force: bool,
    keep_networks: bool = False,
    seconds: float = 30.0,
) -> dict[str, Any]:
    """Train and test all folds under all seeds, and write the run folder.

    Parameters
    ----------
    device : "auto", "cpu" or "cuda"
    workers : processes on the CPU; None for one a core. Never changes the numbers.
    force : replace the run that is at `out`
    keep_networks : put the network of every fit into the run
    seconds : of work that a fit may lose if it is killed. Never changes the numbers.

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
    model = base.load(request.model)
    check_planes(request, model)
    backbone = check_backbone(request, model)
    check_fit(request, model)
    protocol = load_protocol(request.protocol)
    check_losses(request.model, model, protocol)
    examples = read(request.features, model, protocol)
    made = folds(examples.group, examples.truth, examples.digest, request.split)
    tasks = plan(request, examples, made)
    stores = [describe(path) for path in request.features]
    of = {**identity(request, examples, tasks, stores, device), "begins_with": backbone}
    with work_folder(out, of, seconds, keep_networks) as work:
        kept = [(task, work.fit(task.seed, task.fold).recover()) for task in tasks]
        finished = [(task, found) for task, found in kept if found is not None]
        if finished:
            tell(f"{work.folder}: {len(finished)} of {len(tasks)} fits are finished and kept")
        left = [task for task, found in kept if found is None]
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
        with closing(compute(job, left, min(workers or usable_cores(), len(made)))) as fitting:
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


def check_fit(request: Request, model: base.Model) -> None:
    """Refuse settings that a model which is solved at once would pass over in silence.

    Raises
    ------
    MerError
        Exit code 2 (usage): anything but class_weights is other than the model's own.
    """
    own = replace(model.fit, class_weights=request.fit.class_weights)
    if model.solved and request.fit != own:
        idle = [
            f"--{name.replace('_', '-')}"
            for name, value in asdict(request.fit).items()
            if value != getattr(own, name)
        ]
        raise MerError(
            f"{request.model} is solved at once, not by epochs: it has no {', '.join(idle)}",
            "leave that out; of the settings of a fit it takes --class-weights",
            USAGE,
        )


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


def check_planes(request: Request, model: Model) -> None:
    """Refuse to change the clips of a model that does not say what its planes hold."""
    silent = [one.feature for one in model.takes if not one.planes]
    if request.fit.augment and silent:
        raise MerError(
            f"{request.model} does not say what the planes of {silent[0]} hold, so that they can "
            "be changed rightly",
            "train it without --augment",
            USAGE,
        )


def check_backbone(request: Request, model: Model) -> dict[str, str] | None:
    """Say which file networks begin with, by name and by every byte; refuse one that does not fit.

    Raises
    ------
    MerError
        If the model takes none, or the file is none of torchvision's ResNet-18.
    """
    if request.backbone is None:
        return None
    if not model.pretrained:
        raise MerError(
            f"{request.model} begins with no weights of others",
            "train it without --backbone",
            USAGE,
        )
    model.started(request.backbone).build(2)
    return {"name": request.backbone.name, "blake3": file_digest(request.backbone)}


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


def asked(request: Request) -> dict[str, Any]:
    """Flatten the request."""
    return {
        "features": [str(path) for path in request.features],
        "model": request.model,
        "protocol": request.protocol,
        "split": request.split,
        "seeds": request.seeds,
        **{n: list(v) if isinstance(v, tuple) else v for n, v in asdict(request.fit).items()},
        "backbone": str(request.backbone or ""),
        "shuffle_labels": request.shuffle_labels,
    }


def toml(values: Mapping[str, Any]) -> str:
    """Flat TOML: JSON's strings, numbers, booleans and lists are TOML's."""
    return "".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()
    )


def describe(path: Path) -> dict[str, str]:
    """Which store this was, by name, by key and by every byte."""
    with Store(path) as store:
        key = str(store.attrs["key"])
    return {"name": path.name, "key": key, "blake3": blake3.blake3().update_mmap(path).hexdigest()}


def check_place(out: Path, force: bool) -> None:
    """Refuse a place where a run may not be written.

    Raises
    ------
    MerError
        Exit code 2 (usage): `out` holds a run and `force` is not given, or is no folder.
    """
    if (out / MARK).exists() and not force:
        raise MerError(f"{out} holds a run already", "choose another --out, or --force", USAGE)
    if out.exists() and not out.is_dir():
        raise MerError(f"{out} is no folder", "choose another --out", USAGE)


@contextmanager
def run_folder(out: Path, force: bool) -> Iterator[Path]:
    """Give a folder to write a run into; put it in place if all went well.

    A folder that holds predictions.csv holds a whole run: in one that exists already, the
    old predictions and networks go first and the new predictions come last. Files of other
    names are left alone.

    Raises
    ------
    MerError
        Exit code 2 (usage): `out` holds a run and `force` is not given, or is no folder.
    """
    check_place(out, force)
    private_folder(out.parent)
    partial = out.with_name(f".{out.name}.{secrets.token_hex(8)}.tmp")
    partial.mkdir(mode=0o700)
    try:
        yield partial
        for path in partial.rglob("*"):
            sync(path)
        if out.exists():
            (out / MARK).unlink(missing_ok=True)
            checkpoint.remove(out / NETWORKS)
            files = [path.relative_to(partial) for path in partial.rglob("*") if path.is_file()]
            for name in sorted(files, key=lambda name: name == Path(MARK)):
                (out / name).parent.mkdir(mode=0o700, exist_ok=True)
                (partial / name).replace(out / name)
        else:
            partial.replace(out)
        sync(out.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
