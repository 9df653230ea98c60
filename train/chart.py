"""Curves over epochs as paths of an SVG, of 320 × 150 units."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEFT, RIGHT, TOP, BOTTOM = 38.0, 310.0, 10.0, 122.0
SHOWN = 200  # epochs: more than there are pixels for


@dataclass(frozen=True, slots=True)
class Axes:
    """Where epochs and values lie in the drawing.

    Parameters
    ----------
    first, last : epochs at the left and right end
    low, high : values at the bottom and top
    """

    first: int
    last: int
    low: float
    high: float

    def x(self, epoch: int) -> float:
        """Place of an epoch."""
        return LEFT + (RIGHT - LEFT) * (epoch - self.first) / max(1, self.last - self.first)

    def y(self, value: float) -> float:
        """Place of a value; y grows downward."""
        return BOTTOM - (BOTTOM - TOP) * (value - self.low) / (self.high - self.low)


def axes(epochs: Sequence[int], values: Sequence[float]) -> Axes:
    """Axes that begin at 0, or below it where values do, and end at a round number."""
    low, high = 0.0 - beyond(-min(values)), beyond(max(values))  # -0.0 would be shown as -0
    return Axes(min(epochs), max(epochs), low, high if high > low else low + 1.0)


def beyond(value: float) -> float:
    """The next of 1, 2, 2.5, 5, 10 times a power of ten; 0 for what is not above 0."""
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        (round_ * power for round_ in (1, 2, 2.5, 5) if round_ * power >= value), 10 * power
    )


def curve(axes: Axes, values: Mapping[int, float]) -> str:
    """A line through the value at each epoch; a dot of a single one."""
    ends = [f"{axes.x(e):.1f} {axes.y(values[e]):.1f}" for e in thinned(list(values))]
    return "M" + "L".join(ends if len(ends) > 1 else ends * 2)


def band(axes: Axes, low: Mapping[int, float], high: Mapping[int, float]) -> str:
    """The area between two curves over the same epochs."""
    return curve(axes, low) + "L" + curve(axes, dict(reversed(list(high.items()))))[1:] + "Z"


def thinned(epochs: Sequence[int]) -> list[int]:
    """At most SHOWN of them, evenly, the first and the last among them."""
    places = np.linspace(0, len(epochs) - 1, min(len(epochs), SHOWN)).round().astype(int)
    return [epochs[place] for place in places]
