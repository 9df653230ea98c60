"""Light: frames as grey levels, freed of what lamps and cameras do to them.

Not a feature but what features of grey frames begin with.
"""

import cv2
import numpy as np

from features.base import Array

NORMALISATIONS = ("none", "exposure", "local")
WINDOW = 25  # px, of the local contrast; ours, by measurement
CONTRAST = 30.0  # grey levels that a local standard deviation becomes
FLOOR = 3.0  # grey levels of local deviation below which there is only noise


def grey(frames: Array) -> Array:
    """Luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8 RGB, or float32 in grey levels

    Returns
    -------
    (T, H, W) float32, grey levels 0 … 255, not rounded.
    """
    if frames.ndim != 4 or frames.shape[3] != 3:
        raise ValueError(f"frames are {frames.shape}; expected (T, H, W, 3)")
    return np.stack([cv2.cvtColor(f.astype(np.float32), cv2.COLOR_RGB2GRAY) for f in frames])


def exposure(greys: Array) -> Array:
    """Give every frame the gain and offset of the first.

    Least squares of frame t on the first over all pixels, fitted twice: the second time without
    pixels that differ by more than three standard deviations, since an expression is no lamp.

    Parameters
    ----------
    greys : (T, H, W) float32

    Returns
    -------
    (T, H, W) float32; the first frame unchanged.
    """
    first = greys[0].astype(np.float64)
    fitted = [greys[0]]
    for frame in greys[1:]:
        kept = np.ones(frame.shape, bool)
        gain, offset = 1.0, 0.0
        for _ in range(2):
            x, y = frame[kept].astype(np.float64), first[kept]
            spread = x.var()
            if spread == 0:  # a black frame has no gain
                break
            # symmetric in the two frames: noise in x would otherwise shrink the gain
            gain = float(np.sqrt(y.var() / spread)) or 1.0
            offset = float(y.mean() - gain * x.mean())
            wrong = np.abs(gain * frame + offset - first)
            kept = wrong <= 3 * max(float(wrong.std()), 1.0)
        fitted.append((gain * frame + offset).astype(np.float32))
    return np.stack(fitted)


def local_contrast(greys: Array) -> Array:
    """Subtract the local mean and divide by the local standard deviation.

    Undoes any gain, offset and slow ramp of light. Windows are boxes: a Gaussian is no more
    accurate and eight times as slow.

    Parameters
    ----------
    greys : (T, H, W) float32

    Returns
    -------
    (T, H, W) float32, of standard deviation near 30 where there is texture.
    """
    window = (WINDOW, WINDOW)
    normal = []
    for frame in greys:
        rest = frame - cv2.blur(frame, window)
        spread = cv2.blur(rest * rest, window)
        normal.append(CONTRAST * rest / np.sqrt(spread + FLOOR**2))
    return np.stack(normal).astype(np.float32, copy=False)


def normalised(greys: Array, how: str) -> Array:
    """Grey frames after one of `NORMALISATIONS`."""
    if how == "local":
        return local_contrast(greys)
    return exposure(greys) if how == "exposure" else greys
