"""The way from a sample to its features. Composes, computes nothing. READ THIS FIRST.

    find ─▶ scan ─▶ read ─▶ landmarks ─▶ crop ─▶ flow ─▶ strain ─▶ …
    client          worker, each result kept as a shard under its content key

The client finds a sample's files, digests them and so knows the key of every result before any
is computed. A worker computes what no shard holds yet. Arrays never travel between the two.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from features import base
from features.base import Array, content_key, file_digest
from features.console import MerError, printable
from pipeline.align import Rows, alignment, places_in
from pipeline.cache import Cache, Kept, folder
from pipeline.clips import Source, marks, nearest, read_images, read_video, window
from pipeline.crop import crops
from pipeline.errors import SampleError
from pipeline.faces import NO_LANDMARKER, frames_looked_at, locate
from pipeline.landmarkers.base import load as landmarker
from pipeline.machine import check_code, code, numerics
from pipeline.manifest import Sample
from pipeline.recipe import Recipe, Stage

LANDMARKS_REVISION, CROP_REVISION = 1, 2


@dataclass(frozen=True, slots=True)
class Task:
    """All that a worker needs to know of one sample: names, no pixels."""

    sample: Sample
    files: Mapping[int, Path]  # number of a frame -> its image; or of the first, the one video
    video: bool
    digests: Mapping[Path, str]
    recipe: Recipe
    model: Path | None  # landmarker file, if the recipe wants one
    cache: Path
    mark: str  # of that cache: a worker that does not find it there keeps its own
    code: str  # digest of the code that planned it

    @property
    def sample_id(self) -> str:
        """Name of the sample."""
        return self.sample.sample_id


@dataclass(slots=True)
class Outcome:
    """What became of a task. Small: it is all that travels back."""

    sample_id: str
    stage: str = "read"  # the last one begun
    failure: tuple[str, str, str] | None = None  # stage, code, message
    seconds: dict[str, float] = field(default_factory=dict)  # of each stage computed anew
    written: int = 0  # bytes of arrays that were kept
    brought: dict[str, bytes] = field(default_factory=dict)  # key -> shard, of an unshared cache


def task(
    sample: Sample,
    source: Source,
    digests: Mapping[Path, str],
    recipe: Recipe,
    model: Path | None,
    cache: Cache,
) -> Task:
    """The work that a sample asks for."""
    files = dict(source.files)
    if not source.video:  # a frame that is known to be missing is stood in for
        numbers = range(sample.onset, sample.offset + 1)
        files = {n: files.get(n) or files[nearest(n, files)] for n in numbers}
    known = {path: digests[path] for path in files.values()}
    where, mark = cache.root, cache.mark()
    return Task(sample, files, source.video, known, recipe, model, where, mark, code())


# Source -> the first and the last of its frames, or the two or three that it is made of.
SELECTIONS: dict[str, Callable[[Sample, int, int], Sequence[int]]] = {
    "onset_apex": lambda sample, first, last: (sample.onset, sample.apex),
    "apex_offset": lambda sample, first, last: (sample.apex, sample.offset),
    "phases": lambda sample, first, last: (sample.onset, sample.apex, sample.offset),
    "clip": lambda sample, first, last: range(first, last + 1),
    "rise": lambda sample, first, last: range(first, sample.apex + 1),
    "fall": lambda sample, first, last: range(sample.apex, last + 1),
}


def frames_of(source: str, sample: Sample, recipe: Recipe) -> tuple[int, ...]:
    """Numbers of the frames that a source of features holds, as the annotators count."""
    return tuple(SELECTIONS[source](sample, *window(sample, recipe.clip)))


def keys(task: Task) -> dict[str, str]:
    """Stage -> the key of its result, from the sources' digests alone."""
    sample, recipe = task.sample, task.recipe
    looked_at = frames_looked_at(sample.onset, sample.offset, recipe.landmarks)
    face_key = content_key(
        "landmarks", LANDMARKS_REVISION, recipe.landmarks, pictures(task, looked_at)
    )
    placed = [face_key, *pictures(task, (sample.onset,))]
    found = {
        "landmarks": face_key,
        "places": content_key("places", CROP_REVISION, recipe.framing, placed),
        "fps": str(sample.fps),
    }
    for source in recipe.sources() & SELECTIONS.keys():
        inputs = [*placed, *pictures(task, frames_of(source, sample, recipe))]
        found[source] = content_key("crop", CROP_REVISION, recipe.framing, inputs)
    for name, stage in recipe.stages.items():
        inputs = [found[need] for need in stage.of]
        revision = base.load(stage.feature).revision
        found[name] = content_key(stage.feature, revision, stage.config, inputs)
    return found


def pictures(task: Task, numbers: Sequence[int]) -> list[str]:
    """What tells each of a sample's frames from all other pictures."""
    if task.video:
        ((first, path),) = task.files.items()
        return [f"{task.digests[path]}#{number - first}" for number in numbers]
    return [task.digests[task.files[number]] for number in numbers]


def compute(task: Task) -> Outcome:
    """Compute one sample's missing results. A bad sample is an outcome, not an exception."""
    one_thread()
    outcome = Outcome(task.sample_id)
    try:
        with at_work(task, outcome) as work:
            for stage in task.recipe.stored:
                result(stage, work)
        if not work.shared:
            wanted = [work.named[stage] for stage in task.recipe.stored]
            outcome.brought = {key: work.cache.path(key).read_bytes() for key in wanted}
    except SampleError as error:
        outcome.failure = (outcome.stage, error.code, error.message)
    except (MerError, OSError):
        raise  # not of this sample but of the run: no model, no space
    except Exception as error:
        told = printable(f"{type(error).__name__}: {error}")
        outcome.failure = (outcome.stage, "unexpected", told)
    return outcome


@dataclass(frozen=True, slots=True)
class Work:
    """A task under way."""

    task: Task
    named: Mapping[str, str]  # stage -> key
    cache: Cache
    shared: bool  # with whoever planned the task
    outcome: Outcome
    writer: Executor  # a disk that syncs does not keep the next stage waiting
    done: dict[str, Kept] = field(default_factory=dict)  # stages of this task, until it ends
    writing: list[Future[None]] = field(default_factory=list)


@contextmanager
def at_work(task: Task, outcome: Outcome) -> Iterator[Work]:
    """Work on a task; when it ends, all that was made is safely in the cache.

    That is the cache of whoever planned it, or, on a machine that cannot see it, its own.
    """
    check_code(task.code)
    shared = Cache(task.cache).shared(task.mark)
    cache = Cache(task.cache if shared else folder())
    with ThreadPoolExecutor(1) as writer:
        work = Work(task, keys(task), cache, shared, outcome, writer)
        yield work
        for written in work.writing:
            written.result()


def result(stage: str, work: Work) -> Kept:
    """A stage's array and notes: kept ones, else made of the stages before it, and kept."""
    if stage not in work.done:
        work.done[stage] = _result(stage, work)
    return work.done[stage]


def _result(stage: str, work: Work) -> Kept:
    if stage == "fps":
        return Kept(np.array(work.task.sample.fps))
    kept = work.cache.get(work.named[stage])
    if kept is not None:
        return kept
    if stage == "landmarks":
        made = _landmarks(work)
    elif stage == "places":
        return _places(work)
    elif _in_clip(stage, work):
        return _part_of_clip(stage, work)
    elif stage in SELECTIONS:
        made = _crops(stage, work)
    else:
        made = _feature(stage, work)
    if not np.isfinite(made.array).all():
        raise SampleError("non_finite", f"{stage} is not finite everywhere")
    before = {one for kept in work.done.values() for one in kept.numerics}
    made = replace(made, numerics=before | {numerics()})
    work.outcome.written += made.array.nbytes
    work.writing.append(work.writer.submit(work.cache.put, work.named[stage], made))
    return made


def _landmarks(work: Work) -> Kept:
    task = work.task
    looked_at = frames_looked_at(task.sample.onset, task.sample.offset, task.recipe.landmarks)
    frames = [frame for _, frame in read(work, looked_at, count=False)]
    with _timed(work, "landmarks"):
        return Kept(*locate(frames, task.recipe.landmarks, task.model))


def _places(work: Work) -> Kept:
    """Cheap, so not kept. A recipe without landmarks asks for none (`recipe.parse` sees to it)."""
    found, (_, rows, notes) = result("landmarks", work).array[0], face(work)
    crop = alignment(found, rows, work.task.recipe.framing.crop)
    return Kept(places_in(crop, found, rows), notes)


def _in_clip(source: str, work: Work) -> bool:
    """Whether a source's frames are among those of the clip, which the recipe wants as well."""
    if source == "clip" or source not in SELECTIONS or "clip" not in work.named:
        return False
    sample, recipe = work.task.sample, work.task.recipe
    return set(frames_of(source, sample, recipe)) <= set(frames_of("clip", sample, recipe))


def _part_of_clip(source: str, work: Work) -> Kept:
    sample, recipe = work.task.sample, work.task.recipe
    first, clip = frames_of("clip", sample, recipe)[0], result("clip", work)
    part = [number - first for number in frames_of(source, sample, recipe)]
    return Kept(clip.array[part], clip.notes)


def _crops(source: str, work: Work) -> Kept:
    sample, recipe = work.task.sample, work.task.recipe
    numbers = frames_of(source, sample, recipe)
    landmarks, rows, told = face(work)
    wanted = sorted({sample.onset, *numbers})
    with _timed(work, "crop", besides="read"):
        cut, notes = crops(read(work, wanted), landmarks, rows, recipe.framing)
    return Kept(np.stack([cut[n] for n in numbers]), [*told, *notes])


def face(work: Work) -> tuple[Array | None, Rows, Collection[str]]:
    """Landmarks of the clip's face, which of them are where, and notes; None if cropped already."""
    name = work.task.recipe.landmarks.landmarker
    if name == NO_LANDMARKER:
        return None, {}, ()
    found = result("landmarks", work)
    return found.array[0], landmarker(name).places, found.notes


def _feature(name: str, work: Work) -> Kept:
    stage = work.task.recipe.stages[name]
    inputs = [result(need, work) for need in stage.of]
    with _timed(work, name):
        array = computed(stage, [kept.array for kept in inputs])
    return Kept(array, dict.fromkeys(note for kept in inputs for note in kept.notes))


def computed(stage: Stage, inputs: Sequence[Array]) -> Array:
    """A feature of its inputs, with the weights it may want."""
    feature = base.load(stage.feature)
    brought = [] if feature.read is None else [_weights(stage)]
    return feature.function(*inputs, *brought, stage.config)


@cache
def _weights(stage: Stage) -> Any:
    """What a file of weights holds, read once a process; it must be the one of the recipe."""
    path, read = stage.weights, base.load(stage.feature).read
    if path is None or read is None or file_digest(path) != stage.config.weights:
        raise MerError(f"{path}: no longer the weights of this recipe", "run again with the file")
    return read(path)


def read(work: Work, wanted: Sequence[int], count: bool = True) -> Iterator[tuple[int, Array]]:
    """The source's frames, decoded as they are asked for."""
    task = work.task
    if task.video:
        ((first, path),) = task.files.items()
        known, named = task.digests[path], marks(task.sample)
        frames = read_video(path, known, first, wanted, count, named)
    else:
        frames = read_images(task.files, task.digests, wanted)
    while True:
        with _timed(work, "read"):
            one = next(frames, None)
        if one is None:
            return
        yield one


@contextmanager
def _timed(work: Work, stage: str, besides: str = "") -> Iterator[None]:
    """Say which stage is at work, and add up its seconds; `besides` counts its own."""
    outcome, before = work.outcome, work.outcome.stage
    outcome.stage = stage
    inner, started = outcome.seconds.get(besides, 0.0), time.perf_counter()
    yield
    spent = time.perf_counter() - started - (outcome.seconds.get(besides, 0.0) - inner)
    outcome.seconds[stage] = outcome.seconds.get(stage, 0.0) + spent
    outcome.stage = before  # after an error it stays: it names the stage that failed


def one_thread() -> None:
    """Workers share the cores by being many; libraries must not start threads of their own."""
    import cv2

    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)
