"""Phase-based motion magnification of a clip.

Wadhwa, Rubinstein, Durand and Freeman, "Phase-based video motion processing", SIGGRAPH 2013:
in each band of a complex steerable pyramid the local phase is filtered in time, amplified and put
back. Noise is moved, not amplified. Luma only, as there.
"""

from dataclasses import dataclass

import numpy as np

from features.base import Array, Feature
from features.light import grey
from features.magnify import band, check, check_clip, repaint
from features.steerable import pyramid, turned


@dataclass(frozen=True, slots=True)
class PhaseBasedConfig:
    """How much motion, of which frequencies, in which pyramid."""

    gain: float = 8.0  # of the displacement; 1 changes nothing
    temporal: str = "butterworth"  # or "ideal", "onset": see features/magnify.py
    low_hz: float = 1.0
    high_hz: float = 12.0  # in reach of 25 frames a second
    orientations: int = 8
    per_octave: int = 2  # bands
    sigma: float = 2.0  # px, within which phases are averaged; 0 = none

    def __post_init__(self) -> None:
        check(self.gain, self.temporal, self.low_hz, self.high_hz)
        if not 2 <= self.orientations <= 16 or not 1 <= self.per_octave <= 4:
            raise ValueError(
                f"orientations is {self.orientations} and per_octave {self.per_octave}; expected"
                " 2 to 16 and 1 to 4"
            )
        if not 0 <= self.sigma < np.inf:
            raise ValueError(f"sigma is {self.sigma} px; it cannot be negative")


def phase_based(clip: Array, fps: Array, config: PhaseBasedConfig) -> Array:
    """Multiply what moves within a band of frequencies by the gain.

    Good for gain times displacement below half a wavelength of what is seen (bands half an octave
    wide; with per_octave 1 and 4 orientations a quarter, at a third of the time). What is wider
    than a third of the picture (light, shadows) is left as it is.

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
    shape = pyramid(*clip.shape[1:3], config.per_octave, config.orientations)
    mix = (config.gain - 1) * temporal
    return repaint(clip, turned(grey(clip), mix, range(len(clip)), config.sigma, shape))


FEATURE = Feature(
    phase_based,
    PhaseBasedConfig,
    needs=("clip", "fps"),
    units="grey levels",
    axes="time y x channel",
    convention="RGB 0 to 255; displacement within low_hz..high_hz times gain, gain 1 = as it was",
    revision=1,
    sensitive=True,
)
