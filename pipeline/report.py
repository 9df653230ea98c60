"""The feature report: one page about a store, the samples most unlike the others first.

The store is enough; looks at its clips add how the heads moved. The page asks nothing of a
network, and its own rules forbid it: whatever a store's words say, they stay words.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.base import Array
from features.console import USAGE, MerError
from features.disk import write_durably
from features.store import Store
from pipeline import curves, facts
from pipeline.exhibit import Exhibit, exhibits
from pipeline.facts import Row
from pipeline.look import Look
from pipeline.outliers import FEWEST, OUTLIER, Measure, deviations, farthest
from pipeline.recipe import from_store
from pipeline.thumbnails import data_uri, legend_of

HERE = Path(__file__).parent
MADE_HERE = b'<meta name="generator" content="mer-features report">'
HEAD = 1000  # bytes, among which it stands
PERSON = ("onset, landmarks and crop", "apex and crop")  # the pictures of a look
MEANING = {
    "flow": "hue is the way it moves, red rightward; ",
    "change": "mid-grey is no change, of each colour; ",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was written: its size in bytes, and whether it shows a face."""

    size: int
    private: bool


def report(store: Path, output: Path, looks: Mapping[str, Look], faces: bool = False) -> Page:
    """Write the page of a store, for its owner alone; a page of ours that is there is replaced.

    Parameters
    ----------
    looks : by sample_id, of the clips that were looked at; there may be none
    faces : draw features in which people can be recognised too; if there are any, the page says
        that it is private

    Raises
    ------
    MerError
        If there is no such store; exit code 2 if something else than such a page lies at
        `output`, 4 if the store is damaged.
    """
    check_output(output)
    with Store(store) as opened:
        people = facts.people_in(opened)
        private = faces and bool(people or any(seen.pictures for seen in looks.values()))
        shown = exhibits(opened, set() if faces else people)
        page = _render(
            private=private,
            title=f"{store.parent.name}/{store.name}",
            **_of_store(opened, people),
            **_of_samples(opened, shown, looks),
        ).encode()
    write_durably(output, page)
    return Page(len(page), private)


def check_output(path: Path) -> None:
    """Refuse to write over what is no page of ours: it cannot be made again.

    Raises
    ------
    MerError
        Exit code 2.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        head = file.read(HEAD)
    if MADE_HERE not in head:
        raise MerError(
            f"{path}: is there already, and is no report of merkit's",
            "choose another name with -o",
            USAGE,
        )


def _of_store(store: Store, people: set[str]) -> dict[str, Any]:
    rows = facts.rows_of(store.index)
    return {
        "summary": facts.summary(store, rows),
        "tables": facts.tables(store, rows, people),
        "failures": facts.failed(store),
        "made": facts.made(store),
        "recipe": facts.recipe(store),
    }


def _of_samples(
    store: Store, shown: Sequence[Exhibit], looks: Mapping[str, Look]
) -> dict[str, Any]:
    """Cards, the most unlike the others first, and what the script needs to choose among them."""
    rows = facts.rows_of(store.index)
    looked = [looks.get(row["sample_id"]) for row in rows]
    measures = [one for each in shown for one in each.measures]
    measures += curves.measures([row["sample_id"] for row in rows], looks)
    distances = [deviations(one) for one in measures]
    score = farthest(distances) if measures else np.zeros(len(rows))
    score[[seen is not None and bool(seen.failure) for seen in looked]] = np.inf
    cards = [
        {
            **row,
            "id": f"s{k}",
            "failure": seen.failure if seen else "",
            "pictures": _pictures(k, shown, seen),
            "plot": curves.plot(seen, row["onset"], row["apex"]) if seen else None,
            "measures": _measured(k, measures, distances),
            "provenance": facts.provenance(store, row, seen.notes if seen else ()),
        }
        for k, (row, seen) in enumerate(zip(rows, looked, strict=True))
    ]
    order = np.argsort(-score, kind="stable")
    names = [one.name for one in measures]
    told = [_told(k, rows[k], score, measures) for k in order]
    return {
        "legends": [_legend(number, one) for number, one in enumerate(shown) if one.thumbnails],
        "plotted": _plotted(store) if any(seen and seen.head for seen in looked) else None,
        "measures": names,
        "outlier": f"{OUTLIER:g}",
        "fewest": FEWEST,
        "compared": len(rows) >= FEWEST,
        "cards": [cards[k] for k in order],
        "told": {"measures": names, "samples": told},
    }


def _pictures(k: int, shown: Sequence[Exhibit], seen: Look | None) -> list[dict[str, Any]]:
    drawn: list[dict[str, Any]] = [
        {
            "name": f"{one.name}{one.scale.short()}",
            "legend": f"legend-{number}",
            **asdict(one.thumbnails[k]),
        }
        for number, one in enumerate(shown)
        if one.thumbnails
    ]
    people = zip(PERSON, seen.pictures if seen else (), strict=False)  # none unless asked for
    return drawn + [{"name": name, "uri": uri, "legend": ""} for name, uri in people]


def _measured(
    k: int, measures: Sequence[Measure], distances: Sequence[Array]
) -> list[tuple[str, str, str, bool]]:
    """Name, value, distance if it is known, whether that is far, of each measure of a sample."""
    return [
        (
            one.name,
            f"{one.values[k]:.3g}" + ("" if one.unit == "1" else f" {one.unit}"),
            f"{far[k].round(1) + 0.0:+.1f}".replace("-", "−") if np.isfinite(far[k]) else "",
            bool(abs(far[k]) >= OUTLIER),
        )
        for one, far in zip(measures, distances, strict=True)
        if np.isfinite(one.values[k])
    ]


def _told(k: int, row: Row, score: Array, measures: Sequence[Measure]) -> dict[str, Any]:
    """A sample for the script; null is what could not be measured."""
    text = " ".join(row[name] for name in ("sample_id", "clip", "emotion", "action_units"))
    return {
        "id": f"s{k}",
        "sample": row["sample_id"],
        "dataset": row["dataset"],
        "subject": f"{row['dataset']}/{row['subject']}",  # a person is one within a dataset
        "emotion": row["emotion"],
        "text": text.lower(),
        "score": _number(score[k]),
        "values": [_number(one.values[k]) for one in measures],
    }


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _legend(number: int, one: Exhibit) -> dict[str, Any]:
    picture = legend_of(one.scale)
    height, width = picture.shape[:2]
    kind = "wheel" if one.scale.kind == "flow" else "scale"
    return {
        "id": f"legend-{number}",
        "name": one.name,
        "words": MEANING.get(one.scale.kind, "") + one.scale.words(),
        "alt": f"{kind} of the colours of {one.name}",
        "picture": data_uri(picture),
        "width": width,
        "height": height,
    }


def _plotted(store: Store) -> dict[str, Any]:
    """What curves are in, by the recipe of the store."""
    framing = from_store(store.attrs["recipe"], store.path).framing
    motion = framing.steady.motion
    steady = "left in the crops" if motion == "none" else f"a {motion}, and removed"
    return {"size": framing.crop.size, "steady": steady}


def _render(**told: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    room = Environment(
        loader=PackageLoader("pipeline", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True,
    )  # fmt: skip
    room.filters["csp"] = _csp_hash
    style, script = ((HERE / name).read_text("utf-8") for name in ("report.css", "report.js"))
    return room.get_template("report.html.jinja").render(style=style, script=script, **told)


def _csp_hash(text: str) -> str:
    """What a content security policy calls a text that may run."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
