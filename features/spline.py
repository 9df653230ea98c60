"""Frames between their pixels: cubic B-spline interpolation.

Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Processing Magazine
16(6), 1999. Not a feature but what `features.clg` and `features.tvl1` warp with: the same 16
taps as any cubic interpolation, but nearly no blur, which would differ from pixel to pixel and
be taken for motion.
"""

import cv2
import numpy as np

from features.base import Array
from features.kernel import kernel

POLE = 3**0.5 - 2
TAPS = POLE ** np.abs(np.arange(-7, 8))  # the eighth would be 3e-5 of the middle one
PREFILTER = (TAPS / TAPS.sum()).astype(np.float32)
BORDER = 2  # px around the coefficients, so that no tap misses

# float32 throughout: a Python number in a kernel would make it float64, and half as fast.
ZERO, ONE, TWO, THREE, FOUR, HALF, SIXTH = (np.float32(x) for x in (0, 1, 2, 3, 4, 1 / 2, 1 / 6))
FLAT = np.float32(1e-6)  # added to squared gradients, which divide


def coefficients(plane: Array) -> Array:
    """Weights of the B-splines whose sum passes through a plane's pixels.

    The exact prefilter is recursive; ours is its impulse response, √3·(√3 - 2)^|k|, cut where
    float32 no longer sees it.

    Parameters
    ----------
    plane : (H, W) float32

    Returns
    -------
    (H + 4, W + 4) float32; pixel (0, 0) is at [2, 2].
    """
    inner = cv2.sepFilter2D(plane, -1, PREFILTER, PREFILTER, borderType=cv2.BORDER_REFLECT_101)
    return cv2.copyMakeBorder(inner, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REFLECT_101)


# The kernels. No fast-math: the same bytes on every run. What calls another stands in one file
# with it: numba's cache does not see when a kernel of another file changes.


@kernel()
def weights(t):  # type: ignore[no-untyped-def]
    """The cubic B-spline at -1 - t, -t, 1 - t and 2 - t."""
    s = ONE - t
    return (
        SIXTH * s * s * s,
        SIXTH * (FOUR + THREE * t * t * (t - TWO)),
        SIXTH * (FOUR + THREE * s * s * (s - TWO)),
        SIXTH * t * t * t,
    )


@kernel()
def slopes(t):  # type: ignore[no-untyped-def]
    """Derivatives of `weights` by t."""
    s = ONE - t
    return (
        -HALF * s * s,
        HALF * t * (THREE * t - FOUR),
        -HALF * s * (THREE * s - FOUR),
        HALF * t * t,
    )


@kernel()
def taps(k, y, x, wy, wx):  # type: ignore[no-untyped-def]
    """Sum of the 4 × 4 coefficients from k[y, x] on, weighted by row and by column."""
    e, f, g, h = wy
    a, b, c, d = wx
    p, q, r, s = y, y + 1, y + 2, y + 3
    return (
        e * (a * k[p, x] + b * k[p, x + 1] + c * k[p, x + 2] + d * k[p, x + 3])
        + f * (a * k[q, x] + b * k[q, x + 1] + c * k[q, x + 2] + d * k[q, x + 3])
        + g * (a * k[r, x] + b * k[r, x + 1] + c * k[r, x + 2] + d * k[r, x + 3])
        + h * (a * k[s, x] + b * k[s, x + 1] + c * k[s, x + 2] + d * k[s, x + 3])
    )


@kernel()
def compare(first, splines, flow, mean, rest):  # type: ignore[no-untyped-def]
    """Mean and difference of the onset and of the apex seen through the flow."""
    u, v = flow
    height, width = first.shape
    right, bottom = np.float32(width - 1), np.float32(height - 1)
    for i in range(height):
        for j in range(width):
            x = min(max(ZERO, np.float32(j) + u[i, j]), right)  # this order: NaN becomes 0
            y = min(max(ZERO, np.float32(i) + v[i, j]), bottom)
            x0, y0 = int(x), int(y)
            wx, wy = weights(x - np.float32(x0)), weights(y - np.float32(y0))
            seen = taps(splines, y0 + BORDER - 1, x0 + BORDER - 1, wy, wx)
            mean[i, j] = HALF * (first[i, j] + seen)
            rest[i, j] = seen - first[i, j]


@kernel()
def linearise(first, splines, u, v, gx, gy, square, rest):  # type: ignore[no-untyped-def]
    """Gradient of the apex seen through the flow, its square, and the residual of no flow."""
    height, width = first.shape
    right, bottom = np.float32(width - 1), np.float32(height - 1)
    for i in range(height):
        for j in range(width):
            x = min(max(ZERO, np.float32(j) + u[i, j]), right)  # this order: NaN becomes 0
            y = min(max(ZERO, np.float32(i) + v[i, j]), bottom)
            x0, y0 = int(x), int(y)
            s, t = x - np.float32(x0), y - np.float32(y0)
            x0 += BORDER - 1
            y0 += BORDER - 1
            wx, wy = weights(s), weights(t)
            dx, dy = taps(splines, y0, x0, wy, slopes(s)), taps(splines, y0, x0, slopes(t), wx)
            gx[i, j], gy[i, j] = dx, dy
            square[i, j] = dx * dx + dy * dy + FLAT
            moved = dx * u[i, j] + dy * v[i, j]
            rest[i, j] = taps(splines, y0, x0, wy, wx) - first[i, j] - moved
