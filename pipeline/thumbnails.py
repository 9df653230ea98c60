"""Thumbnails of features: small pictures of many samples, drawn to one scale to be compared.

An array is taken apart into `Part`s, each a row of panels of one kind and unit. A part's scale
is found over all samples first; then each is drawn by it, and `legend_of` shows what it means.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import cv2
import matplotlib
import numpy as np

from features.base import Array
from pipeline.pictures import (
    COLOURS,
    LEAST_PX,
    MOST_FRAMES,
    PERCENTILE,
    about_grey,
    directions,
    legend,
)

SIDE = 112  # px, height of a panel
LEAST_WIDE, MOST_WIDE = 0.5, 3.0  # of its height
GAP = 3  # px between panels
WEBP_QUALITY = 90
HIGH = 95  # percentile: the strong part of a sample
TYPICAL = 90  # percentile of samples that a scale covers: one outlier does not make others pale
MOVING = {"gain", "time", "frame"}  # axes along which frames of a face stand


@dataclass(frozen=True, slots=True)
class Part:
    """What of an array is drawn in one way.

    Parameters
    ----------
    name : of the part within its feature; nothing if it is the whole
    kind : flow, change, photograph, angle or map
    values : (P, C, H, W) float32, P panels side by side
    """

    name: str
    kind: str
    unit: str
    values: Array

    def strength(self) -> Array:
        """Flattened, without sign: px a flow is long, or absolute values."""
        if self.kind == "flow":
            return np.hypot(self.values[:, 0], self.values[:, 1]).ravel()
        return np.abs(self.values).ravel()


@dataclass(frozen=True, slots=True)
class Strength:
    """What is measured on one part of one sample, in its unit."""

    mean: float
    high: float  # 95 % of its pixels are below
    top: float  # where its own scale would end
    signed: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """How a part is drawn, the same for all samples.

    Parameters
    ----------
    kind : of the part; but a map that holds negative values somewhere is "two-sided", and a
        change that holds none a photograph
    most : where colours end, in `unit`
    """

    kind: str
    unit: str
    most: float

    def words(self) -> str:
        """Where its colours begin and end."""
        if self.kind == "photograph":
            return "0 to 255 grey levels"
        if self.kind == "angle":
            return "−π to π rad"
        most = f"{self.most:.2g}" + ("" if self.unit == "1" else f" {self.unit}")
        if self.kind == "flow":
            return f"full colour at {most} or more"
        low = f"−{self.most:.2g} or less" if self.kind in ("two-sided", "change") else "0"
        return f"{low} to {most} or more"

    def short(self) -> str:
        """The same for a caption; nothing where it is the same in every store."""
        if self.kind in ("photograph", "angle"):
            return ""
        return f", to {self.most:.2g}" + ("" if self.unit == "1" else f" {self.unit}")


def parts(array: Array, axes: str, units: str) -> list[Part]:
    """Take one sample's array apart; one of axes that no picture has becomes a strip of values.

    Parameters
    ----------
    axes, units : as the store tells them
    """
    names = axes.removeprefix("sample ").split()
    panels = _panels(array.astype(np.float32), names)
    channels = panels.shape[1]
    if units == "grey levels" and channels in (1, 3) and MOVING & set(names):
        return [Part("", "photograph", units, panels)]
    if units == "grey levels" and channels == 3:
        return [Part("", "change", units, panels)]
    each = [unit.strip() for unit in units.split(",")]
    cuts = list(_cuts(each if len(each) == channels else [units] * channels))
    return [
        Part(_name(where) if len(cuts) > 1 else "", kind, unit, panels[:, where])
        for kind, unit, where in cuts
    ]


def _name(where: slice) -> str:
    numbers = " and ".join(map(str, range(where.start, where.stop)))
    return f"channel{'s' if where.stop - where.start > 1 else ''} {numbers}"


def _panels(array: Array, names: Sequence[str]) -> Array:
    """(P, C, H, W): what stands before the axes that are named, as gains do, is panels too."""
    if array.ndim < len(names):
        return array.reshape(1, 1, 1, -1)
    if names[-1:] == ["channel"]:
        array, names = np.moveaxis(array, -1, -3), [*names[:-3], "channel", *names[-3:-1]]
    if names[-3:] == ["row", "column", "bin"]:
        array, names = array.reshape(*array.shape[:-2], -1), ["y", "x"]
    if names[-4:] == ["row", "column", "plane", "pattern"]:
        array = np.moveaxis(array, -2, -4)
        array, names = array.reshape(*array.shape[:-3], -1, array.shape[-1]), ["y", "x"]
    if names[-2:] not in (["y", "x"], ["row", "column"]):
        return array.reshape(1, 1, 1, -1)
    channels = array.shape[-3] if names[-3:-2] == ["channel"] else 1
    return array.reshape(-1, channels, *array.shape[-2:])


def _cuts(units: Sequence[str]) -> Iterator[tuple[str, str, slice]]:
    """Kind, unit and channels of each part: two px beside each other are u and v."""
    start = 0
    for unit, run in groupby(units):
        count = len(list(run))
        step = 2 if unit == "px" and count % 2 == 0 else 1
        kind = "flow" if step == 2 else "angle" if unit == "rad" else "map"
        for _ in range(0, count, step):
            yield kind, unit, slice(start, start + step)
            start += step


def measured(part: Part) -> Strength:
    """Measure one part of one sample, every pixel of it."""
    strength = part.strength()
    high, top = np.percentile(strength, (HIGH, PERCENTILE))
    return Strength(
        float(strength.mean(dtype=np.float64)), float(high), float(top or strength.max()),
        bool(part.values.min() < 0),
    )  # fmt: skip


def scale_of(part: Part, seen: Sequence[Strength]) -> Scale:
    """The scale of a part over all samples, of which `part` is any one."""
    tops = [one.top for one in seen]
    most = float(np.percentile(tops, TYPICAL, method="lower")) or max(tops)
    if part.kind == "flow":
        return Scale("flow", part.unit, max(most, LEAST_PX))
    signed = any(one.signed for one in seen)
    kind = {("map", True): "two-sided", ("change", False): "photograph"}.get((part.kind, signed))
    return Scale(kind or part.kind, part.unit, most or 1.0)


def thumbnail(part: Part, scale: Scale) -> Array:
    """(SIDE, W, 3) uint8 RGB: the part's panels beside each other, evenly chosen if many."""
    count = len(part.values)
    shown = np.unique(np.linspace(0, count - 1, MOST_FRAMES).round().astype(int))
    row: list[Array] = []
    for k in shown:
        picture = np.rint(255 * _coloured(_resized(part.values[k]), scale)).astype(np.uint8)
        row += [np.full((SIDE, GAP, 3), 128, np.uint8), picture]
    return np.concatenate(row[1:], axis=1)


def _resized(panel: Array) -> Array:
    """(C, H, W) -> (C, SIDE, W'): means where it shrinks, so that a flow is not read at random."""
    height, width = panel.shape[1:]
    wide = round(SIDE * min(max(width / height, LEAST_WIDE), MOST_WIDE))
    shrinks = height >= SIDE and width >= wide
    how = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    return np.stack([cv2.resize(plane, (wide, SIDE), interpolation=how) for plane in panel])


def _coloured(values: Array, scale: Scale) -> Array:
    """(C, H, W) -> (H, W, 3) RGB 0 … 1."""
    if scale.kind == "flow":
        return directions(values, scale.most)
    if scale.kind == "change":
        return about_grey(values, scale.most)
    if scale.kind == "photograph":
        return np.moveaxis(np.repeat(values, 3 // len(values), axis=0) / 255, 0, -1).clip(0, 1)
    low, most = {"angle": (-np.pi, np.pi), "two-sided": (-scale.most, scale.most)}.get(
        scale.kind, (0.0, scale.most)
    )
    share = ((values[0] - low) / (most - low)).clip(0, 1)
    return matplotlib.colormaps[COLOURS[scale.kind]](share)[..., :3]


def legend_of(scale: Scale) -> Array:
    """(H, W, 4) uint8 RGBA: the wheel of a flow, or the colours of other kinds from low to high."""
    if scale.kind == "flow":
        return np.rint(255 * legend(96)).astype(np.uint8)
    low = 0.0 if scale.kind in ("map", "photograph") else -1.0
    most = {"angle": np.pi, "photograph": 255.0}.get(scale.kind, scale.most)
    ramp = np.broadcast_to(most * np.linspace(low, 1, 96), (1, 24, 96)).astype(np.float32)
    planes = np.repeat(ramp, 3, axis=0) if scale.kind == "change" else ramp
    opaque = np.ones((24, 96, 1))
    return np.rint(255 * np.concatenate([_coloured(planes, scale), opaque], -1)).astype(np.uint8)


def data_uri(picture: Array) -> str:
    """(H, W, 3 or 4) uint8 as WebP; one with alpha keeps every bit."""
    alpha = picture.shape[2] == 4
    turned = cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA if alpha else cv2.COLOR_RGB2BGR)
    quality = 101 if alpha else WEBP_QUALITY  # above 100: lossless
    _, data = cv2.imencode(".webp", turned, [cv2.IMWRITE_WEBP_QUALITY, quality])
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode()
