"""A look at a clip: how its head moved, what motion is left in its crops; if asked, its face."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from features.base import Array, content_key
from features.console import MerError
from features.flow import FlowConfig, flow
from features.progress import follow
from features.rigid import rigid_parts
from features.store import Store
from pipeline import graph
from pipeline.align import CropConfig, places_in
from pipeline.cache import Cache, Kept
from pipeline.crop import Framing, matrices
from pipeline.engine import Engine
from pipeline.errors import SampleError
from pipeline.maps import invert, moved
from pipeline.recipe import from_store
from pipeline.resample import cut
from pipeline.scan import Scan

REVISION = 1
SIZE = 112  # px of the crops that are looked at: motion is told in px of the recipe's own
PICTURE_PX = 320  # greatest side of a picture in a report


@dataclass(slots=True)
class Look:
    """What a report shows of one clip. `head`, `rest` and `face` hold a value a frame, onset first.

    Parameters
    ----------
    head : motion of the head since the onset, mean over the face, px of the crop
    rest : motion left on the face's rigid parts, mean, px of the crop
    face : motion of the whole crop, mean, px of the crop
    pictures : data URIs of onset and apex, marked; only when asked for
    """

    sample_id: str
    head: list[float] = field(default_factory=list)
    rest: list[float] = field(default_factory=list)
    face: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    failure: str = ""


def look_through(
    store: Store, scanned: Scan, cache: Cache, engine: Engine, faces: bool, model: Path | None
) -> dict[str, Look]:
    """Look at every clip of a store whose files are among the scanned; by sample_id.

    Raises
    ------
    MerError
        If no sample of the store is among the files, or no recipe made it.
    """
    recipe = from_store(store.attrs["recipe"], store.path)
    known = [i for i in store.index["sample_id"] if i in scanned.found]
    if not known:
        raise MerError(
            f"{store.path}: none of its {len(store)} samples is in this dataset",
            "give the dataset it was made of: --dataset NAME or manifest.csv, --root DIR",
        )
    tasks = [graph.task(*scanned.found[i], scanned.digests, recipe, model, cache) for i in known]
    looks = {}
    for task, seen in follow(engine.map(partial(look, faces=faces), tasks), len(tasks), "look"):
        if isinstance(seen, BaseException):
            raise seen
        looks[task.sample_id] = seen
    return looks


def look(task: graph.Task, faces: bool) -> Look:
    """Look at a task's clip; its curves are kept as a shard, pictures of people never are."""
    graph.one_thread()
    seen, outcome = Look(task.sample_id), graph.Outcome(task.sample_id)
    numbers = range(task.sample.onset, task.sample.offset + 1)
    try:
        with graph.at_work(task, outcome) as work:
            shown = [work.named["landmarks"], *graph.pictures(task, numbers)]
            key = content_key("look", REVISION, task.recipe.framing, shown)
            kept = work.cache.get(key)
            if kept is None:
                kept = _curves(work, numbers)
                work.cache.put(key, kept)
            if faces:
                seen.pictures = _pictures(work)
    except SampleError as error:
        seen.failure = error.message
        return seen
    seen.head, seen.rest, seen.face = (curve.tolist() for curve in kept.array)
    seen.notes = list(kept.notes)
    return seen


def _curves(work: graph.Work, numbers: Sequence[int]) -> Kept:
    """(3, T) float64: head, rest and face of every frame."""
    recipe = work.task.recipe
    landmarks, rows, notes = graph.face(work)
    config = recipe.framing.crop
    small = CropConfig(config.region, SIZE, config.eye_distance, config.eye_line)
    framing = Framing(small, recipe.framing.steady)
    y, x = np.mgrid[: SIZE : SIZE // 8, : SIZE : SIZE // 8].astype(float)
    grid = np.stack([x.ravel(), y.ravel()], -1)
    curves: list[tuple[float, float, float]] = []
    told = list(notes)
    for _, frame, matrix, note in matrices(graph.read(work, numbers), landmarks, rows, framing):
        shown = cut(frame, matrix, SIZE)
        if not curves:
            first, onset = shown, matrix
            still = np.ones((SIZE, SIZE), bool)
            if landmarks is not None:
                still = rigid_parts(places_in(matrix, landmarks, rows), SIZE, SIZE)
            source = moved(invert(onset), grid)
        gone = moved(onset, moved(invert(matrix), grid)) - moved(onset, source)
        motion = np.hypot(*flow(np.stack([first, shown]), FlowConfig()))
        curves.append((np.hypot(*gone.T).mean(), motion[still].mean(), motion.mean()))
        told += [note] if note else []
    return Kept(np.array(curves).T * config.size / SIZE, told)


def _pictures(work: graph.Work) -> list[str]:
    """Onset with landmarks and crop, and apex with its crop, as data URIs."""
    sample, framing = work.task.sample, work.task.recipe.framing
    landmarks, rows, _ = graph.face(work)
    shown = []
    frames = graph.read(work, (sample.onset, sample.apex))
    for number, frame, matrix, _ in matrices(frames, landmarks, rows, framing):
        scale = min(1.0, PICTURE_PX / max(frame.shape[:2]))
        picture = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        side = framing.crop.size - 1
        corners = np.array([(0, 0), (side, 0), (side, side), (0, side)], float)
        _outline(picture, moved(invert(matrix), corners) * scale)
        if number == sample.onset and landmarks is not None:
            for point in landmarks * scale:
                cv2.circle(picture, _whole(point), 1, (0, 200, 120), -1, cv2.LINE_AA)
        shown.append(_data_uri(picture))
    return shown


def _outline(picture: Array, corners: Array) -> None:
    for thick, colour in ((3, (0, 0, 0)), (1, (255, 220, 0))):
        whole = np.rint(corners).astype(np.int32)
        cv2.polylines(picture, [whole], True, colour, thick, cv2.LINE_AA)


def _whole(point: Array) -> tuple[int, int]:
    x, y = np.rint(point).astype(int)
    return int(x), int(y)


def _data_uri(picture: Array) -> str:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
