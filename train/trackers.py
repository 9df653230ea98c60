"""A finished run, handed to TensorBoard or MLflow by their own writers.

Both are given the same: settings, scores, and loss and oracle's accuracy of every fit and epoch.
What is chosen or seen on the people of the test goes by the name no_result/…, and is none.
"""

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from features.base import digest
from features.console import USAGE, MerError
from features.disk import private_folder
from train import curves
from train.curves import Point
from train.finished import Finished
from train.page import facts, stores
from train.scores import scores

NO_RESULT = "no_result"
PARAMS, METRICS = 100, 1000  # that MLflow takes at once


@dataclass(frozen=True, slots=True)
class Logged:
    """What a tracker is told of a run.

    Parameters
    ----------
    settings : what was asked for and trained from, in words
    figures : scores in [0, 1], means over seeds with the ends of their 95 % interval
    courses : name of a fit -> its epochs
    """

    name: str
    settings: Mapping[str, str]
    figures: Mapping[str, float]
    courses: Mapping[str, Sequence[Point]]


def logged(run: Finished) -> Logged:
    """Take from a run what a tracker is told.

    Raises
    ------
    MerError
        If its curves do not read.
    """
    trained = {f"store {n}": " ".join(one) for n, one in enumerate(stores(run.told), start=1)}
    return Logged(
        run.name,
        {**dict(facts(run.told)), **trained},
        dict(figures(scores(run.predictions, run.oracle))),
        courses(curves.beside(run.folder)),
    )


def figures(found: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Name the scores: the network's by their measure alone."""
    for who, name in (("network", ""), ("majority", "majority/"), ("oracle", f"{NO_RESULT}/")):
        for measure, figure in found.get(who, {}).items():
            tag = name + measure.replace(" ", "_")
            yield tag, figure["mean"]
            if figure["interval"] is not None:
                low, high = figure["interval"]
                yield from ((f"{tag}_low", low), (f"{tag}_high", high))


def courses(points: Iterable[Point]) -> dict[str, list[Point]]:
    """Sort by fits, whose names both trackers take: a sign they do not becomes _."""
    fits: dict[tuple[int, str], list[Point]] = {}
    for one in points:
        fits.setdefault((one.seed, one.fold), []).append(one)
    named: dict[str, list[Point]] = {}
    for (seed, fold), course in fits.items():
        name = f"seed_{seed}_{re.sub(r'[^-.0-9A-Za-z]', '_', fold)}"
        if name in named:
            name += f"_{digest(fold.encode())[:8]}"
        named[name] = course
    return named


def seen(one: Point) -> dict[str, float]:
    """Name what is told of an epoch."""
    return {"loss": one.loss, f"{NO_RESULT}/oracle_accuracy": one.oracle_accuracy}


def to_tensorboard(told: Logged, folder: Path) -> None:
    """Write event files: the run's own, and one in a folder for each fit.

    Raises
    ------
    MerError
        If tensorboard is not installed; exit code 2: the folder exists.
    """
    writer = package("tensorboard", "torch.utils.tensorboard").SummaryWriter
    if folder.exists():
        raise MerError(f"{folder} is there already", "delete it, or name another by -o", USAGE)
    private_folder(folder.parent)
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.tmp")
    partial.mkdir(mode=0o700)
    try:
        with writer(partial) as own:
            results = {n: v for n, v in told.figures.items() if not n.startswith(NO_RESULT)}
            own.add_hparams(dict(told.settings), results, run_name=".")
            for name, value in told.figures.items():
                if name not in results:
                    own.add_scalar(name, value)
        for fit, course in told.courses.items():
            with writer(partial / fit) as own:
                for one in course:
                    for name, value in seen(one).items():
                        own.add_scalar(name, value, one.epoch)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def to_mlflow(told: Logged) -> str:
    """Make a run of MLflow's, wherever its own environment variables say; returns its id.

    Raises
    ------
    MerError
        If mlflow is not installed, or refuses; the run it has begun is then marked as failed.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would call its makers
    mlflow = package("mlflow-skinny", "mlflow")
    entities = package("mlflow-skinny", "mlflow.entities")
    now = int(time.time() * 1000)
    metrics = [entities.Metric(name, value, now, 0) for name, value in told.figures.items()]
    for fit, course in told.courses.items():
        for one in course:
            for name, value in seen(one).items():
                metrics.append(entities.Metric(f"{name}/{fit}", value, now, one.epoch))
    params = [entities.Param(name, value) for name, value in told.settings.items()]
    try:
        with mlflow.start_run(run_name=told.name) as begun:
            log: Callable[..., None] = mlflow.MlflowClient().log_batch
            for start in range(0, len(params), PARAMS):
                log(begun.info.run_id, params=params[start : start + PARAMS])
            for start in range(0, len(metrics), METRICS):
                log(begun.info.run_id, metrics=metrics[start : start + METRICS])
            return str(begun.info.run_id)
    except mlflow.MlflowException as error:
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        remedy = "set MLFLOW_TRACKING_URI to the address of your MLflow server"
        raise MerError(f"mlflow: {cause}", remedy) from error


def package(name: str, module: str) -> Any:
    """Import what merkit does without.

    Raises
    ------
    MerError
        If it is not installed, or too old.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MerError(f"{name} is not installed here ({error})", f"pip install {name}") from error
