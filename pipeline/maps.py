"""Affine maps of the plane: (2, 3) matrices on (x, y) px, pixel centres on whole numbers."""

import numpy as np

from features.base import Array


def invert(matrix: Array) -> Array:
    """The map that undoes one."""
    (a, b, _), (c, d, _) = matrix
    linear = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def after(second: Array, first: Array) -> Array:
    """The map that does `first`, then `second`."""
    shift = second[:, :2] @ first[:, 2] + second[:, 2]
    return np.column_stack([second[:, :2] @ first[:, :2], shift])


def moved(matrix: Array, points: Array) -> Array:
    """(…, 2) points after a map."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def scale_of(matrix: Array) -> float:
    """By how much a map enlarges lengths."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
