"""HOOF: which way and how much the parts of a face move, as histograms.

Chaudhry, Ravichandran, Hager and Vidal, "Histograms of oriented optical flow and Binet-Cauchy
kernels on nonlinear dynamical systems for the recognition of human actions", CVPR 2009.
"""

from dataclasses import dataclass

import numpy as np

from features.base import Array, Feature
from features.cells import cell_of, check_flow, check_grid, sectors
from features.console import one_of

NORMS = ("cell", "face")


@dataclass(frozen=True, slots=True)
class HoofConfig:
    """Bins, and the cells that have a histogram each.

    Parameters
    ----------
    symmetric
        True, the paper's: bins of the angle to the horizontal, -π/2 to π/2, so that leftward and
        rightward motion count alike; bin 0 is upmost, the last one downmost. False, ours: bins
        of the whole circle, bin 0 centred on rightward, the next ones towards downward.
    rows, columns
        Of the grid. Ours: the paper has one histogram a frame.
    norm
        "cell", the paper's: each histogram sums to 1. "face", ours: all together sum to 1, so
        that a cell where only noise moves stays small.
    """

    bins: int = 8
    symmetric: bool = True
    rows: int = 5
    columns: int = 5
    norm: str = "cell"

    def __post_init__(self) -> None:
        if self.bins < 1:
            raise ValueError(f"bins is {self.bins}; expected 1 or more")
        one_of("norm", self.norm, NORMS)
        check_grid(self.rows, self.columns)


def hoof(flow: Array, config: HoofConfig) -> Array:
    """Histograms of a flow's orientation, each pixel weighted by the length of its motion.

    Parameters
    ----------
    flow : (2, H, W) float32, px
        flow[0] = u, rightward; flow[1] = v, downward.

    Returns
    -------
    (rows, columns, bins) float32, shares of motion
        A cell where nothing moves is 0 in every bin.

    Raises
    ------
    ValueError
        If flow is not (2, H, W), or has fewer pixels than cells.
    """
    check_flow(flow)
    cell = cell_of(flow.shape[1:], config.rows, config.columns)
    which = (_half_sectors if config.symmetric else sectors)(flow, config.bins)
    shape = (config.rows, config.columns, config.bins)
    where, length = (cell * config.bins + which).ravel(), np.hypot(*flow).ravel()
    motion = np.bincount(where, length, minlength=np.prod(shape)).reshape(shape)
    total = motion.sum() if config.norm == "face" else motion.sum(axis=-1, keepdims=True)
    return (motion / np.where(total > 0, total, 1)).astype(np.float32)


def _half_sectors(flow: Array, count: int) -> Array:
    """Sectors of the half circle of (|u|, v), from upward to downward, which closes the last."""
    u, v = flow
    share = np.arctan2(v, np.abs(u)) / np.pi + 0.5
    return np.minimum((count * share).astype(np.int64), count - 1)


FEATURE = Feature(
    hoof,
    HoofConfig,
    needs=("flow",),
    units="share of motion",
    axes="row column bin",
    convention="symmetric: bin 0 upward to last downward; else bin 0 rightward, then clockwise",
    revision=1,
)
