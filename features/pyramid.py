"""Pyramid: pictures by scale, and the local phase of a scale.

Not a feature but what magnifiers are made of. Two pyramids are here: Laplacian (Burt and Adelson,
IEEE Trans. Communications 31(4), 1983) and, on top of it, Riesz (Wadhwa, Rubinstein, Durand and
Freeman, "Riesz pyramids for fast phase-based video magnification", ICCP 2014). The complex
steerable one is features/steerable.py. All work in the precision of what they are given, float32
or float64.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from features.base import Array

# Level l >= 1 of the Laplacian pyramid answers most to waves of this times 2^l, by half their
# height; to waves half or twice as long by a quarter. Measured.
WAVELENGTH = 5.0  # px

# atan(t) / t in t², Abramowitz and Stegun 4.4.49: wrong by 2e-8 at most for 0 <= t <= 1.
ARCTAN = (0.0028662257, -0.0161657367, 0.0429096138, -0.0752896400, 0.1065626393,
          -0.1420889944, 0.1999355085, -0.3333314528, 1.0)  # fmt: skip

# The Riesz transform along one axis, odd, near 1 from 5 to 16 px: a wider half than the paper's
# (-½, 0, ½), which is 1 at 4 px and already 0.7 at 8 px. Ours, by measurement.
RIESZ = np.array([-0.2, -0.48, 0, 0.48, 0.2])

CHUNK = 1 << 15  # samples worked on at a time, so that they stay in the processor's cache


def depth(height: int, width: int) -> int:
    """How many levels a picture has until its shorter side is 4 to 8 px."""
    return max(1, int(np.log2(min(height, width))) - 2)


def up(coarse: Array, like: Array) -> Array:
    """The next finer level's share of a coarser one; `like` gives its size (H, W[, 3])."""
    return cv2.pyrUp(coarse, dstsize=like.shape[1::-1])


def laplacian(picture: Array, levels: int) -> list[Array]:
    """Split (H, W) into its bands, the finest first, and what is left: levels + 1 pictures."""
    if levels == 0:
        return [picture]
    coarse = cv2.pyrDown(picture)
    return [picture - up(coarse, picture), *laplacian(coarse, levels - 1)]


def collapse(bands: Sequence[Array]) -> Array:
    """Put the bands of `laplacian` together again: (H, W)."""
    picture = bands[-1]
    for finer in bands[-2::-1]:
        picture = finer + up(picture, finer)
    return picture


def emphasised(picture: Array, gains: Sequence[float]) -> Array:
    """Sum of a picture's Laplacian bands, each times its gain; the left-over times 0.

    The bands themselves are never formed: with G_l the blurred pictures and U the way up,
    R_l = gain_l (G_l - U G_l+1) + U R_l+1 = gain_l G_l + U (R_l+1 - gain_l G_l+1), one U a level.

    Parameters
    ----------
    picture : (H, W) or (H, W, 3) float
    gains : one a level, the finest first

    Returns
    -------
    Like the picture.
    """
    if not len(gains):
        return np.zeros_like(picture)
    coarse = cv2.pyrDown(picture)
    rest = emphasised(coarse, gains[1:]) - gains[0] * coarse
    return gains[0] * picture + up(rest, picture)


def chunks(count: int, size: int) -> Iterator[slice]:
    """Slices of `count` frames of `size` samples each, a cache's worth at a time."""
    step = max(1, CHUNK // size)
    return (slice(first, first + step) for first in range(0, count, step))


def phase(signal: Array) -> Array:
    """Angle of complex numbers, -π … π, 0 of 0; three times as fast as `np.angle`.

    Wrong by 3e-7 rad at most for complex64, the rounding of π, and by 2e-8 for complex128.
    """
    x, y = signal.real, signal.imag
    width, height = np.abs(x), np.abs(y)
    steep = height > width
    slope = np.minimum(width, height)
    slope /= np.maximum(width, height) + np.finfo(x.dtype).tiny
    square = slope * slope
    angle = square * x.dtype.type(ARCTAN[0])
    for coefficient in ARCTAN[1:-1]:
        angle += x.dtype.type(coefficient)
        angle *= square
    angle += 1
    angle *= slope
    right, straight = x.dtype.type(np.pi / 2), x.dtype.type(np.pi)
    angle = np.abs(steep * right - angle)  # from the octant to the quadrant, then to the half
    angle = np.abs((x < 0) * straight - angle)
    return np.copysign(angle, y)


def turn(angle: Array) -> Array:
    """e^{i angle} - 1: what turning a signal adds to it; exactly 0 for no turn."""
    turned = np.empty(angle.shape, np.result_type(angle.dtype, np.complex64))
    turned.real = np.cos(angle) - 1
    turned.imag = np.sin(angle)
    return turned


def blurred(values: Array, sigma: tuple[float, float]) -> Array:
    """Gaussian blur of (h, w) by sigma (down, right) samples; 0 = none along that axis."""
    down, right = (max(one, 1e-3) for one in sigma)  # OpenCV takes 0 for "as the other"
    return cv2.GaussianBlur(values, (0, 0), sigmaX=right, sigmaY=down)


def riesz_turned(
    frames: Array, mix: Array, carriers: Sequence[int], sigma: float, levels: int
) -> Array:
    """Move what is in a Riesz pyramid's bands by turning its local phase.

    Along the local orientation n of the first frame a band I and its Riesz transform R make the
    analytic signal I + i n·R: the paper's quaternion once its direction is known. The phase of
    each frame is relative to the first frame's, and is then made to agree with its neighbours'.
    The left-over of the pyramid does not move. Both are ours: fixing n makes phase one number a
    pixel with one sign; the paper blurs (phase cos, phase sin), which on a texture of mixed
    orientations mixes projections of one motion, and gives 0.75 of it where this gives 0.87.

    Parameters
    ----------
    frames : (T, H, W) float
    mix : (K, T)
        Of output k, by how much of each frame's phase it is turned further.
    carriers : K frame numbers
        What is turned for each output.
    sigma : samples of each band's own grid, within which phases agree; 0 = each for itself
    levels : bands, the finest first

    Returns
    -------
    (K, H, W) float: what to add to each carrier.
    """
    if levels == 0:
        return np.zeros((len(mix), *frames.shape[1:]), frames.dtype)
    coarse = np.stack([cv2.pyrDown(frame) for frame in frames])
    rest = riesz_turned(coarse, mix, carriers, sigma, levels - 1)
    bands = [frame - up(below, frame) for frame, below in zip(frames, coarse, strict=True)]
    normal = _normal(bands[0])
    signals = [_analytic(band, normal) for band in bands]
    first = signals[0].conj()
    phases = np.stack([phase(signal * first) for signal in signals])
    if sigma:
        phases = _agreed(phases, (first * first.conj()).real, normal, sigma)
    angles = (mix.astype(frames.dtype) @ phases.reshape(len(frames), -1)).reshape(-1, *first.shape)
    return np.stack(
        [
            (signals[carrier] * turn(angle)).real + up(below, angle)
            for carrier, angle, below in zip(carriers, angles, rest, strict=True)
        ]
    )


def _riesz(band: Array) -> tuple[Array, Array]:
    """The Riesz transform of (h, w), rightward and downward."""
    alone = np.ones(1)
    return cv2.sepFilter2D(band, -1, RIESZ, alone), cv2.sepFilter2D(band, -1, alone, RIESZ)


def _normal(band: Array) -> tuple[Array, Array]:
    """Local orientation (cos, sin), across the lines: of the blurred Riesz vectors' squares."""
    right, down = _riesz(band)
    near = (1.0, 1.0)
    doubled = blurred(right**2 - down**2, near) + 1j * blurred(2 * right * down, near)
    angle = phase(doubled) / 2
    return np.cos(angle), np.sin(angle)


def _analytic(band: Array, normal: tuple[Array, Array]) -> Array:
    right, down = _riesz(band)
    return band + 1j * (normal[0] * right + normal[1] * down)


def _agreed(phases: Array, power: Array, normal: tuple[Array, Array], sigma: float) -> Array:
    """Phases that one displacement of the neighbourhood explains.

    Least squares of n·d = phase within a Gaussian window, weighted by power; then n·d again. A
    hundredth of the trace is added to the normal matrix: where lines run one way only, d along
    them cannot be known.

    Parameters
    ----------
    phases : (T, h, w)
    power : (h, w), squared amplitude
    normal : (cos, sin), each (h, w)
    """
    window = (sigma, sigma)
    c, s = normal
    cc, ss, cs = (blurred(power * product, window) for product in (c * c, s * s, c * s))
    unsure = 0.01 * (cc + ss) + 1e-6  # squared grey levels: far below any camera
    cc, ss = cc + unsure, ss + unsure
    scale = cc * ss - cs * cs
    agreed = []
    for frame in phases:
        right, down = (blurred(power * along * frame, window) for along in normal)
        agreed.append((c * (ss * right - cs * down) + s * (cc * down - cs * right)) / scale)
    return np.stack(agreed)
