"""The way from a sample to its features. Composes, computes nothing. READ THIS FIRST.

    find ─▶ scan ─▶ read ─▶ crop ─▶ flow ─▶ strain ─▶ …
    client          worker, each result kept as a shard under its content key

The client finds a sample's files, digests them and so knows the key of every result before any
is computed. A worker computes what no shard holds yet. Arrays never travel between the two.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from features import base
from features.base import Array, content_key
from features.console import MerError
from pipeline.cache import Cache
from pipeline.clips import Source, nearest, read_images, read_video
from pipeline.errors import SampleError
from pipeline.faces import crop
from pipeline.manifest import Sample
from pipeline.recipe import Recipe

CROP_REVISION = 1


@dataclass(frozen=True, slots=True)
class Task:
    """All that a worker needs to know of one sample: names, no pixels."""

    sample_id: str
    frames: tuple[int, ...]  # onset and apex, as the annotators count
    files: tuple[Path, ...]  # a frame each, or the one video
    digests: tuple[str, ...]  # of the files
    first_frame: int | None  # of a video; None for images
    recipe: Recipe
    model: Path | None  # landmarker file, if the recipe wants one
    cache: Path


@dataclass(slots=True)
class Outcome:
    """What became of a task. Small: it is all that travels back."""

    sample_id: str
    stage: str = "read"  # the last one begun
    failure: tuple[str, str, str] | None = None  # stage, code, message
    seconds: dict[str, float] = field(default_factory=dict)  # of each stage computed anew


def task(
    sample: Sample,
    source: Source,
    digests: Mapping[Path, str],
    recipe: Recipe,
    model: Path | None,
    cache: Path,
) -> Task:
    """The work that a sample asks for."""
    frames = (sample.onset, sample.apex)
    if source.video:
        paths = tuple(source.files.values())
    else:
        paths = tuple(source.files[nearest(number, source.files)] for number in frames)
    return Task(
        sample_id=sample.sample_id,
        frames=frames,
        files=paths,
        digests=tuple(digests[path] for path in paths),
        first_frame=sample.first_frame if source.video else None,
        recipe=recipe,
        model=model,
        cache=cache,
    )


def keys(task: Task) -> dict[str, str]:
    """Stage -> the key of its result, from the sources' digests alone."""
    sources = list(task.digests)
    if task.first_frame is not None:  # which frames of the video
        sources += [str(number - task.first_frame) for number in task.frames]
    found = {"onset_apex": content_key("crop", CROP_REVISION, task.recipe.crop, sources)}
    for name, config in task.recipe.features.items():
        feature = base.load(name)
        inputs = [found[need] for need in feature.needs]
        found[name] = content_key(name, feature.revision, config, inputs)
    return found


def compute(task: Task) -> Outcome:
    """Compute one sample's missing results. A bad sample is an outcome, not an exception."""
    _one_thread()
    outcome = Outcome(task.sample_id)
    try:
        named = keys(task)
        for stage in task.recipe.stored:
            result(stage, task, named, outcome)
    except SampleError as error:
        outcome.failure = (outcome.stage, error.code, error.message)
    except (MerError, OSError):
        raise  # not of this sample but of the run: no model, no space
    except Exception as error:
        outcome.failure = (outcome.stage, "unexpected", f"{type(error).__name__}: {error}")
    return outcome


def result(stage: str, task: Task, named: Mapping[str, str], outcome: Outcome) -> Array:
    """A stage's array: the kept one, else computed from the stages before it, and kept."""
    cache = Cache(task.cache)
    kept = cache.get(named[stage])
    if kept is not None:
        return kept
    if stage == "onset_apex":
        outcome.stage = "read"
        inputs = [_read(task)]
    else:
        inputs = [result(need, task, named, outcome) for need in base.load(stage).needs]
    outcome.stage = "crop" if stage in base.SOURCES else stage
    started = time.perf_counter()
    if stage == "onset_apex":
        array = crop(inputs[0], task.recipe.crop, task.model)
    else:
        array = base.load(stage).function(*inputs, task.recipe.features[stage])
    if not np.isfinite(array).all():
        raise SampleError("non_finite", f"{stage} is not finite everywhere")
    outcome.seconds[outcome.stage] = time.perf_counter() - started
    cache.put(named[stage], array)
    return array


def _read(task: Task) -> Array:
    if task.first_frame is None:
        return read_images(task.files, task.digests)
    return read_video(task.files[0], task.first_frame, task.frames)


def _one_thread() -> None:
    """Workers share the cores by being many; OpenCV must not start threads of its own."""
    import cv2

    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)
