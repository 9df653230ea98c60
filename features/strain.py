"""Optical strain: how much the skin is deformed from the onset to the apex.

Shreve, Godavarthy, Goldgof and Sarkar, "Macro- and micro-expression spotting in long videos
using spatio-temporal strain", FG 2011; the magnitude as Liong et al. (STSTNet, FG 2019) use it,
with the shear's cross term that several public ports drop. What those ports compute instead is
here by name, so that inputs made with them can be made again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from features.base import Array, Feature
from features.console import one_of
from features.kernel import kernel


@dataclass(frozen=True, slots=True)
class StrainConfig:
    """What is done to the flow before and after it is differentiated, and how it is.

    Parameters
    ----------
    variant
        "infinitesimal": the formula of `strain`, by central differences, one-sided at borders.
        The others are published code, faults and all, and smoothed nothing: give sigma = 0.
        "forward": the formula by differences to the next pixel, the last row and column repeated
        (SoftNet, MEAN, scripts around HTNet).
        "wrapped": the formula by differences to the pixel before, the first row and column from
        the far side of the picture (np.roll; code that also rounded the flow to 8 bits first).
        "meb": Sobel sums, 8 times a difference, zeros outside; x and y exchanged and no cross
        term, √(u_y² + v_x² + ½(u_x² + v_y²)) (tvaranka/meb).
        "exchanged": central differences, x and y exchanged, √(u_y² + v_x² + ¼(u_x + v_y)²)
        (as passed around in STSTNet's issue 8).
    gate_low, gate_high
        Liong et al., "Subtle expression recognition using optical strain weighted features",
        ACCV workshops 2014: strain in the lowest and highest share of a sample's range is noise
        and becomes 0. Of one sample's extremes: a single bad pixel moves both thresholds.
    """

    sigma: float = 1.0  # px, Gaussian smoothing of u and v; 0 = none
    variant: str = "infinitesimal"
    gate_low: float = 0.0  # share of the range, ρ_l; 0 = none
    gate_high: float = 0.0  # share of the range, ρ_u; 0 = none

    def __post_init__(self) -> None:
        if not 0 <= self.sigma <= 16:
            raise ValueError(f"sigma is {self.sigma} px; expected 0 to 16")
        one_of("variant", self.variant, VARIANTS)
        if min(self.gate_low, self.gate_high) < 0 or self.gate_low + self.gate_high >= 1:
            raise ValueError(
                f"gates are {self.gate_low} and {self.gate_high}; expected shares of the range"
                " that leave some of it"
            )


def strain(flow: Array, config: StrainConfig) -> Array:
    """Magnitude of the infinitesimal strain tensor, √(u_x² + v_y² + ½(u_y + v_x)²).

    Parameters
    ----------
    flow : (…, 2, H, W) float32, px
        flow[…, 0, :, :] = u, rightward; flow[…, 1, :, :] = v, downward.

    Returns
    -------
    (…, 1, H, W) float32, px/px
        Never negative; 0 for a translation and, to first order, for a rotation.

    Raises
    ------
    ValueError
        If flow is not (…, 2, H, W), or smaller than 2 × 2 px.
    """
    if flow.ndim < 3 or flow.shape[-3] != 2 or min(flow.shape[-2:]) < 2:
        raise ValueError(f"flow has shape {flow.shape}; expected (…, 2, H, W), 2 px at least")
    height, width = flow.shape[-2:]
    planes = np.ascontiguousarray(flow, np.float32).reshape(-1, height, width)
    if config.sigma:
        rough, planes = planes, np.empty_like(planes)
        _smooth(rough, _half_gaussian(config.sigma), planes)
    found = np.empty((len(planes) // 2, height, width), np.float32)
    for u, v, magnitude in zip(planes[::2], planes[1::2], found, strict=True):
        VARIANTS[config.variant](u, v, magnitude)
        if config.gate_low or config.gate_high:
            _gate(magnitude, config.gate_low, config.gate_high)
    return found.reshape(*flow.shape[:-3], 1, height, width)


@cache
def _half_gaussian(sigma: float) -> tuple[np.float32, ...]:
    """Weights at 0, 1, … px to four sigma, their mirrored whole summing to 1."""
    radius = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    return tuple((weights / (weights[0] + 2 * weights[1:].sum())).astype(np.float32))


def _forward(u: Array, v: Array, out: Array) -> None:
    (u_x, u_y), (v_x, v_y) = ((np.diff(w, axis=1)[:-1], np.diff(w, axis=0)[:, :-1]) for w in (u, v))
    inside = np.sqrt(u_x**2 + v_y**2 + (u_y + v_x) ** 2 / 2)
    out[:] = np.pad(inside, ((0, 1), (0, 1)), mode="edge")


def _wrapped(u: Array, v: Array, out: Array) -> None:
    (u_x, u_y), (v_x, v_y) = (
        (w - np.roll(w, 1, axis=1), w - np.roll(w, 1, axis=0)) for w in (u, v)
    )
    np.sqrt(u_x**2 + v_y**2 + (u_y + v_x) ** 2 / 2, out=out)


def _meb(u: Array, v: Array, out: Array) -> None:
    from scipy.ndimage import sobel  # 0.2 s to load, and rarely wanted

    (u_x, u_y), (v_x, v_y) = (
        (sobel(w, 1, mode="constant"), sobel(w, 0, mode="constant")) for w in (u, v)
    )
    np.sqrt(u_y**2 + v_x**2 + (u_x**2 + v_y**2) / 2, out=out)


def _exchanged(u: Array, v: Array, out: Array) -> None:
    (u_y, u_x), (v_y, v_x) = (np.gradient(w) for w in (u, v))
    np.sqrt(u_y**2 + v_x**2 + (u_x + v_y) ** 2 / 4, out=out)


def _gate(magnitude: Array, low: float, high: float) -> None:
    """T_l = e_min + ρ_l(e_max - e_min), T_u = e_max - ρ_u(e_max - e_min); 0 outside, in place."""
    least, most = float(magnitude.min()), float(magnitude.max())
    spread = most - least
    magnitude[(magnitude < least + low * spread) | (magnitude > most - high * spread)] = 0


# The kernels. No fast-math: the same bytes on every run. Unsigned indices, and weights in a tuple
# whose length the compiler knows, make the inner loops straight vector code.


@kernel()
def _smooth(planes, weights, out):  # type: ignore[no-untyped-def]
    """Separable Gaussian; beyond a border the picture is mirrored, its last pixel repeated."""
    count, height, width = planes.shape
    reach = len(weights) - 1
    around = np.empty((2 * reach + 1, width), np.float32)
    row = np.empty(width + 2 * reach, np.float32)
    middle = row[reach : reach + width]
    for n in range(count):
        plane = planes[n]
        for i in range(height):
            if reach <= i < height - reach:
                _blur_down(plane[i - reach : i + reach + 1], weights, middle)
            else:
                for k in range(2 * reach + 1):
                    y = _mirrored(i + k - reach, height)
                    for j in range(width):  # a slice would double the time to compile
                        around[k, j] = plane[y, j]
                _blur_down(around, weights, middle)
            for k in range(1, reach + 1):
                row[reach - k] = middle[_mirrored(-k, width)]
                row[reach + width - 1 + k] = middle[_mirrored(width - 1 + k, width)]
            _blur_across(row, weights, out[n, i])


@kernel()
def _mirrored(i, length):  # type: ignore[no-untyped-def]
    while i < 0 or i >= length:
        i = -1 - i if i < 0 else 2 * length - 1 - i
    return i


@kernel()
def _blur_down(rows, weights, out):  # type: ignore[no-untyped-def]
    """(2·reach + 1, W) rows -> their weighted mean, (W,)."""
    reach = np.uintp(len(weights) - 1)
    for j in range(np.uintp(out.size)):
        total = weights[0] * rows[reach, j]
        for k in range(np.uintp(1), reach + np.uintp(1)):
            total += weights[k] * (rows[reach - k, j] + rows[reach + k, j])
        out[j] = total


@kernel()
def _blur_across(row, weights, out):  # type: ignore[no-untyped-def]
    """(W + 2·reach,) row -> weighted mean around each of its W middle pixels."""
    reach = np.uintp(len(weights) - 1)
    for j in range(np.uintp(out.size)):
        total = weights[0] * row[j + reach]
        for k in range(np.uintp(1), reach + np.uintp(1)):
            total += weights[k] * (row[j + reach - k] + row[j + reach + k])
        out[j] = total


@kernel()
def _infinitesimal(u, v, out):  # type: ignore[no-untyped-def]
    height, width = u.shape
    half, last = np.float32(0.5), width - 1
    for i in range(height):
        above, below = max(i - 1, 0), min(i + 1, height - 1)
        per_y = np.float32(1 / (below - above))
        for j in range(1, last):
            u_x, u_y = half * (u[i, j + 1] - u[i, j - 1]), per_y * (u[below, j] - u[above, j])
            v_x, v_y = half * (v[i, j + 1] - v[i, j - 1]), per_y * (v[below, j] - v[above, j])
            out[i, j] = _magnitude(u_x, u_y, v_x, v_y)
        for j, left, right in ((0, 0, 1), (last, last - 1, last)):
            u_x, u_y = u[i, right] - u[i, left], per_y * (u[below, j] - u[above, j])
            v_x, v_y = v[i, right] - v[i, left], per_y * (v[below, j] - v[above, j])
            out[i, j] = _magnitude(u_x, u_y, v_x, v_y)


@kernel()
def _magnitude(u_x, u_y, v_x, v_y):  # type: ignore[no-untyped-def]
    shear = u_y + v_x
    return np.sqrt(u_x * u_x + v_y * v_y + np.float32(0.5) * shear * shear)


# What is called as measure((H, W) u, (H, W) v, (H, W) out).
VARIANTS: dict[str, Callable[[Array, Array, Array], None]] = {
    "infinitesimal": _infinitesimal,
    "forward": _forward,
    "wrapped": _wrapped,
    "meb": _meb,
    "exchanged": _exchanged,
}

FEATURE = Feature(
    strain,
    StrainConfig,
    needs=("flow",),
    units="px/px",
    axes="channel y x",
    convention="sqrt(u_x^2 + v_y^2 + (u_y + v_x)^2 / 2), unless config names a variant",
    revision=2,
)
