"""A run: a dataset and recipes -> stores. Files, workers and time are handled here."""

import importlib.metadata
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from features import base
from features.base import Array, canonical_json, digest, file_digest
from features.console import MerError
from features.progress import follow
from features.store import SCHEMA, Column, Content, Store, publish
from pipeline import graph
from pipeline.cache import Cache, Digests, Kept
from pipeline.clips import Source, check_whole, find
from pipeline.engine import Engine
from pipeline.errors import SampleError
from pipeline.manifest import Manifest, Sample
from pipeline.recipe import Recipe, spotting

READERS = 4  # threads that digest source files: they wait for the disk, not for a core


@dataclass(frozen=True, slots=True)
class Failure:
    """A sample that is not in the store, and why."""

    sample_id: str
    stage: str
    code: str
    message: str


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
    seconds: dict[str, float] = field(default_factory=dict)  # wall time of each step
    worker_seconds: dict[str, float] = field(default_factory=dict)  # of each stage, all workers


@dataclass(slots=True)
class Scan:
    """The samples whose files are all there and whole, and the failures among the others."""

    found: dict[str, tuple[Sample, Source]] = field(default_factory=dict)
    digests: dict[Path, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # no sample is lost by these

    def fingerprint(self) -> str:
        """Digest of every source file of every sample, in order."""
        files = [
            [sample_id, *(self.digests[path] for path in source.files.values())]
            for sample_id, (_, source) in sorted(self.found.items())
        ]
        return digest(canonical_json(files).encode())

    def join(self, other: "Scan") -> None:
        """Add another dataset's samples; a sample_id that both have is a failure of the second."""
        for sample_id, entry in other.found.items():
            if sample_id in self.found:
                reason = "another dataset has a sample of this id"
                self.failures.append(Failure(sample_id, "manifest", "bad_row", reason))
            else:
                self.found[sample_id] = entry
        self.digests.update(other.digests)
        self.failures += other.failures
        self.remarks += other.remarks


def scan(manifest: Manifest, root: Path, cache: Path) -> Scan:
    """Find every sample's files and digest them; the second time only their dates are read."""
    done, memo = Scan(), Digests(cache, root)
    done.failures += [Failure(b.sample_id, "manifest", "bad_row", b.reason) for b in manifest.bad]
    done.remarks += [f"{remark.sample_id}: {remark.reason}" for remark in manifest.remarks]
    found: dict[str, tuple[Sample, Source]] = {}
    for sample in manifest.samples:
        try:
            found[sample.sample_id] = (sample, find(root, sample))
        except SampleError as error:
            done.failures.append(Failure(sample.sample_id, "scan", error.code, error.message))
    digests = _digests([source for _, source in found.values()], memo)
    memo.save()
    for sample_id, (sample, source) in found.items():
        results = {path: digests[path] for path in source.files.values()}
        wrong = next((r for r in results.values() if isinstance(r, SampleError)), None)
        if wrong is not None:
            done.failures.append(Failure(sample_id, "scan", wrong.code, wrong.message))
            continue
        done.found[sample_id] = (sample, source)
        done.digests.update((p, r) for p, r in results.items() if isinstance(r, str))
    return done


def _digests(sources: Iterable[Source], memo: Digests) -> dict[Path, str | SampleError]:
    """Digest of each file, or what is wrong with it.

    Looking up is done here, reading by threads, a clip each: they pay only where there is a disk
    to wait for.
    """
    known: dict[Path, str | SampleError] = {}
    unread: list[tuple[list[Path], bool]] = []
    seen: set[Path] = set()  # several samples may lie in one video
    for source in sources:
        found = {path: memo.known(path) for path in source.files.values() if path not in seen}
        seen.update(found)
        known.update((path, value) for path, value in found.items() if value is not None)
        unread.append(([path for path, value in found.items() if value is None], source.video))

    def read(clip: tuple[list[Path], bool]) -> list[tuple[Path, str | SampleError]]:
        paths, video = clip
        return [(path, _digest(memo, path, video)) for path in paths]

    with ThreadPoolExecutor(READERS) as pool:
        for clip in pool.map(read, (clip for clip in unread if clip[0])):
            known.update(clip)
    return known


def _digest(memo: Digests, path: Path, video: bool) -> str | SampleError:
    try:
        stat, now = path.stat(), time.time_ns()
        if not stat.st_size:
            return SampleError("empty_file", f"{path.name}: the file is empty")
        if video:  # may be larger than the memory
            value = file_digest(path)
        else:
            data = path.read_bytes()
            check_whole(path, data)
            value = digest(data)
    except SampleError as error:
        return error
    except OSError as error:
        return SampleError("missing_file", f"{path.name}: {error.strerror}")
    memo.remember(path, stat, value, now)
    return value


def make_store(
    dataset: str,
    scanned: Scan,
    recipe: Recipe,
    store: Path,
    cache: Cache,
    engine: Engine,
    model: Path | None = None,
    asked: str | None = None,
) -> Report:
    """Compute what no shard holds yet and publish the store, unless it is already so.

    `asked` tells later readers what was run, without paths; by default the dataset's name.

    A sample whose apex nobody annotated has it spotted first, as the recipe says, and is marked
    ``estimated``. One that failed is tried again every time: failures are not kept, so a mended
    file or a newer library shows at once.
    """
    report = Report(store, recipe.name)
    with _timed(report.seconds, "apex"):
        scanned = _with_apexes(scanned, recipe, cache, engine, model)
    tasks = {
        sample_id: graph.task(sample, source, scanned.digests, recipe, model, cache)
        for sample_id, (sample, source) in sorted(scanned.found.items())
    }
    keys = {sample_id: graph.keys(task) for sample_id, task in tasks.items()}
    store_key = _store_key(dataset, scanned, recipe, keys)
    there = _already_in(store, store_key)

    def cached(sample_id: str) -> bool:
        return all(cache.has(keys[sample_id][name]) for name in recipe.stored)

    def compute(wanted: Iterable[str]) -> dict[str, Failure]:
        missing = [tasks[i] for i in wanted if not cached(i)]
        with _timed(report.seconds, "compute"):
            return _compute(missing, engine, report)

    failed = compute(i for i in tasks if i not in there)
    report.failures = [*scanned.failures, *failed.values()]
    kept = [i for i in tasks if i not in failed]
    report.samples = len(kept)
    if not kept or there == set(kept):
        return report
    compute(i for i in kept if i in there)  # nothing, unless the cache was swept meanwhile

    def read(sample_id: str, name: str) -> Array:
        kept = _kept(cache, keys[sample_id][name], tasks[sample_id])
        if kept.notes:  # in time: the store's provenance is written after its arrays
            report.notes[sample_id] = sorted({*report.notes.get(sample_id, ()), *kept.notes})
        return kept.array

    content = Content(
        recipe=recipe.json(),
        key=store_key,
        dataset=dataset,
        dataset_fingerprint=scanned.fingerprint(),
        code_version=importlib.metadata.version("merkit"),
        index=[asdict(scanned.found[i][0]) for i in kept],
        features={name: _column(name, recipe) for name in recipe.stored},
        failures=[asdict(failure) for failure in report.failures],
        provenance=_provenance(asked or dataset, recipe, report),
    )
    with _timed(report.seconds, "publish"):
        publish(store, content, read)
    report.published = True
    return report


def _with_apexes(
    scanned: Scan, recipe: Recipe, cache: Cache, engine: Engine, model: Path | None
) -> Scan:
    """The samples with an apex where nobody annotated one; annotated ones are left alone."""
    spot = spotting(recipe)
    unknown = {
        sample_id: graph.task(sample, source, scanned.digests, spot, model, cache)
        for sample_id, (sample, source) in scanned.found.items()
        if spot and sample.apex_source == "midpoint" and sample.offset - sample.onset > 1
    }
    keys = {sample_id: graph.keys(task)["apex"] for sample_id, task in unknown.items()}
    missing = [task for sample_id, task in unknown.items() if not cache.has(keys[sample_id])]
    failed = _compute(missing, engine, Report(Path(), f"{recipe.name}: apex"))
    found = {i: entry for i, entry in scanned.found.items() if i not in failed}
    for sample_id in unknown.keys() - failed.keys():
        kept = _kept(cache, keys[sample_id], unknown[sample_id])
        sample, source = found[sample_id]
        apex = sample.onset + int(kept.array[0])
        found[sample_id] = (replace(sample, apex=apex, apex_source="estimated"), source)
    return replace(scanned, found=found, failures=[*scanned.failures, *failed.values()])


def _kept(cache: Cache, key: str, task: graph.Task) -> Kept:
    """A result that some worker has computed."""
    kept = None
    if cache.has(key):
        kept = cache.get(key)
        if kept is None:  # damaged, and now gone: make it again, here
            graph.compute(task)
            kept = cache.get(key)
    if kept is None:
        raise MerError(
            f"{task.sample_id}: its result is not in the cache {cache.root}",
            "let MER_CACHE name one folder that this machine and all workers share",
        )
    return kept


def _store_key(
    dataset: str, scanned: Scan, recipe: Recipe, keys: Mapping[str, Mapping[str, str]]
) -> str:
    """Everything that the store's content follows from; labels too, unlike a shard's key."""
    rows = [[asdict(scanned.found[i][0]), keys[i]] for i in sorted(keys)]
    failures = sorted([f.sample_id, f.code, f.message] for f in scanned.failures)
    return digest(canonical_json([SCHEMA, dataset, recipe.json(), rows, failures]).encode())


def _already_in(path: Path, key: str) -> set[str]:
    """The samples of a published store, if it was made from just this; else none."""
    try:
        with Store(path) as store:
            return set(store.index["sample_id"]) if store.attrs["key"] == key else set()
    except MerError:
        return set()  # missing, damaged or of another schema: it will be replaced whole


def _compute(tasks: Sequence[graph.Task], engine: Engine, report: Report) -> dict[str, Failure]:
    failed = {}
    for task, outcome in follow(engine.map(graph.compute, tasks), len(tasks), report.recipe):
        failure = _failure(task, outcome)
        if failure is not None:
            failed[task.sample_id] = failure
            continue
        report.computed += 1
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
    import cv2

    packages = ("merkit", "mediapipe", "opencv-contrib-python", "numpy", "scipy", "h5py", "av")
    return {
        "command": f"mer-features run {asked} --recipe {recipe.name}",
        "counts": {"samples": report.samples, "failures": len(report.failures)},
        "notes": report.notes,
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "python": platform.python_version(),
        "opencv_build": digest(cv2.getBuildInformation().encode()),
        "cpu": cv2.getCPUFeaturesLine(),
    }


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[step] = seconds.get(step, 0.0) + time.perf_counter() - started
