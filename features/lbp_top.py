"""LBP-TOP: textures of a clip in space and in time, as histograms.

Zhao and Pietikäinen, "Dynamic texture recognition using local binary patterns with an
application to facial expressions", IEEE PAMI 29(6), 2007: local binary patterns on three
orthogonal planes; the uniform patterns of Ojala, Pietikäinen and Mäenpää, PAMI 24(7), 2002.
Radius 1 on every axis, 8 neighbours.
"""

from dataclasses import dataclass

import numpy as np

from features.base import Array, Feature
from features.cells import check_grid, part_of
from features.kernel import kernel
from features.light import grey

PLANES = ("XY", "XT", "YT")
LABELS = 59  # 58 uniform patterns, and one for all others
SLANT = np.float32(0.5**0.5)  # how far a diagonal neighbour lies along each axis, px or frames
NEARER = np.float32(1 - 0.5**0.5)


@dataclass(frozen=True, slots=True)
class LbpTopConfig:
    """The cells that have histograms of their own; 5 × 5 as Yan et al. (CASME II, 2014)."""

    rows: int = 5
    columns: int = 5

    def __post_init__(self) -> None:
        check_grid(self.rows, self.columns)


def lbp_top(clip: Array, config: LbpTopConfig) -> Array:
    """Histograms of uniform local binary patterns on the planes XY, XT and YT.

    A neighbour's bit is 1 if it is no darker than the centre. Diagonal neighbours lie on the
    circle, between pixels, and are interpolated (some ports round them to pixels instead). A
    plane is seen with its first axis rightward and its second downward, so that above is the
    frame before in XT and YT; bit 0 is the neighbour on the right, the next ones go over the top.
    Centres are the pixels that have all neighbours in all planes: none at a border of the
    picture, none of the first and last frame.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8 RGB, or float32 in grey levels

    Returns
    -------
    (rows, columns, 3, 59) float32, shares of pixels
        Cell, plane, pattern; each histogram sums to 1. Patterns 0 … 57 are the uniform codes,
        ascending; 58 is any other.

    Raises
    ------
    ValueError
        If the clip is not (T, H, W, 3), has fewer than three frames, which leaves no plane of
        time, or fewer pixels than cells. (A histogram left empty instead would tell a learner
        how short the clip is.)
    """
    if clip.ndim != 4 or clip.shape[3] != 3 or len(clip) < 3:
        raise ValueError(f"clip is {clip.shape}; expected (T, H, W, 3) of three frames or more")
    greys = grey(clip)
    height, width = greys.shape[1:]
    counts = np.zeros((config.rows, config.columns, len(PLANES), LABELS), np.int64)
    _count(
        greys,
        part_of(height - 2, config.rows),
        part_of(width - 2, config.columns),
        _uniform(),
        counts,
    )
    return (counts / counts.sum(axis=-1, keepdims=True)).astype(np.float32)


def _uniform() -> Array:
    """(256,) code -> label: one of its own if the ring of bits changes at most twice."""
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) <= 2
    labels = np.full(256, LABELS - 1)
    labels[uniform] = np.arange(LABELS - 1)
    return labels


# The kernels. No fast-math: the same bytes on every run.


@kernel()
def _count(greys, row_of, column_of, labels, counts):  # type: ignore[no-untyped-def]
    """Add every centre to counts[row, column, plane, label]; row_of and column_of are theirs."""
    codes = np.empty((3, column_of.size), np.uint8)
    for t in range(1, len(greys) - 1):
        before, now, after = greys[t - 1], greys[t], greys[t + 1]
        for i in range(row_of.size):
            y = i + 1
            _codes_across(now[y - 1], now[y], now[y + 1], codes[0])
            _codes_across(before[y], now[y], after[y], codes[1])
            _codes(
                now[y, 1:-1], now[y + 1, 1:-1], before[y + 1, 1:-1], before[y, 1:-1],
                before[y - 1, 1:-1], now[y - 1, 1:-1], after[y - 1, 1:-1], after[y, 1:-1],
                after[y + 1, 1:-1], codes[2],
            )  # fmt: skip
            for plane in range(3):
                for j in range(column_of.size):
                    counts[row_of[i], column_of[j], plane, labels[codes[plane, j]]] += 1


@kernel()
def _codes_across(top, row, bottom, out):  # type: ignore[no-untyped-def]
    """Codes of a row's inner pixels in the plane of three rows along x."""
    _codes(
        row[1:-1], row[2:], top[2:], top[1:-1], top[:-2], row[:-2], bottom[:-2], bottom[1:-1],
        bottom[2:], out,
    )  # fmt: skip


@kernel()
def _codes(centre, e, ne, n, nw, w, sw, s, se, out):  # type: ignore[no-untyped-def]
    """Codes of a row of centres, given the rows of their eight neighbours."""
    for j in range(out.size):
        c = centre[j]
        east, north, west, south = e[j] - c, n[j] - c, w[j] - c, s[j] - c
        code = np.uint8(east >= 0)
        code |= np.uint8(_diagonal(east, north, ne[j] - c) >= 0) << np.uint8(1)
        code |= np.uint8(north >= 0) << np.uint8(2)
        code |= np.uint8(_diagonal(north, west, nw[j] - c) >= 0) << np.uint8(3)
        code |= np.uint8(west >= 0) << np.uint8(4)
        code |= np.uint8(_diagonal(west, south, sw[j] - c) >= 0) << np.uint8(5)
        code |= np.uint8(south >= 0) << np.uint8(6)
        code |= np.uint8(_diagonal(south, east, se[j] - c) >= 0) << np.uint8(7)
        out[j] = code


@kernel()
def _diagonal(side, other, corner):  # type: ignore[no-untyped-def]
    """What is interpolated at (√½, √½), less the centre, over √½.

    Of differences to the centre, so that on an even area rounding has no say.
    """
    return SLANT * corner + NEARER * (side + other)


FEATURE = Feature(
    lbp_top,
    LbpTopConfig,
    needs=("clip",),
    units="share of pixels",
    axes="row column plane pattern",
    convention="planes XY, XT, YT; patterns 0 .. 57 uniform codes ascending, 58 others",
    revision=1,
    sensitive=True,  # such histograms tell faces apart
)
