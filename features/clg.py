"""Optical flow by combined local and global least squares (CLG): merkit's default.

Bruhn, Weickert and Schnörr, "Lucas/Kanade meets Horn/Schunck: combining local and global optic
flow methods", IJCV 61(3), 2005: Lucas and Kanade's equations, averaged over a small window, and
a smooth field where they say little. Brightness and gradient constancy, both robust, and
coarse-to-fine warping as in Brox, Bruhn, Papenberg and Weickert, ECCV 2004; total variation as
smoothness; light that changes by a local gain and offset as in Negahdaripour, PAMI 20(9), 1998.

Ours, each by its effect on the error of `benchmarks/flow.py`:

- The equations are averaged over cells of 4 px and solved there: skin moves more smoothly than
  its texture does. Cells of 2 px are no more accurate and cost a third more time.
- Thresholds and smoothness are in units of the noise that the residual itself shows, so dim,
  bright, clean and noisy clips need no settings of their own.
- The change of light is fitted to the residual after each warp. Dividing each frame by its own
  local contrast beforehand, as other methods need it, costs 18 % more error.
- Warping by splines: Catmull-Rom's interpolation costs 16 % more error, bilinear 40 %.

Motion up to 6 % of the crop's side is followed.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from features.base import Array
from features.kernel import kernel
from features.spline import coefficients, compare

CELL = 4  # px, side of the cells
SMALLEST = 4 * CELL  # px, side of the coarsest level
QUIET = 0.25  # grey levels: noise below it is rounding
NO_LIGHT = 5.0  # times the noise: what differs more is not light that changed
TEXTURE = 9.0  # grey levels², variance below which no gain can be told
BEND = 0.002  # px/px: total variation is rounded off below it, to have a derivative

# float32 throughout: a Python number in a kernel would make it float64, and half as fast.
ZERO, ONE, TWO, FOUR, HALF, QUARTER, PER_CELL = (
    np.float32(x) for x in (0, 1, 2, 4, 1 / 2, 1 / 4, 1 / CELL**2)
)


def over_relaxations(steps: int, radius: float) -> Array:
    """Chebyshev's weights of Jacobi steps whose spectrum lies within ±radius."""
    omegas = [1.0, 1 / (1 - radius**2 / 2)]
    while len(omegas) < steps:
        omegas.append(1 / (1 - radius**2 * omegas[-1] / 4))
    return np.array(omegas, np.float32)


# Finest level first. A coarser one takes more steps, which cost nothing there: what the whole
# face does in common, as a head that turns, neighbour tells neighbour but slowly.
OMEGAS = [over_relaxations(16, 0.97), over_relaxations(32, 0.99), over_relaxations(64, 0.997)]


@dataclass(frozen=True, slots=True)
class ClgConfig:
    """Settings of combined local and global flow."""

    presmoothing: float = 0.6  # px, Gaussian over both frames; 0 = none
    levels: int = 5  # of the pyramid at most, each half as fine
    warps: int = 3  # linearisations a level
    gradient: float = 2.0  # weight of gradient constancy, brightness constancy having 1
    robust: float = 2.0  # times the noise: residuals beyond it count by magnitude, not square
    window: float = 0.8  # cells, Gaussian over the equations
    light: int = 9  # cells, side of the box in which light has one gain and one offset
    smoothness: float = 12.0  # of the flow's total variation, times the noise's variance

    def __post_init__(self) -> None:
        if self.levels < 1 or self.warps < 1 or self.light < 1:
            raise ValueError(
                f"levels {self.levels}, warps {self.warps} and light {self.light}"
                " must be at least 1"
            )
        if self.presmoothing < 0 or self.gradient < 0:
            raise ValueError("presmoothing and gradient cannot be negative")
        if min(self.robust, self.window, self.smoothness) <= 0:
            raise ValueError("robust, window and smoothness must be above 0")


def clg(onset: Array, apex: Array, config: ClgConfig) -> Array:
    """Flow from one grey frame to another.

    Parameters
    ----------
    onset, apex : (H, W) float32, grey levels

    Returns
    -------
    (2, H, W) float32 px: u rightward, v downward
    """
    height, width = onset.shape
    levels = pyramid(onset, apex, config)
    flow = np.zeros((2, *cells(levels[-1][0])), np.float32)
    for level, (first, second) in reversed(list(enumerate(levels))):
        rows, columns = cells(first)
        if flow.shape[1:] != (rows, columns):
            finer = 2 * resized(flow, 2 * flow.shape[1], 2 * flow.shape[2])
            flow = np.ascontiguousarray(finer[:, :rows, :columns])
        omegas = OMEGAS[min(level, len(OMEGAS) - 1)]
        splines = coefficients(second)
        work = np.empty((4, *first.shape), np.float32)
        for _ in range(config.warps):
            flow = step(first, splines, flow, work, omegas, config)
    dense = resized(flow, rows * CELL, columns * CELL, how=cv2.INTER_CUBIC)
    return np.ascontiguousarray(dense[:, :height, :width])


def pyramid(onset: Array, apex: Array, config: ClgConfig) -> list[list[Array]]:
    """Both frames, fine to coarse; every side a multiple of two cells, the border repeated."""
    pair, levels = [onset, apex], list[list[Array]]()
    if config.presmoothing:
        pair = [cv2.GaussianBlur(frame, (0, 0), config.presmoothing) for frame in pair]
    while not levels or (len(levels) < config.levels and min(pair[0].shape) >= SMALLEST):
        down, right = (-side % (2 * CELL) for side in pair[0].shape)
        pair = [cv2.copyMakeBorder(f, 0, down, 0, right, cv2.BORDER_REPLICATE) for f in pair]
        levels.append(pair)
        height, width = pair[0].shape
        pair = [mean_of(frame, height // 2, width // 2) for frame in pair]
    return levels


def step(
    first: Array, splines: Array, flow: Array, work: Array, omegas: Array, config: ClgConfig
) -> Array:
    """Linearise at a flow and solve for a better one.

    Parameters
    ----------
    first : (H, W) onset
    splines : (H + 4, W + 4) `coefficients` of the apex
    flow : (2, rows, columns) px, a cell each
    work : (4, H, W) room for planes
    omegas : of `chebyshev`

    Returns
    -------
    (2, rows, columns) px
    """
    height, width = first.shape
    rows, columns = cells(first)
    planes, mean, rest = work[:2], work[2], work[3]
    compare(first, splines, resized(flow, height, width, planes), mean, rest)
    gain, offset = resized(light(mean, rest, config), height, width, planes)
    gain *= mean
    gain += offset
    rest -= gain
    noise = noise_of(rest)
    sums = np.empty((5, rows, columns), np.float32)
    equations(mean, rest, np.float32(config.robust * noise), np.float32(config.gradient), sums)
    a, b, c, p, q = (cv2.GaussianBlur(term, (0, 0), config.window) for term in sums)
    u, v = flow
    target = np.stack([a * u + b * v - p, b * u + c * v - q])
    return solve(a, b, c, target, flow, config.smoothness * noise**2, omegas)


def light(mean: Array, rest: Array, config: ClgConfig) -> Array:
    """How light changed: what of the residual is, locally, gain · grey level + offset.

    Parameters
    ----------
    mean, rest : (H, W) mean and difference of the frames, one of them warped

    Returns
    -------
    (2, rows, columns) gain and offset, a cell each
    """
    limit = NO_LIGHT * noise_of(rest)  # an opening mouth is no light
    rows, columns = cells(mean)
    d, m = mean_of(rest.clip(-limit, limit), rows, columns), mean_of(mean, rows, columns)
    box = (config.light, config.light)
    d1, m1, dm, mm = (cv2.blur(plane, box) for plane in (d, m, d * m, m * m))
    gain = (dm - d1 * m1) / (np.maximum(mm - m1 * m1, 0) + np.float32(TEXTURE))
    return np.stack([gain, d1 - gain * m1])


def solve(
    a: Array, b: Array, c: Array, target: Array, flow: Array, smoothness: float, omegas: Array
) -> Array:
    """The field with (a u + b v, b u + c v) = target and little total variation.

    Parameters
    ----------
    a, b, c : (rows, columns)
    target, flow : (2, rows, columns); the flow tells where the field may have edges

    Returns
    -------
    (2, rows, columns)
    """
    rows, columns = a.shape
    field = np.zeros((2, rows + 2, columns + 2), np.float32)  # with a border that no tie reaches
    field[:, 1:-1, 1:-1] = flow
    across = np.zeros((rows + 2, columns + 1), np.float32)  # ties to the right
    down = np.zeros((rows + 1, columns + 2), np.float32)  # ties to below
    bend = BEND * CELL
    ties(field, np.float32(smoothness / (bend * CELL)), np.float32(1 / bend**2), across, down)
    chebyshev(a, b, c, *target, across, down, *field, omegas)
    return np.ascontiguousarray(field[:, 1:-1, 1:-1])


def noise_of(rest: Array) -> float:
    """Standard deviation of the noise in a residual, from the median of every 16th pixel."""
    sample = np.abs(rest[::4, ::4]).ravel()
    middle = len(sample) // 2
    return max(1.4826 * float(np.partition(sample, middle)[middle]), QUIET)


def cells(plane: Array) -> tuple[int, int]:
    """Rows and columns of cells."""
    return plane.shape[0] // CELL, plane.shape[1] // CELL


def mean_of(plane: Array, rows: int, columns: int) -> Array:
    """A plane averaged down to a whole fraction of its size."""
    return cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA)


def resized(
    planes: Array, rows: int, columns: int, out: Array | None = None, how: int = cv2.INTER_LINEAR
) -> Array:
    """(2, …) planes at another size."""
    out = np.empty((2, rows, columns), np.float32) if out is None else out
    for plane, into in zip(planes, out, strict=True):
        cv2.resize(plane, (columns, rows), dst=into, interpolation=how)
    return out


# The kernels. No fast-math: the same bytes on every run.


@kernel(error_model="numpy")
def equations(mean, rest, scale, gamma, out):  # type: ignore[no-untyped-def]
    """Cell means of ∇I ∇Iᵀ and ∇I·I_t, of brightness and of both its derivatives.

    Weights are of Charbonnier's penalty. The outer 2 px, where derivatives miss a neighbour and
    the apex may be unseen, say nothing.
    """
    height, width = mean.shape
    rows, columns = out.shape[1:]
    sharp = ONE / (scale * scale)
    sums = np.empty((5, width), np.float32)
    a, b, c, p, q = sums
    for row in range(rows):
        sums[:] = 0
        for i in range(max(CELL * row, 2), min(CELL * row + CELL, height - 2)):
            m0, m1, m2, m3, m4 = mean[i - 2], mean[i - 1], mean[i], mean[i + 1], mean[i + 2]
            r1, r2, r3 = rest[i - 1], rest[i], rest[i + 1]
            for j in range(2, width - 2):
                x = HALF * (m2[j + 1] - m2[j - 1])
                y = HALF * (m3[j] - m1[j])
                xx = QUARTER * (m2[j + 2] - TWO * m2[j] + m2[j - 2])
                xy = QUARTER * (m3[j + 1] - m3[j - 1] - m1[j + 1] + m1[j - 1])
                yy = QUARTER * (m4[j] - TWO * m2[j] + m0[j])
                t = r2[j]
                xt = HALF * (r2[j + 1] - r2[j - 1])
                yt = HALF * (r3[j] - r1[j])
                w = ONE / np.sqrt(ONE + sharp * t * t)
                g = gamma / np.sqrt(ONE + sharp * (xt * xt + yt * yt))
                a[j] += w * x * x + g * (xx * xx + xy * xy)
                b[j] += w * x * y + g * (xx * xy + xy * yy)
                c[j] += w * y * y + g * (xy * xy + yy * yy)
                p[j] += w * x * t + g * (xx * xt + xy * yt)
                q[j] += w * y * t + g * (xy * xt + yy * yt)
        for term in range(5):
            for column in range(columns):
                total = ZERO
                for j in range(CELL * column, CELL * column + CELL):
                    total += sums[term, j]
                out[term, row, column] = PER_CELL * total


@kernel(error_model="numpy")
def ties(field, strength, sharp, across, down):  # type: ignore[no-untyped-def]
    """How much neighbouring cells are held together: strength / √(1 + sharp·|∇field|²)."""
    u, v = field
    bottom, right = u.shape[0] - 2, u.shape[1] - 2
    for i in range(1, bottom + 1):
        n, s = max(i - 1, 1), min(i + 1, bottom)
        for j in range(1, right):
            ux, vx = u[i, j + 1] - u[i, j], v[i, j + 1] - v[i, j]
            uy = QUARTER * (u[s, j] + u[s, j + 1] - u[n, j] - u[n, j + 1])
            vy = QUARTER * (v[s, j] + v[s, j + 1] - v[n, j] - v[n, j + 1])
            square = ux * ux + uy * uy + vx * vx + vy * vy
            across[i, j] = strength / np.sqrt(ONE + sharp * square)
    for i in range(1, bottom):
        for j in range(1, right + 1):
            w, e = max(j - 1, 1), min(j + 1, right)
            uy, vy = u[i + 1, j] - u[i, j], v[i + 1, j] - v[i, j]
            ux = QUARTER * (u[i, e] + u[i + 1, e] - u[i, w] - u[i + 1, w])
            vx = QUARTER * (v[i, e] + v[i + 1, e] - v[i, w] - v[i + 1, w])
            square = ux * ux + uy * uy + vx * vx + vy * vy
            down[i, j] = strength / np.sqrt(ONE + sharp * square)


@kernel(error_model="numpy")
def chebyshev(a, b, c, f, g, across, down, u, v, omegas):  # type: ignore[no-untyped-def]
    """Jacobi's iteration, accelerated (Golub and Varga, 1961): no order, so it vectorises.

    Parameters
    ----------
    a, b, c, f, g : (rows, columns) of the equations a u + b v = f, b u + c v = g
    across, down : from `ties`
    u, v : (rows + 2, columns + 2) start, changed into the result
    omegas : even in number, from `over_relaxations`
    """
    rows, columns = a.shape
    aa, bb, cc = np.empty_like(a), np.empty_like(a), np.empty_like(a)  # inverse of the diagonal
    for i in range(rows):
        for j in range(columns):
            held = across[i + 1, j] + across[i + 1, j + 1] + down[i, j + 1] + down[i + 1, j + 1]
            p, q, r = a[i, j] + held, b[i, j], c[i, j] + held
            over = ONE / (p * r - q * q)
            aa[i, j], bb[i, j], cc[i, j] = r * over, -q * over, p * over
    p, q = u.copy(), v.copy()
    for k in range(0, len(omegas), 2):
        relax(aa, bb, cc, f, g, across, down, u, v, p, q, omegas[k])
        relax(aa, bb, cc, f, g, across, down, p, q, u, v, omegas[k + 1])


@kernel(error_model="numpy")
def relax(aa, bb, cc, f, g, across, down, u, v, p, q, omega):  # type: ignore[no-untyped-def]
    """Draw p, q towards, and for omega > 1 beyond, what the neighbours in u, v ask for."""
    rows, columns = f.shape
    for i in range(rows):
        for j in range(columns):
            w, e = across[i + 1, j], across[i + 1, j + 1]
            n, s = down[i, j + 1], down[i + 1, j + 1]
            x = (
                f[i, j]
                + w * u[i + 1, j]
                + e * u[i + 1, j + 2]
                + n * u[i, j + 1]
                + s * u[i + 2, j + 1]
            )
            y = (
                g[i, j]
                + w * v[i + 1, j]
                + e * v[i + 1, j + 2]
                + n * v[i, j + 1]
                + s * v[i + 2, j + 1]
            )
            p[i + 1, j + 1] += omega * (aa[i, j] * x + bb[i, j] * y - p[i + 1, j + 1])
            q[i + 1, j + 1] += omega * (bb[i, j] * x + cc[i, j] * y - q[i + 1, j + 1])
