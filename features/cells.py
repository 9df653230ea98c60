"""Cells: a crop cut into a grid, and directions cut into sectors.

Not a feature but what histograms and statistics of regions begin with.
"""

import numpy as np

from features.base import Array


def check_grid(rows: int, columns: int) -> None:
    """ValueError unless there is at least one row and one column."""
    if rows < 1 or columns < 1:
        raise ValueError(f"the grid is {rows} × {columns}; expected at least 1 × 1")


def part_of(length: int, parts: int) -> Array:
    """Which of the parts of a side each of its pixels is in.

    Returns
    -------
    (length,) int64, 0 … parts - 1
        Ascending; parts are as even as whole pixels allow, and none is empty.

    Raises
    ------
    ValueError
        If there are more parts than pixels.
    """
    if parts > length:
        raise ValueError(f"{length} px cannot be cut into {parts} parts")
    return np.arange(length) * parts // length


def cell_of(shape: tuple[int, ...], rows: int, columns: int) -> Array:
    """Which cell each pixel of an (H, W) picture is in, row by row: (H, W) int64."""
    height, width = shape
    return part_of(height, rows)[:, None] * columns + part_of(width, columns)


def sectors(flow: Array, count: int) -> Array:
    """Which of the equal sectors of the circle each vector points into.

    Sector 0 is centred on rightward, the next ones follow towards downward: motion along an axis
    of the picture is never torn apart by noise around a sector's edge.

    Parameters
    ----------
    flow : (2, H, W), u rightward and v downward

    Returns
    -------
    (H, W) int64
    """
    u, v = flow
    turns = np.arctan2(v, u) / (2 * np.pi)
    return np.floor(count * turns + 0.5).astype(np.int64) % count


def check_flow(flow: Array) -> None:
    """ValueError unless an array is one flow, (2, H, W)."""
    if flow.ndim != 3 or len(flow) != 2:
        raise ValueError(f"flow has shape {flow.shape}; expected (2, H, W)")
