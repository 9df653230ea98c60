"""The rigid parts of a face: what moves with the head and with no muscle of expression.

Forehead, temples and the ridge of the nose, found from where eyes and brows are. Bounds are
ours, in distances between the eyes.
"""

import numpy as np

from features.base import PLACES, Array


def rigid_parts(places: Array, height: int, width: int) -> Array:
    """Where an aligned face is rigid.

    Parameters
    ----------
    places : (8, 2) px (x, y), in the order of `PLACES`

    Returns
    -------
    (H, W) bool
    """
    at = dict(zip(PLACES, places, strict=True))
    left, right = at["left_eye"], at["right_eye"]
    unit = float(np.hypot(*(right - left)))
    y, x = np.mgrid[:height, :width].astype(float)

    def from_(point: Array) -> Array:
        return (np.stack([x, y], -1) - point).transpose(2, 0, 1) / unit

    u, v = from_((left + right) / 2)
    face = (u / 1.05) ** 2 + ((v - 0.45) / 1.2) ** 2 < 1
    ridge = (np.abs(u) < 0.18) & (v > -0.1) & (v < 0.55)
    forehead = v < -0.5
    temples = (np.abs(u) > 0.8) & (v < 0.5)
    free = face & (ridge | forehead | temples)
    for name in ("left_brow", "right_brow"):
        du, dv = from_(at[name])
        free &= (du / 0.42) ** 2 + (dv / 0.2) ** 2 > 1
    return free
