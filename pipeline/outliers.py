"""How far each sample lies from the others, by what was measured on all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.base import Array

# A spread below which nobody is an outlier: differences so small say nothing of a clip.
LEAST = {"px": 0.01, "px/px": 0.0005, "grey levels": 0.5}
LEAST_SHARE = 0.01  # of the median, in any other unit
OUTLIER = 3.5  # deviations
FEWEST = 8  # values; of fewer, the deviation itself is a guess, and of two it is always 0.7


@dataclass(frozen=True, slots=True)
class Measure:
    """One number a sample.

    Parameters
    ----------
    values : (N,) float64, in `unit`; NaN where a sample could not be measured
    """

    name: str
    unit: str
    values: Array


def deviations(measure: Measure) -> Array:
    """Distance of each sample from the median over samples.

    Returns
    -------
    (N,) float64, signed, in 1.4826 × median absolute deviation: standard deviations, if the
    values were normal. NaN where there is no value, and everywhere if there are too few.
    """
    known = measure.values[np.isfinite(measure.values)]
    if known.size < FEWEST:
        return np.full_like(measure.values, np.nan)
    median = np.median(known)
    spread = 1.4826 * np.median(np.abs(known - median))
    least = LEAST.get(measure.unit, LEAST_SHARE * abs(median))
    return (measure.values - median) / (max(spread, least) or 1.0)


def farthest(distances: Sequence[Array]) -> Array:
    """Of each sample the largest distance, whatever its sign; 0 where nothing was measured."""
    return np.max(np.abs(np.nan_to_num(np.stack(distances))), axis=0)
