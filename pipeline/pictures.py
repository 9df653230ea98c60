"""Pictures of features for people to look at: every one says its scale and its units.

Which kind of picture a feature gets follows from what it says of itself: its axes and its units.
"""

import io
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure

from features.base import Array, Feature
from features.console import USAGE, MerError

DPI = 120
PERCENTILE = 99.5  # of the absolute values, where a scale ends: one bad pixel does not set it
LEAST_PX = 0.1  # a flow's scale never ends below: noise of a still face stays pale
MOST_FRAMES = 6  # of a clip, evenly
LETTERS_AN_INCH = 18  # of a caption
COLOURS = {"map": "viridis", "two-sided": "RdBu_r", "angle": "twilight"}  # of single values


def picture(array: Array, feature: Feature, config: Any, title: str) -> bytes:
    """A feature's array as a PNG.

    Raises
    ------
    MerError
        If there is no picture of such a feature.
    """
    draw = KINDS.get(feature.axes, channels)
    if array.ndim != len(feature.axes.split()) or array.ndim < 3:
        raise MerError(
            f"{title} is {array.shape}, {feature.axes}: there is no picture of it",
            "write it as .npy",
            USAGE,
        )
    figure = draw(array, feature, config)
    figure.suptitle(title)
    width = int(figure.get_figwidth() * LETTERS_AN_INCH)
    figure.supxlabel(textwrap.fill(feature.convention, width), fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def channels(array: Array, feature: Feature, config: Any) -> Figure:
    """(C, H, W): a flow as directions, changes of colours as colours, else a map a channel."""
    if len(array) == 2 and feature.units == "px":
        return flows(array[None], [""])
    if len(array) == 3 and feature.units == "grey levels":
        return changes(array)
    units = [unit.strip() for unit in feature.units.split(",")]
    if len(units) != len(array):
        units = [feature.units] * len(array)
    names = [f"channel {k}" if len(array) > 1 else "" for k in range(len(array))]
    return maps(array, names, units)


def windows(array: Array, feature: Feature, config: Any) -> Figure:
    """(R, C, H, W) windows: flows beside each other, else a row of maps a window."""
    names = list(getattr(config, "names", range(len(array))))
    if array.shape[1] == 2:
        return flows(array, names)
    each = [f"{name}, channel {k}" for name in names for k in range(array.shape[1])]
    planes = array.reshape(-1, *array.shape[2:])
    return maps(planes, each, [feature.units] * len(planes))


def gains(array: Array, feature: Feature, config: Any) -> Figure:
    """(G, H, W) grey pictures, each of a gain."""
    figure, panels = _panels(len(array), array.shape[1:])
    for panel, grey, gain in zip(panels, array, config.gains, strict=True):
        panel.imshow(grey, cmap="gray", vmin=0, vmax=255)
        panel.set_title(f"gain {gain:g}", fontsize=9)
    return figure


def frames(array: Array, feature: Feature, config: Any) -> Figure:
    """(T, H, W, 3) some frames of a clip."""
    shown = np.unique(np.linspace(0, len(array) - 1, MOST_FRAMES).round().astype(int))
    figure, panels = _panels(len(shown), array.shape[1:3])
    for panel, k in zip(panels, shown, strict=True):
        panel.imshow(np.rint(array[k]).clip(0, 255).astype(np.uint8))
        panel.set_title(f"frame {k} of 0 … {len(array) - 1}", fontsize=9)
    return figure


def stills(array: Array, feature: Feature, config: Any) -> Figure:
    """(n, C, H, W) frames as networks take them, in colour or grey."""
    last = np.moveaxis(array, 1, 3)
    return frames(np.repeat(last, 3 // last.shape[3], axis=3), feature, config)


def painted(array: Array, feature: Feature, config: Any) -> Figure:
    """(G, H, W, 3) pictures in colour, each of a gain."""
    figure, panels = _panels(len(array), array.shape[1:3])
    for panel, shown, gain in zip(panels, array, config.gains, strict=True):
        panel.imshow(np.rint(shown).clip(0, 255).astype(np.uint8))
        panel.set_title(f"gain {gain:g}", fontsize=9)
    return figure


def histograms(array: Array, feature: Feature, config: Any) -> Figure:
    """(rows, columns, bins) bars in the place of each cell."""
    rows, columns, bins = array.shape
    top = float(array.max()) or 1.0
    figure = Figure(figsize=(7, 7 * rows / columns + 0.5), layout="constrained")
    panel = figure.subplots()
    row, column, bin_ = np.indices(array.shape)
    left = column + 0.05 + 0.9 * bin_ / bins
    tall = 0.9 * array / top
    panel.bar(left.ravel(), -tall.ravel(), 0.8 / bins, row.ravel() + 0.95, align="edge")
    panel.set(xlim=(0, columns), ylim=(rows, 0), xlabel="column", ylabel="row")
    panel.set_xticks(np.arange(columns) + 0.5, [str(k) for k in range(columns)])
    panel.set_yticks(np.arange(rows) + 0.5, [str(k) for k in range(rows)])
    panel.tick_params(length=0)
    panel.vlines(np.arange(1, columns), 0, rows, color="0.8", linewidth=0.8)
    panel.hlines(np.arange(1, rows), 0, columns, color="0.8", linewidth=0.8)
    told = f"in each cell bins 0 … {bins - 1} from left to right; the highest bar is {top:.2g}"
    panel.set_title(f"{told}, {feature.units}", fontsize=9)
    return figure


def patterns(array: Array, feature: Feature, config: Any) -> Figure:
    """(rows, columns, planes, patterns) a map a plane: cells downward, patterns rightward."""
    rows, columns, planes, count = array.shape
    figure = Figure(figsize=(8, 2.4 * planes + 0.8), layout="constrained")
    panels = figure.subplots(planes, sharex=True, squeeze=False)[:, 0]
    top = float(array.max()) or 1.0
    for k, panel in enumerate(panels):
        cells = array[:, :, k].reshape(-1, count)
        shown = panel.imshow(cells, aspect="auto", vmin=0, vmax=top, interpolation="nearest")
        panel.set_yticks(columns * np.arange(rows), [f"row {row}" for row in range(rows)])
        panel.set_title(f"plane {k}", fontsize=9)
    panels[-1].set_xlabel("pattern")
    figure.colorbar(shown, ax=list(panels), label=feature.units)
    return figure


KINDS: dict[str, Callable[[Array, Feature, Any], Figure]] = {
    "region channel y x": windows,
    "gain y x": gains,
    "gain y x channel": painted,
    "frame channel y x": stills,
    "time y x channel": frames,
    "row column bin": histograms,
    "row column plane pattern": patterns,
}  # all others: channels


def flows(array: Array, names: Sequence[str]) -> Figure:
    """(N, 2, H, W) px: direction as hue, length as saturation, and the wheel that tells them."""
    longest = max(float(np.percentile(np.hypot(*np.moveaxis(array, 1, 0)), PERCENTILE)), LEAST_PX)
    figure, (*panels, wheel) = _panels(len(array), array.shape[2:], beside=0.5)
    for panel, flow, name in zip(panels, array, names, strict=True):
        panel.imshow(directions(flow, longest))
        panel.set_title(name, fontsize=9)
    wheel.imshow(legend(255))
    wheel.axis("off")
    wheel.set_title(f"the way it moves;\nat the rim {longest:.2g} px\nor more", fontsize=9)
    return figure


def directions(flow: Array, longest: float) -> Array:
    """Colours of a flow: red rightward, then clockwise through the hues; white = no motion.

    Parameters
    ----------
    flow : (2, H, W), u rightward and v downward
    longest : length of full colour, in units of the flow

    Returns
    -------
    (H, W, 3) float64 RGB, 0 … 1
    """
    u, v = flow.astype(float)
    hue = np.arctan2(v, u) / (2 * np.pi) % 1
    length = np.minimum(np.hypot(u, v) / longest, 1)
    return hsv_to_rgb(np.stack([hue, length, 1 - 0.1 * length], axis=-1))


def legend(size: int) -> Array:
    """(size, size, 4) the colour wheel: where a colour stands from the middle is its direction."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    colours = directions(np.stack([x, y]), 1.0)
    inside = np.clip((1 - np.hypot(x, y)) * size / 2, 0, 1)
    return np.concatenate([colours, inside[..., None]], axis=-1)


def changes(array: Array) -> Figure:
    """(3, H, W) grey levels of change: RGB about mid-grey."""
    most = _scale(array)
    figure, (panel,) = _panels(1, array.shape[1:])
    panel.imshow(about_grey(array, most))
    panel.set_title(
        f"mid-grey: no change; black and white: −{most:.2g} and +{most:.2g} grey levels", fontsize=8
    )
    return figure


def about_grey(array: Array, most: float) -> Array:
    """(3, H, W) -> (H, W, 3) RGB 0 … 1: 0 is mid-grey, ±most black and white of each colour."""
    return np.moveaxis((0.5 + array / (2 * most)).clip(0, 1), 0, -1)


def maps(array: Array, names: Sequence[str], units: Sequence[str]) -> Figure:
    """(C, H, W) each plane with a colour bar: two-sided about 0 if a value is negative."""
    figure, panels = _panels(len(array), array.shape[1:], wider=1.0)
    for panel, plane, name, unit in zip(panels, array, names, units, strict=True):
        most, beyond = _scale(plane), np.abs(plane).max()
        low, kind, extend = 0.0, "map", "max" if beyond > most else "neither"
        if unit == "rad":
            most, low, kind, extend = np.pi, -np.pi, "angle", "neither"
        elif plane.min() < 0:
            low, kind = -most, "two-sided"
            extend = "both" if beyond > most else "neither"
        shown = panel.imshow(plane, cmap=COLOURS[kind], vmin=low, vmax=most)
        label = "no unit" if unit == "1" else unit
        figure.colorbar(shown, ax=panel, label=label, extend=extend, shrink=0.8)
        panel.set_title(name, fontsize=9)
    return figure


def _scale(array: Array) -> float:
    """Where a scale ends; of nothing but zeros, 1."""
    return float(np.percentile(np.abs(array), PERCENTILE)) or float(np.abs(array).max()) or 1.0


def _panels(
    count: int, shape: Sequence[int], beside: float = 0.0, wider: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels in rows, without ticks.

    Parameters
    ----------
    shape : height and width of what a panel shows
    beside : width of one more panel on the right, of a panel's
    wider : inches a panel needs for a colour bar
    """
    columns = count if count <= 5 else 3
    rows = -(-count // columns)
    width = (4.5, 3.2, 2.8)[min(columns, 3) - 1]
    height = width * min(max(shape[0] / shape[1], 0.3), 3)
    size = ((width + wider) * columns + width * beside, (height + 0.2) * rows + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    more = [beside] if beside else []
    grid = figure.add_gridspec(rows, columns + len(more), width_ratios=[1] * columns + more)
    panels = [figure.add_subplot(grid[k // columns, k % columns]) for k in range(count)]
    panels += [figure.add_subplot(grid[:, columns])] if beside else []
    for panel in panels:
        panel.set(xticks=[], yticks=[])
    return figure, panels
