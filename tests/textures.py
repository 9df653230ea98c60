"""A texture that moves by a known amount."""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

SIZE = 128  # px
STILL = np.array([[1.0, 0, 0], [0, 1, 0]])


def motion(dx: float = 0, dy: float = 0, turn: float = 0, stretch: float = 0) -> np.ndarray:
    """(2, 3): where (x, y) from the middle goes; a turn in radians, a stretch along x."""
    c, s = np.cos(turn), np.sin(turn)
    return np.array([[c * (1 + stretch), -s, dx], [s * (1 + stretch), c, dy]])


def truth(matrix: np.ndarray) -> np.ndarray:
    """(2, SIZE, SIZE) px: the flow of a motion."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return np.tensordot(matrix - STILL, np.stack([x, y, np.ones_like(x)]), 1)


def clip(*motions: np.ndarray, noise: float = 0) -> np.ndarray:
    """(T, SIZE, SIZE) float32 grey levels: a texture (3 px fine) moved, each frame off the grid."""
    rng = np.random.default_rng(3)
    picture = gaussian_filter(rng.standard_normal((SIZE + 40, SIZE + 40)), 3)
    picture = 128 + 40 * picture / picture.std()
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    frames = []
    for matrix in motions:
        seen = np.stack([x, y], -1) - matrix[:, 2]
        sx, sy = np.moveaxis(seen @ np.linalg.inv(matrix[:, :2]).T, -1, 0) + SIZE / 2 + 20.3
        frames.append(map_coordinates(picture, [sy, sx], order=5))
    shown = np.stack(frames) + noise * rng.standard_normal((len(motions), SIZE, SIZE))
    return shown.clip(0, 255).astype(np.float32)


def rgb(greys: np.ndarray) -> np.ndarray:
    """(T, H, W, 3) uint8 of grey frames."""
    return np.repeat(np.rint(greys).astype(np.uint8)[..., None], 3, axis=-1)


def inner(flow: np.ndarray) -> np.ndarray:
    """Without the 16 px at the border, where what moves out of sight cannot be followed."""
    return flow[..., 16:-16, 16:-16]


def error(flow: np.ndarray, true: np.ndarray) -> float:
    """Mean end-point error inside, px."""
    return float(np.hypot(*inner(flow - true)).mean())
