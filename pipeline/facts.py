"""What a store says of itself, in words for a page: counts, sizes, failures, how it was made.

A store holds no times of computing: the same run gives the same bytes.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from features import base
from features.base import Array
from features.console import plural
from features.store import Store

UNITS = ("bytes", "KiB", "MiB", "GiB")
Row = dict[str, Any]
Facts = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table in words; `numbers` are the columns that hold numbers."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: tuple[int, ...]


def rows_of(columns: Mapping[str, Array]) -> list[Row]:
    """The columns of an index as a row a sample, of plain values."""
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in values]


def people_in(store: Store) -> set[str]:
    """Features in which people can be recognised; of one that is not ours the store's word."""
    sensitive = json.loads(store.attrs["recipe"]).get("sensitive", False)

    def in_feature(name: str) -> bool:
        kind = json.loads(store.features[name]["config"]).get("feature", name)
        return base.load(kind).sensitive if kind in base.names() else bool(sensitive)

    return set(filter(in_feature, store.features))


def summary(store: Store, rows: Sequence[Row]) -> Facts:
    """What is in it, at a glance."""
    subjects = {(row["dataset"], row["subject"]) for row in rows}
    datasets = ", ".join(sorted({row["dataset"] for row in rows}))
    return [
        ("samples", f"{len(rows)} of {plural(len(subjects), 'subject')}, {datasets}"),
        ("failed", plural(len(set(store.failures["sample_id"].tolist())), "sample")),
        ("clips last", _length(rows)),
        ("apex from", _counts(row["apex_source"] for row in rows)),
        ("size", size(store.path.stat().st_size)),
        ("made by", str(store.provenance.get("command", ""))),
        ("key", store.attrs["key"]),
    ]


def tables(store: Store, rows: Sequence[Row], people: set[str]) -> list[Table]:
    """Classes, failures by stage if there are any, and the features with their sizes."""
    classes = Counter((row["dataset"], row["emotion"] or "none") for row in rows)
    subjects = {
        key: {r["subject"] for r in rows if (r["dataset"], r["emotion"] or "none") == key}
        for key in classes
    }
    told = [
        Table(
            "Classes", ("dataset", "emotion", "samples", "subjects"),
            [(*key, str(count), str(len(subjects[key]))) for key, count in sorted(classes.items())],
            (2, 3),
        )
    ]  # fmt: skip
    failures = Counter((f["stage"], f["code"]) for f in rows_of(store.failures))
    if failures:
        lines = [(*key, str(count)) for key, count in sorted(failures.items())]
        told.append(Table("Failures by stage", ("stage", "reason", "samples"), lines, (2,)))
    return [*told, _features(store, people)]


def _features(store: Store, people: set[str]) -> Table:
    lines = []
    for name, told in store.features.items():
        each = math.prod(told["shape"][1:]) * np.dtype(told["dtype"]).itemsize
        shape = " × ".join(map(str, told["shape"][1:])) or "1"
        axes = told["axes"].removeprefix("sample ")
        units = "no unit" if told["units"] == "1" else told["units"]
        shows = "people" if name in people else "no person"
        lines.append((name, units, f"{shape} {told['dtype']}, {axes}", shows,
                      size(each), size(each * len(store))))  # fmt: skip
    columns = ("feature", "units", "of a sample", "shows", "a sample", "in all")
    return Table("Features", columns, lines, (4, 5))


def failed(store: Store) -> list[str]:
    """A line a failure."""
    return [
        f"{row['sample_id']}: {row['message']} [{row['stage']}: {row['code']}]"
        for row in rows_of(store.failures)
    ]


def recipe(store: Store) -> str:
    """Its recipe as TOML; of one that a run followed, a file that --recipe takes."""
    table = json.loads(store.attrs["recipe"])
    if "stored" in table:
        table["features"] = table.pop("stored")
    return "\n".join(_toml(table))


def _toml(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[str]:
    """Lines of a table: its values first, then the tables in it."""
    inner = {name: value for name, value in table.items() if isinstance(value, dict)}
    if above and (len(table) > len(inner) or not table):
        yield f"\n[{'.'.join(map(_key, above))}]"
    for name, value in sorted(table.items()):
        if name not in inner and value is not None:
            yield f"{_key(name)} = {_quoted(value)}"
    for name, value in inner.items():
        yield from _toml(value, (*above, name))


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")


def made(store: Store) -> Facts:
    """How it was made: everything but its recipe and the samples' own notes."""
    attrs = ("key", "dataset", "dataset_fingerprint", "code_version", "seal")
    told = [(name, value) for name, value in store.provenance.items() if name != "notes"]
    told += [(name, store.attrs[name]) for name in attrs if name in store.attrs]
    told += [(f"{name} is", one["convention"]) for name, one in store.features.items()]
    told.append(("times", "not kept in a store; mer-features run tells them when it ends"))
    return [(name.replace("_", " "), _words(value)) for name, value in told]


def provenance(store: Store, row: Row, notes: Sequence[str]) -> Facts:
    """Where one sample comes from; what nobody told is left out.

    Parameters
    ----------
    notes : of a look at the clip, beside those of the store
    """
    kept = store.provenance.get("notes")
    of_store = kept.get(row["sample_id"], []) if isinstance(kept, dict) else []
    frames = [f"{name} {row[name]}" for name in ("onset", "apex", "offset") if row[name] >= 0]
    return [
        ("clip", row["clip"]),
        ("frames", ", ".join(frames)),
        ("apex from", row["apex_source"]),
        ("rate", f"{row['fps']:g} fps" if row["fps"] else ""),
        ("action units", row["action_units"]),
        ("objective class", row["objective_class"]),
        ("notes", "; ".join(sorted({str(note) for note in (*of_store, *notes)}))),
        ("digest", row["digest"]),
        ("store", store.attrs["key"]),
    ]


def size(count: int) -> str:
    """Bytes in words."""
    power = min(max(count.bit_length() - 1, 0) // 10, 3)
    return f"{count / 1024**power:.{3 if count < 1000 * 1024**power else 4}g} {UNITS[power]}"


def _length(rows: Sequence[Row]) -> str:
    spans = [
        (r["offset"] - r["onset"] + 1) / r["fps"] for r in rows if r["fps"] and r["onset"] >= 0
    ]
    if not spans:
        return ""
    return f"{min(spans):.2f} to {max(spans):.2f} s, median {np.median(spans):.2f} s"


def _counts(values: Any) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(Counter(values).items()))


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_words(one)}" for name, one in value.items())
    return str(value)
