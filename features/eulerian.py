"""Linear Eulerian motion magnification of a clip.

Wu, Rubinstein, Shih, Guttag, Durand and Freeman, "Eulerian video magnification for revealing
subtle changes in the world", SIGGRAPH 2012: what changes with time at each place of a Laplacian
pyramid is amplified. The cheapest, and it amplifies noise with the motion.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from features.base import Array, Feature
from features.light import grey
from features.magnify import band, check, check_clip, repaint
from features.pyramid import WAVELENGTH, depth, emphasised, up


@dataclass(frozen=True, slots=True)
class EulerianConfig:
    """How much motion, of which frequencies, in what is how wide."""

    gain: float = 8.0  # of the displacement; 1 changes nothing
    temporal: str = "butterworth"  # or "ideal", "onset": see features/magnify.py
    low_hz: float = 1.0
    high_hz: float = 12.0  # in reach of 25 frames a second
    wavelength: float = 16.0  # px, below which gain falls: the paper's λ_c
    chroma: float = 0.0  # of the change, what I and Q of YIQ get of it; 0 is several times as fast

    def __post_init__(self) -> None:
        check(self.gain, self.temporal, self.low_hz, self.high_hz)
        if not 0 < self.wavelength < np.inf:
            raise ValueError(f"wavelength is {self.wavelength} px; expected above 0")
        if not 0 <= self.chroma <= 1:
            raise ValueError(f"chroma is {self.chroma}; expected 0 to 1")


def eulerian(clip: Array, fps: Array, config: EulerianConfig) -> Array:
    """Multiply what moves within a band of frequencies by the gain.

    A first-order expansion: good for gain times displacement below an eighth of a wavelength of
    what is seen. Light that flickers within the band is amplified as motion is.

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
    gains = level_gains(config.gain, config.wavelength, depth(*clip.shape[1:3]))
    if not config.chroma:
        return repaint(clip, change(grey(clip), temporal, gains))
    colours = change(clip.astype(np.float32), temporal, gains)
    luma = grey(colours)[..., None]  # linear, so the luma of the change is the change of the luma
    return repaint(clip, luma + config.chroma * (colours - luma))


def level_gains(gain: float, wavelength: float, levels: int) -> list[float]:
    """What each Laplacian level is amplified by, added to what it is: the paper's α of a level.

    With δ the displacement at which λ_c reaches the bound, (1 + α) δ = λ_c / 8, a level of
    wavelength λ gets λ / (8 δ) - 1, at least 0 and at most α. The finest level gets 0 as in the
    authors' code: there is more noise than face in it. Ours: λ is of the level's pass-band, and
    not a fraction of the picture's diagonal; no "exaggeration factor".
    """
    added = [gain * WAVELENGTH * 2**level / wavelength - 1 for level in range(levels)]
    return [0.0, *(float(np.clip(more, 0, gain - 1)) for more in added[1:])]


def change(frames: Array, temporal: Array, gains: Sequence[float]) -> Array:
    """What magnification adds to frames: linear in them, and so it may be exchanged with sums.

    Parameters
    ----------
    frames : (T, H, W) or (T, H, W, 3) float32, grey levels
    temporal : (T, T)
    gains : one a level, the first 0

    Returns
    -------
    Like the frames.
    """
    # The finest level stands still, and filters in time and space commute: time costs a fourth.
    coarse = np.stack([cv2.pyrDown(frame) for frame in frames])
    moved = coarse - coarse[0]  # the band of what stands still is 0, but for rounding
    moved = (temporal.astype(np.float32) @ moved.reshape(len(moved), -1)).reshape(coarse.shape)
    return np.stack(
        [up(emphasised(one, gains[1:]), frame) for one, frame in zip(moved, frames, strict=True)]
    )


FEATURE = Feature(
    eulerian,
    EulerianConfig,
    needs=("clip", "fps"),
    units="grey levels",
    axes="time y x channel",
    convention="RGB 0 to 255; displacement within low_hz..high_hz times gain, gain 1 = as it was",
    revision=1,
    sensitive=True,
)
