"""MDMO: the main direction of each region, and how far it moves that way.

Liu, Zhang, Yan, Wang, Zhao and Fu, "A main directional mean optical-flow feature for spontaneous
micro-expression recognition", IEEE Transactions on Affective Computing 7(4), 2016.

Differences from the paper, all ours: the regions are cells of the aligned crop, 6 × 6 to be as
many as its 36 polygons between 66 landmarks; the flow is the one from onset to apex and not a
mean over frames; a cell's vector is u and v in px and not a magnitude divided by the greatest
beside an angle, which would leap at ±π (the feature `polar` makes these of it).
"""

from dataclasses import dataclass

import numpy as np

from features.base import Array, Feature
from features.cells import cell_of, check_flow, check_grid, sectors


@dataclass(frozen=True, slots=True)
class MdmoConfig:
    """How finely directions are told apart, and the cells."""

    bins: int = 8  # sectors of the circle, the first centred on rightward
    rows: int = 6
    columns: int = 6

    def __post_init__(self) -> None:
        if self.bins < 1:
            raise ValueError(f"bins is {self.bins}; expected 1 or more")
        check_grid(self.rows, self.columns)


def mdmo(flow: Array, config: MdmoConfig) -> Array:
    """Mean of those vectors of a cell that point into the sector where most of them point.

    Pixels are counted, however long their vectors; those that do not move have no direction and
    are left out. Of sectors with as many pixels the first counts, clockwise from rightward.

    Parameters
    ----------
    flow : (2, H, W) float32, px
        flow[0] = u, rightward; flow[1] = v, downward.

    Returns
    -------
    (2, rows, columns) float32, px
        A flow of cells; 0 in a cell where nothing moves.

    Raises
    ------
    ValueError
        If flow is not (2, H, W), or has fewer pixels than cells.
    """
    check_flow(flow)
    u, v = flow
    cell = cell_of(u.shape, config.rows, config.columns)
    where = (cell * config.bins + sectors(flow, config.bins)).ravel()
    shape = (config.rows * config.columns, config.bins)
    counts, *sums = (
        np.bincount(where, weights.ravel(), minlength=np.prod(shape)).reshape(shape)
        for weights in ((u != 0) | (v != 0), u, v)
    )
    main = (np.arange(len(counts)), counts.argmax(axis=1))
    means = [total[main] / np.maximum(counts[main], 1) for total in sums]
    return np.array(means, np.float32).reshape(2, config.rows, config.columns)


FEATURE = Feature(
    mdmo,
    MdmoConfig,
    needs=("flow",),
    units="px",
    axes="channel row column",
    convention="channel 0 = u rightward, 1 = v downward: mean vector of the main direction",
    revision=1,
)
