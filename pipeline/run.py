"""A run: a dataset and recipes -> stores. Files, workers and time are handled here."""

import importlib.metadata
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from features import base
from features.base import Array, canonical_json
from features.console import INTEGRITY, MerError, printable
from features.progress import follow
from features.publish import Column, Content, publish
from features.store import Store
from pipeline import forecast, graph, told
from pipeline.cache import Cache, Kept
from pipeline.engine import Engine
from pipeline.forecast import Cost
from pipeline.ledger import NONE, Failure, Tolerance, write_ledger
from pipeline.machine import COMPUTING, numerics
from pipeline.plan import Plan, plan
from pipeline.recipe import Recipe, names
from pipeline.scan import Scan
from pipeline.why import reasons, recall, remember


@dataclass(slots=True)
class Report:
    """What a run did with one recipe."""

    store: Path
    recipe: str
    samples: int = 0
    computed: int = 0  # samples of which some result was computed anew
    failures: list[Failure] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)  # sample_id -> what to know of it
    published: bool = False
    refused: str = ""  # why nothing was published although samples are there
    numerics: dict[str, int] = field(default_factory=dict)  # class of machine -> arrays it made
    seconds: dict[str, float] = field(default_factory=dict)  # wall time of each step
    worker_seconds: dict[str, float] = field(default_factory=dict)  # of each stage, all workers
    predicted: Cost | None = None  # by a dry run, for just this work
    cost: Cost = field(default_factory=Cost)  # what it took


def make_store(
    dataset: str,
    scanned: Scan,
    recipe: Recipe,
    store: Path,
    cache: Cache,
    engine: Engine,
    model: Path | None = None,
    asked: str | None = None,
    copies: Sequence[Mapping[str, str]] = (),
    tolerance: Tolerance | None = None,
    strict: bool = False,
    why: bool = False,
) -> Report:
    """Compute what no shard holds yet and publish the store, unless it is already so.

    Parameters
    ----------
    asked : tells later readers what was run, without paths; by default the dataset's name
    copies : where the clips lie, for the cache alone to remember
    tolerance : how many samples may fail before nothing is published; None for any number
    strict : publish only if no sample failed and one class of machines computed all
    why : say on stderr what has changed since the last run, before anything is computed

    A sample that failed is tried again every time: failures are not kept, so a mended file or
    a newer library shows at once.
    """
    report = Report(store, recipe.name)
    with _timed(report.seconds, "apex"):
        first = plan(dataset, scanned, recipe, cache, model)
        report.predicted = forecast.kept(store, first, cache, engine.size)
        if report.predicted is not None:
            click.echo(printable(told.foretold(recipe.name, report.predicted)), err=True)
        ready, failed = _spotted(first, scanned, cache, engine, report, model)
    there = _already_in(store, ready.key())
    missing = [] if there == set(ready.tasks) else ready.missing(cache)
    if why:
        for line in reasons(recall(store, cache), ready, missing):
            click.echo(printable(f"{recipe.name}: {line}"), err=True)
    with _timed(report.seconds, "compute"):
        failed |= _compute(missing, cache, engine, report)
    report.failures = [*scanned.failures, *failed.values()]
    kept = [i for i in ready.tasks if i not in failed]
    report.samples = len(kept)
    write_ledger(store, report.failures)
    if report.computed or there != set(kept):
        remember(store, ready, cache, copies)
    report.refused = _refused(report, NONE if strict else tolerance)
    if not kept or report.refused or there == set(kept):
        return report

    def read(sample_id: str, name: str) -> Array:
        made = _kept(cache, ready.keys[sample_id][name], ready.tasks[sample_id])
        if made.notes:  # in time: the store's provenance is written after its arrays
            told = {*report.notes.get(sample_id, ()), *made.notes}
            report.notes[sample_id] = sorted(told)
        for one in made.numerics or ("not recorded",):
            report.numerics[one] = report.numerics.get(one, 0) + 1
        if strict and len(report.numerics) > 1:
            raise MerError(
                f"{store}: two kinds of machine had a part in it: {'; '.join(report.numerics)}",
                "leave out --strict, or compute all of it on one kind with a new MER_CACHE",
                INTEGRITY,
            )
        return made.array

    content = Content(
        recipe=recipe.json(),
        key=ready.key(),
        dataset=dataset,
        dataset_fingerprint=ready.scanned.fingerprint(),
        code_version=importlib.metadata.version("merkit"),
        index=[asdict(ready.scanned.found[i][0]) for i in kept],
        features={name: _column(name, recipe) for name in recipe.stored},
        failures=[asdict(failure) for failure in report.failures],
        provenance=_provenance(asked or dataset, recipe, report),
    )
    with _timed(report.seconds, "publish"):
        report.cost.store_bytes = publish(store, content, read)
    report.published = True
    report.cost.seconds = sum(report.seconds.values())
    return report


def _spotted(
    first: Plan, scanned: Scan, cache: Cache, engine: Engine, report: Report, model: Path | None
) -> tuple[Plan, dict[str, Failure]]:
    """The plan with every apex known, and the samples in which none could be spotted."""
    if not first.spots:
        return first, {}
    spotting = Report(Path(), f"{first.recipe.name}: apex")
    failed = _compute(first.spots, cache, engine, spotting)
    report.cost.cache_bytes += spotting.cost.cache_bytes
    found = {i: entry for i, entry in scanned.found.items() if i not in failed}
    failures = [*scanned.failures, *failed.values()]
    left = replace(scanned, found=found, failures=failures)
    return plan(first.dataset, left, first.recipe, cache, model), failed


def _refused(report: Report, tolerance: Tolerance | None) -> str:
    """Why a store with so many failures is not published; nothing if it may be."""
    failed = len({failure.sample_id for failure in report.failures})
    everything = failed + report.samples
    if tolerance is None or not report.samples or failed <= tolerance.of(everything):
        return ""
    return f"{failed} of {everything} samples failed, at most {tolerance} may"


def _kept(cache: Cache, key: str, task: graph.Task) -> Kept:
    """A result that some worker has computed."""
    kept = cache.get(key)
    if kept is None:  # damaged, or swept away by somebody meanwhile: make it again, here
        outcome = graph.compute(task)
        kept = cache.get(key)
        if kept is None:
            raise MerError(
                f"{task.sample_id}: its result is gone from the cache and cannot be made again"
                f" ({outcome.failure})",
                "run again; is something else deleting files in MER_CACHE?",
            )
    return kept


def _already_in(path: Path, key: str) -> set[str]:
    """The samples of a published store, if it was made from just this; else none."""
    try:
        with Store(path) as store:
            return set(store.index["sample_id"]) if store.attrs["key"] == key else set()
    except MerError:
        return set()  # missing, damaged or of another schema: it will be replaced whole


def _compute(
    tasks: Sequence[graph.Task], cache: Cache, engine: Engine, report: Report
) -> dict[str, Failure]:
    """Have the workers compute; what one of them could not put into our cache is put there."""
    failed = {}
    for task, outcome in follow(engine.map(graph.compute, tasks), len(tasks), report.recipe):
        failure = _failure(task, outcome)
        if failure is not None:
            failed[task.sample_id] = failure
            continue
        assert isinstance(outcome, graph.Outcome)
        for key, shard in outcome.brought.items():
            cache.take(key, shard)
        report.computed += 1
        report.cost.cache_bytes += outcome.written
        for stage, seconds in outcome.seconds.items():
            report.worker_seconds[stage] = report.worker_seconds.get(stage, 0.0) + seconds
    return failed


def _failure(task: graph.Task, outcome: graph.Outcome | BaseException) -> Failure | None:
    if isinstance(outcome, graph.Outcome):
        return Failure(task.sample_id, *outcome.failure) if outcome.failure else None
    if type(outcome).__name__ == "KilledWorker":
        reason = "the worker died each time it tried this sample (out of memory, or a decoder)"
        return Failure(task.sample_id, "worker", "killed", reason)
    raise outcome


def _column(name: str, recipe: Recipe) -> Column:
    stage = recipe.stages[name]
    feature = base.load(stage.feature)
    config = canonical_json(stage.table())
    return Column(feature.units, feature.axes, feature.convention, config, feature.revision)


def _provenance(asked: str, recipe: Recipe, report: Report) -> dict[str, Any]:
    """What a reader may ask in ten years. No time, host or path: the same run, the same bytes."""
    typed = recipe.name if recipe.name in names() else f"{recipe.name}.toml"
    return {
        "command": f"mer-features run {asked} --recipe {typed}",
        "counts": {"samples": report.samples, "failures": len(report.failures)},
        "notes": report.notes,
        "numerics": report.numerics,
        "published_by": numerics(),
        "versions": {name: importlib.metadata.version(name) for name in ("merkit", *COMPUTING)},
        "python": platform.python_version(),
    }


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[step] = seconds.get(step, 0.0) + time.perf_counter() - started
