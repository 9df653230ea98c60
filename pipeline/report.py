"""The feature report: one page about a store and the clips it was made of, outliers first.

It needs the clips: what it shows is measured on them. Faces are drawn only when asked.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from features.base import Array
from features.console import MerError
from features.disk import write_durably
from features.progress import follow
from features.store import Store
from pipeline import graph
from pipeline.cache import Cache
from pipeline.engine import Engine
from pipeline.look import Look, look
from pipeline.recipe import Recipe, from_store
from pipeline.scan import Scan

CURVES = ("head", "rest", "face")


def recipe_of(store: Path) -> Recipe:
    """The recipe that a store was made by."""
    with Store(store) as opened:
        return from_store(opened.attrs["recipe"], store)


def report(
    store: Path,
    scanned: Scan,
    output: Path,
    cache: Path,
    engine: Engine,
    faces: bool = False,
    model: Path | None = None,
) -> int:
    """Look at every clip of a store and write the page; returns how many clips it shows.

    Parameters
    ----------
    scanned : the samples' files, as they are now
    faces : show onset and apex; the page is then private

    Raises
    ------
    MerError
        If no sample of the store is among the files.
    """
    with Store(store) as opened:
        index, failures = opened.index, opened.failures
        made, text = opened.provenance, opened.attrs["recipe"]
    recipe = from_store(text, store)
    known = [i for i in index["sample_id"] if i in scanned.found]
    if not known:
        raise MerError(
            f"{store}: none of its {len(index['sample_id'])} samples is in this dataset",
            "give the dataset it was made of: --dataset NAME or manifest.csv, --root DIR",
        )
    tasks = [
        graph.task(*scanned.found[i], scanned.digests, recipe, model, Cache(cache)) for i in known
    ]
    looks = {}
    for task, seen in follow(engine.map(partial(look, faces=faces), tasks), len(tasks), "look"):
        if isinstance(seen, BaseException):
            raise seen
        looks[task.sample_id] = seen
    rows = _rows(index)
    clips = [_clip(row, looks[row["sample_id"]]) for row in rows if row["sample_id"] in looks]
    page = _render(
        title=f"{store.parent.name}/{store.name}",
        private=faces,
        samples=len(rows),
        subjects=len({(row["dataset"], row["subject"]) for row in rows}),
        recipe=recipe.name,
        size=recipe.framing.crop.size,
        steady=_steady(recipe),
        failures=[
            f"{f['sample_id']}: {f['message']} [{f['stage']}: {f['code']}]" for f in _rows(failures)
        ],
        versions=", ".join(f"{name} {version}" for name, version in made["versions"].items()),
        clips=by_outlyingness(clips),
    )
    write_durably(output, page.encode())
    return len(clips)


def _rows(columns: dict[str, Array]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def by_outlyingness(clips: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Clips that could not be looked at, then those whose motion is the least like the others'.

    A clip's score is its largest distance above a curve's median over clips, in deviations
    (1.4826 × median absolute deviation).
    """
    seen = [clip for clip in clips if not clip["failure"]]
    peaks = np.array([clip["peaks"] for clip in seen]).reshape(-1, len(CURVES))
    for clip, score in zip(seen, _scores(peaks), strict=True):
        clip["score"] = score
    return sorted(clips, key=lambda c: (not c["failure"], -c["score"], c["sample_id"]))


def _scores(peaks: Array) -> Iterable[float]:
    if not len(peaks):
        return []
    above = peaks - np.median(peaks, axis=0)
    spread = 1.4826 * np.median(np.abs(above), axis=0)
    return (above / np.maximum(spread, 0.01)).max(axis=1).tolist()  # 0.01 px: nobody's outlier


def _clip(row: dict[str, Any], seen: Look) -> dict[str, Any]:
    """What the template shows of a clip."""
    curves = np.array([seen.head, seen.rest, seen.face])
    shown: dict[str, Any] = {**row, "fps": f"{row['fps']:g}", "score": 0.0, "paths": []}
    shown |= {"failure": seen.failure, "notes": seen.notes, "pictures": seen.pictures}
    if not curves.size:
        return shown
    top = max(0.5, float(np.ceil(2 * curves.max()) / 2))
    x = 24 + 212 * np.arange(curves.shape[1]) / (curves.shape[1] - 1)
    paths = ["M" + "L".join(f"{a:.1f} {80 - 74 * b / top:.1f}" for a, b in zip(x, c, strict=True))
             for c in curves]  # fmt: skip
    shown |= {"paths": list(zip(CURVES, paths, strict=True)), "top": f"{top:g}"}
    shown |= {"peaks": curves.max(axis=1).tolist()}
    shown["apex_x"] = f"{x[row['apex'] - row['onset']]:.1f}"
    return shown


def _steady(recipe: Recipe) -> str:
    motion = recipe.framing.steady.motion
    return "left in the crops" if motion == "none" else f"a {motion}, and removed"


def _render(**told: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    room = Environment(
        loader=PackageLoader("pipeline", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True,
    )  # fmt: skip
    return room.get_template("report.html.jinja").render(**told)
