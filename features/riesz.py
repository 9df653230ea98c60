"""Motion magnification of a clip by its Riesz pyramid.

Wadhwa, Rubinstein, Durand and Freeman, "Riesz pyramids for fast phase-based video magnification",
ICCP 2014: one local phase a pixel and scale, along the local orientation, instead of one for each
of many orientations. Several times as fast as features/phase_based.py; gives 0.8 to 0.9 of
the gain on texture without a direction. Luma only, as there.
"""

from dataclasses import dataclass

import numpy as np

from features.base import Array, Feature
from features.light import grey
from features.magnify import band, check, check_clip, repaint
from features.pyramid import depth, riesz_turned


@dataclass(frozen=True, slots=True)
class RieszConfig:
    """How much motion, of which frequencies."""

    gain: float = 8.0  # of the displacement; 1 changes nothing
    temporal: str = "butterworth"  # or "ideal", "onset": see features/magnify.py
    low_hz: float = 1.0
    high_hz: float = 12.0  # in reach of 25 frames a second
    sigma: float = 2.0  # samples of each scale, within which phases agree; 0 = each for itself

    def __post_init__(self) -> None:
        check(self.gain, self.temporal, self.low_hz, self.high_hz)
        if not 0 <= self.sigma < np.inf:
            raise ValueError(f"sigma is {self.sigma} samples; it cannot be negative")


def riesz(clip: Array, fps: Array, config: RieszConfig) -> Array:
    """Multiply what moves within a band of frequencies by the gain.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8 RGB
    fps : () float64, frames a second

    Returns
    -------
    (T, H, W, 3) float32 RGB, grey levels 0 … 255, not rounded.

    Raises
    ------
    ValueError
        If the clip is none, or its frame rate cannot show the band.
    """
    check_clip(clip)
    temporal = band(config.temporal, config.low_hz, config.high_hz, len(clip), float(fps))
    mix = (config.gain - 1) * temporal
    levels = depth(*clip.shape[1:3])
    return repaint(clip, riesz_turned(grey(clip), mix, range(len(clip)), config.sigma, levels))


FEATURE = Feature(
    riesz,
    RieszConfig,
    needs=("clip", "fps"),
    units="grey levels",
    axes="time y x channel",
    convention="RGB 0 to 255; displacement within low_hz..high_hz times gain, gain 1 = as it was",
    revision=1,
    sensitive=True,
)
