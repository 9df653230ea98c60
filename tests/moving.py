"""Pictures that move by a known amount, and how far a picture is seen to have moved."""

from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

MARGIN = 24  # px of texture beyond a picture


@cache
def texture(size: int, fineness: float) -> np.ndarray:
    noise = np.random.default_rng(3).standard_normal((size + 2 * MARGIN,) * 2)
    noise = gaussian_filter(noise, fineness)
    return spline_filter(128 + 40 * noise / noise.std(), 5)


def picture(dx: float, dy: float, size: int = 96, fineness: float = 3) -> np.ndarray:
    """(size, size) float64: a texture moved by (dx, dy) px, rightward and downward."""
    y, x = np.mgrid[:size, :size] + MARGIN + 0.3
    return map_coordinates(texture(size, fineness), [y - dy, x - dx], order=5, prefilter=False)


def filmed(greys: np.ndarray) -> np.ndarray:
    """Grey pictures (T, H, W) as a camera gives them: (T, H, W, 3) uint8."""
    return np.rint(greys).clip(0, 255).astype(np.uint8)[..., None].repeat(3, axis=-1)


def swinging(dx: float, dy: float, hertz: float, fps: float, frames: int) -> np.ndarray:
    """(T, 96, 96) a texture that swings by (dx, dy) px, from the middle rightward and downward."""
    swing = np.sin(2 * np.pi * hertz * np.arange(frames) / fps)
    return np.stack([picture(dx * s, dy * s) for s in swing])


def moved(first: np.ndarray, then: np.ndarray) -> np.ndarray:
    """(dx, dy) px of the middle of a picture, by least squares (Gauss and Newton)."""
    inside = np.s_[16:-16, 16:-16]
    y, x = np.mgrid[: len(first), : first.shape[1]].astype(float)
    spline = spline_filter(then.astype(float), 3)
    shift = np.zeros(2)
    for _ in range(5):
        places = [y[inside] + shift[1], x[inside] + shift[0]]
        seen = map_coordinates(spline, places, order=3, prefilter=False)
        down, right = (slope.ravel() for slope in np.gradient(seen))
        slopes = np.stack([right, down], axis=1)
        shift += np.linalg.lstsq(slopes, (first[inside] - seen).ravel(), rcond=None)[0]
    return shift


def swing_of(clip: np.ndarray, still: np.ndarray, hertz: float, fps: float) -> np.ndarray:
    """(dx, dy) px of a clip's swing, of (T, H, W), about a picture of its middle."""
    shown = range(0, len(clip), 3)
    shifts = np.stack([moved(still, clip[t]) for t in shown])
    angle = 2 * np.pi * hertz * np.array(shown) / fps
    waves = np.stack([np.sin(angle), np.cos(angle), np.ones(len(angle))], axis=1)
    return np.linalg.lstsq(waves, shifts, rcond=None)[0][0]
