"""Resampling: a frame's pixels to a crop's, once, at exact positions."""

import cv2
import numpy as np

from features.base import Array
from features.kernel import kernel
from pipeline.maps import invert, moved, scale_of


def cut(frame: Array, matrix: Array, size: int) -> Array:
    """Resample a frame once.

    Bicubic (Keys, 1981, a = -½) at exact positions: OpenCV rounds them to 1/32 px, as much as
    the motion that steadying leaves. A crop smaller than its source is blurred first as its
    pixels grow, so that nothing folds back; beyond the frame the border is repeated, never
    wrapped.

    Parameters
    ----------
    frame : (H, W, 3) uint8 RGB
    matrix : (2, 3) source px -> crop px

    Returns
    -------
    (size, size, 3) uint8 RGB
    """
    back = invert(matrix)
    sigma = 0.5 * np.sqrt(max(0.0, 1 / scale_of(matrix) ** 2 - 1))
    if sigma > 0.2:
        (top, left), frame = part(frame, back, size, margin=3 + int(np.ceil(4 * sigma)))
        frame = cv2.GaussianBlur(frame, (0, 0), sigma)
        back = back - np.array([[0, 0, left], [0, 0, top]])
    return _resample(np.ascontiguousarray(frame), back, size)


def part(frame: Array, back: Array, size: int, margin: int) -> tuple[tuple[int, int], Array]:
    """The part of a frame that a crop sees, so that no other pixel is worked on.

    Parameters
    ----------
    back : (2, 3) crop px -> source px

    Returns
    -------
    (top, left) : where the part begins
    (h, w, …) view of the frame; all of the frame when the crop does not touch it
    """
    corners = moved(back, np.array([(x, y) for x in (0, size - 1) for y in (0, size - 1)], float))
    low = np.floor(corners.min(axis=0)).astype(int) - margin
    high = np.ceil(corners.max(axis=0)).astype(int) + margin + 1
    (left, top), (right, bottom) = low.clip(0), high.clip(0)
    seen = frame[top:bottom, left:right]
    return ((int(top), int(left)), seen) if seen.size else ((0, 0), frame)


def sample(grey: Array, to: Array, points: Array) -> Array:
    """Bicubic values of a picture at points after a map; beyond the border, the border's.

    Parameters
    ----------
    grey : (H, W) float32
    to : (2, 3) px of the points -> px of the picture
    points : (2, N) float64, x and y

    Returns
    -------
    (N,) float64
    """
    out = np.empty(points.shape[1])
    _sample(grey, to, points[0], points[1], out)
    return out


# The kernels. No fast-math: the same bytes on every run. Called from this file alone: numba's
# cache does not see when a kernel of another file changes.


@kernel()
def _cubic(t, w):  # type: ignore[no-untyped-def]
    """The four weights of Keys' cubic at -1 … 2 for a fraction t."""
    half, one = np.float32(0.5), np.float32(1)
    w[0] = t * (-half + t * (one - half * t))
    w[1] = one + t * t * (np.float32(-2.5) + np.float32(1.5) * t)
    w[2] = t * (half + t * (np.float32(2) - np.float32(1.5) * t))
    w[3] = t * t * (-half + half * t)


@kernel()
def _resample(source, back, size):  # type: ignore[no-untyped-def]
    height, width = source.shape[:2]
    out = np.empty((size, size, 3), np.uint8)
    wx, wy = np.empty(4, np.float32), np.empty(4, np.float32)
    low, high, half = np.float32(0), np.float32(255), np.float32(0.5)
    for i in range(size):
        for j in range(size):
            x = back[0, 0] * j + back[0, 1] * i + back[0, 2]
            y = back[1, 0] * j + back[1, 1] * i + back[1, 2]
            left, top = int(np.floor(x)), int(np.floor(y))
            _cubic(np.float32(x - left), wx)
            _cubic(np.float32(y - top), wy)
            red, green, blue = low, low, low
            if left >= 1 and top >= 1 and left < width - 2 and top < height - 2:
                for k in range(4):
                    row = source[top - 1 + k]
                    r, g, b = low, low, low
                    for m in range(4):
                        r += wx[m] * row[left - 1 + m, 0]
                        g += wx[m] * row[left - 1 + m, 1]
                        b += wx[m] * row[left - 1 + m, 2]
                    red, green, blue = red + wy[k] * r, green + wy[k] * g, blue + wy[k] * b
            else:
                for k in range(4):
                    row = source[min(max(top - 1 + k, 0), height - 1)]
                    for m in range(4):
                        pixel = row[min(max(left - 1 + m, 0), width - 1)]
                        w = wx[m] * wy[k]
                        red += w * pixel[0]
                        green += w * pixel[1]
                        blue += w * pixel[2]
            out[i, j, 0] = np.uint8(min(max(red + half, low), high))
            out[i, j, 1] = np.uint8(min(max(green + half, low), high))
            out[i, j, 2] = np.uint8(min(max(blue + half, low), high))
    return out


@kernel()
def _sample(grey, to, xs, ys, out):  # type: ignore[no-untyped-def]
    height, width = grey.shape
    wx, wy = np.empty(4, np.float32), np.empty(4, np.float32)
    for i in range(xs.size):
        x = to[0, 0] * xs[i] + to[0, 1] * ys[i] + to[0, 2]
        y = to[1, 0] * xs[i] + to[1, 1] * ys[i] + to[1, 2]
        x, y = min(max(x, -1e6), 1e6), min(max(y, -1e6), 1e6)
        left, top = int(np.floor(x)), int(np.floor(y))
        _cubic(np.float32(x - left), wx)
        _cubic(np.float32(y - top), wy)
        total = np.float32(0)
        for k in range(4):
            row = grey[min(max(top - 1 + k, 0), height - 1)]
            inner = np.float32(0)
            for m in range(4):
                inner += wx[m] * row[min(max(left - 1 + m, 0), width - 1)]
            total += wy[k] * inner
        out[i] = total
