"""What a page shows of a store's features: of each part its scale, measures and thumbnails.

The arrays are read twice, a sample at a time: no scale is known before all were measured, and
all of them need not fit into memory.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from features.progress import follow
from features.store import Store
from pipeline.outliers import Measure
from pipeline.thumbnails import (
    HIGH,
    Part,
    Scale,
    Strength,
    data_uri,
    measured,
    parts,
    scale_of,
    thumbnail,
)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as a page takes it, width and height in px."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One part of one feature, over all samples.

    Parameters
    ----------
    thumbnails : one a sample, in the store's order; none if it is not to be seen
    """

    name: str
    scale: Scale
    measures: tuple[Measure, ...]
    thumbnails: list[Thumbnail] = field(default_factory=list)


def exhibits(store: Store, unseen: Collection[str]) -> list[Exhibit]:
    """Measure every feature of a store, and draw all but the unseen ones.

    Raises
    ------
    MerError
        Exit code 4 if a sample is damaged.
    """
    seen: dict[tuple[str, str], list[Strength]] = {}
    some: dict[tuple[str, str], Part] = {}
    rows = range(len(store))
    for row in follow(rows, len(rows), "measure"):
        for name in store.features:
            for part in _parts(store, name, row):
                seen.setdefault((name, part.name), []).append(measured(part))
                some[name, part.name] = part
    shown = {key: _exhibit(key, some[key], strengths) for key, strengths in seen.items()}
    drawn = [name for name in store.features if name not in unseen]
    for row in follow(rows, len(rows), "draw"):
        for name in drawn:
            for part in _parts(store, name, row):
                one = shown[name, part.name]
                picture = thumbnail(part, one.scale)
                height, width = picture.shape[:2]
                one.thumbnails.append(Thumbnail(data_uri(picture), width, height))
    return list(shown.values())


def _parts(store: Store, name: str, row: int) -> list[Part]:
    told = store.features[name]
    return parts(store.read(name, row), told["axes"], told["units"])


def _exhibit(key: tuple[str, str], part: Part, seen: list[Strength]) -> Exhibit:
    name = ", ".join(filter(None, key))
    measures = (
        Measure(f"{name}, mean", part.unit, np.array([one.mean for one in seen])),
        Measure(f"{name}, {HIGH} % below", part.unit, np.array([one.high for one in seen])),
    )
    return Exhibit(name, scale_of(part, seen), () if part.kind == "angle" else measures)
