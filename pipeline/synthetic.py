"""Faces that move by a known amount: the renderer behind the demo dataset.

A face is a still picture in *face coordinates*. A frame shows it moved twice: by an expression
p → p + a·d(p), then by a pose, a similarity. Both are formulas, so the true flow between two
frames is a formula too, and frames are drawn by the inverse of the very field that is reported.
Coordinates are (x, y) in px, x rightward, y downward, pixel centres on whole numbers.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from features.base import Array
from features.kernel import kernel
from pipeline.maps import invert, moved

HEIGHT, WIDTH = 360, 320  # px of a frame
CENTRE = (160.0, 186.0)  # of the face in the frame
MARGIN = 16  # px of face picture beyond the frame, so that motion never shows an edge
FACE_HEIGHT = 250.0  # px from hairline to chin

# Where things are in scikit-image's astronaut (NASA, public domain), px of that picture.
PORTRAIT_CENTRE, PORTRAIT_FACE_HEIGHT = (224.5, 124.6), 106.2
SCALE = FACE_HEIGHT / PORTRAIT_FACE_HEIGHT

# Each action unit: bumps (x, y, radius_x, radius_y, dx, dy) on one side of a face of the size
# above, origin at its centre, x away from the midline; the other side is its mirror image.
# Radii and directions are ours: smooth, AU-like, not anatomy.
ACTION_UNITS: dict[int, tuple[tuple[float, ...], ...]] = {
    1: ((22, -66, 36, 34, 0.0, -1.0),),  # inner brow raiser
    2: ((66, -66, 40, 34, 0.1, -0.9),),  # outer brow raiser
    4: ((26, -60, 40, 34, -0.5, 0.8),),  # brow lowerer
    6: ((62, 4, 42, 36, 0.0, -0.6),),  # cheek raiser
    9: ((16, -8, 26, 36, 0.0, -0.8),),  # nose wrinkler
    10: ((18, 38, 28, 26, 0.0, -0.8),),  # upper lip raiser
    12: ((42, 52, 40, 36, 0.7, -0.8),),  # lip corner puller
    15: ((42, 56, 38, 36, 0.1, 1.0),),  # lip corner depressor
    17: ((14, 92, 40, 32, 0.0, -0.8),),  # chin raiser
    26: ((16, 96, 54, 44, 0.0, 0.9),),  # jaw drop
}


@dataclass(frozen=True, slots=True)
class Pose:
    """A similarity of the whole face: scale and turn about the face's centre, then shift."""

    dx: float = 0.0  # px
    dy: float = 0.0
    degrees: float = 0.0  # clockwise as seen, since y is downward
    scale: float = 1.0

    def matrix(self) -> Array:
        """(2, 3): face coordinates -> frame coordinates."""
        turn = math.radians(self.degrees)
        c, s = self.scale * math.cos(turn), self.scale * math.sin(turn)
        linear = np.array([[c, -s], [s, c]])
        centre = np.array(CENTRE)
        return np.column_stack([linear, centre - linear @ centre + (self.dx, self.dy)])


def pixels() -> Array:
    """(H, W, 2) the coordinates of every pixel of a frame."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    return np.stack([x, y], axis=-1)


def bumps(weights: dict[int, tuple[float, float]], peak_px: float, jitter: Array) -> Array:
    """An expression as (K, 6) bumps whose greatest displacement is `peak_px`.

    Parameters
    ----------
    weights : action unit -> strength on the (left, right) side of the picture
    jitter : (2,) px by which this clip's muscles lie elsewhere
    """
    rows = [
        (
            CENTRE[0] + side * x + jitter[0],
            CENTRE[1] + y + jitter[1],
            rx,
            ry,
            side * dx * strength,
            dy * strength,
        )
        for unit, strengths in weights.items()
        for x, y, rx, ry, dx, dy in ACTION_UNITS[unit]
        for side, strength in zip((-1, 1), strengths, strict=True)
    ]
    field = np.array(rows)
    greatest = np.hypot(*np.moveaxis(displacement(pixels(), field), -1, 0)).max()
    field[:, 4:] *= peak_px / greatest
    return field


def scaled(field: Array, gain: float) -> Array:
    """The same expression, its displacement times a gain: 0 is neutral, 1 the apex."""
    field = field.copy()
    field[:, 4:] *= gain
    return field


def displacement(points: Array, field: Array) -> Array:
    """The expression's displacement d(p) in px at (…, 2) points in face coordinates."""
    flat = np.ascontiguousarray(points, np.float64).reshape(-1, 2)
    out = np.empty_like(flat)
    _displace_all(flat, field, out)
    return out.reshape(points.shape)


def true_flow(onset: Pose, apex: Pose, field: Array, points: Array) -> Array:
    """Where points of the onset frame have gone in the apex frame, minus where they were.

    Parameters
    ----------
    field : (K, 6) the expression at the apex; at the onset there is none
    points : (…, 2) px in the onset frame

    Returns
    -------
    (…, 2) px, u rightward and v downward; exact to rounding.
    """
    face = moved(invert(onset.matrix()), points)
    return moved(apex.matrix(), face + displacement(face, field)) - points


def face_points(pose: Pose, field: Array) -> Array:
    """(H, W, 2) the point of the face that each pixel shows: the inverse of pose ∘ expression."""
    return _undo_all(invert(pose.matrix()), field, HEIGHT, WIDTH)


def draw(coefficients: Array, pose: Pose, field: Array) -> Array:
    """Show a face in a pose with an expression.

    Parameters
    ----------
    coefficients : (H', W', 3) from `prepare`
    field : (K, 6) bumps as they are in this frame

    Returns
    -------
    (H, W, 3) float32 RGB, grey levels.
    """
    return _sample(coefficients, face_points(pose, field), MARGIN)


def prepare(picture: Array) -> Array:
    """(H', W', 3) quintic-spline coefficients of a picture of the face with its margin."""
    planes = [spline_filter(plane, order=5, mode="mirror") for plane in np.moveaxis(picture, -1, 0)]
    return np.ascontiguousarray(np.stack(planes, axis=-1), np.float32)


def identity(seed: int) -> Array:
    """A person: the portrait in another shape, skin, light and room.

    Returns
    -------
    (H + 2·MARGIN, W + 2·MARGIN, 3) float64 RGB, grey levels, to be given to `prepare`.
    """
    from skimage.data import astronaut

    rng = np.random.default_rng([seed, 1])
    y, x = np.mgrid[-MARGIN : HEIGHT + MARGIN, -MARGIN : WIDTH + MARGIN].astype(float)
    x, y = x - CENTRE[0], y - CENTRE[1]
    u, v = _shape(x, y, rng)
    u *= rng.choice([-1, 1])  # half of them look the other way
    portrait = astronaut().astype(float)
    where = [v / SCALE + PORTRAIT_CENTRE[1], u / SCALE + PORTRAIT_CENTRE[0]]
    face = np.stack(
        [map_coordinates(portrait[..., c], where, order=3, mode="mirror") for c in range(3)], -1
    )
    skin = rng.uniform(0.75, 2.0) + rng.uniform(-0.12, 0.12, 3)
    face = 255 * (face.clip(0, 255) / 255) ** skin
    face += _texture(x.shape, rng)[..., None]
    inside = _smoothstep(1.12 - np.hypot(x / 150, (y + 12) / 178), 0.4)[..., None]
    face = inside * face + (1 - inside) * _room(x, y, rng)
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0.05, 0.2) * (x * np.cos(angle) + y * np.sin(angle)) / 180
    return (face * light[..., None]).clip(8, 244)


def _shape(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Another head: a little wider or longer, with soft dents and swellings."""
    u, v = x * rng.uniform(0.92, 1.08), y * rng.uniform(0.95, 1.05)
    for _ in range(6):
        at = rng.uniform(-1, 1, 2) * (90, 110)
        far = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 45**2))
        push = rng.uniform(-5, 5, 2)
        u, v = u + push[0] * far, v + push[1] * far
    return u, v


def _texture(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Pores and hairs, which an enlarged portrait lacks: 2.5 grey levels, no finer than 1 px."""
    fine, coarse = (gaussian_filter(rng.standard_normal(shape), sigma) for sigma in (1.0, 2.2))
    return 2.0 * fine / fine.std() + 1.5 * coarse / coarse.std()


def _room(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """A wall out of focus."""
    colours = rng.uniform(60, 190, (3, 1)) + rng.uniform(-22, 22, (3, 3))
    across, down = _smoothstep(x, 300.0)[..., None], _smoothstep(y, 360.0)[..., None]
    blur = gaussian_filter(rng.standard_normal(x.shape), 24)[..., None]
    return (
        colours[0] * (1 - across)
        + colours[1] * across * (1 - down)
        + (colours[2] * across * down + 14 * blur / blur.std())
    )


def _smoothstep(x: Array, width: float) -> Array:
    t = np.clip(x / width + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


# The kernels. No fast-math: the same bytes on every run.


@kernel()
def _displace(x, y, field):  # type: ignore[no-untyped-def]
    """Sum of bumps (1 - r²)⁴: smooth, exactly zero beyond their radius."""
    u, v = 0.0, 0.0
    for k in range(field.shape[0]):
        a = (x - field[k, 0]) / field[k, 2]
        b = (y - field[k, 1]) / field[k, 3]
        rest = 1.0 - a * a - b * b
        if rest > 0.0:
            w = rest * rest
            w *= w
            u += w * field[k, 4]
            v += w * field[k, 5]
    return u, v


@kernel()
def _displace_all(points, field, out):  # type: ignore[no-untyped-def]
    for i in range(points.shape[0]):
        out[i, 0], out[i, 1] = _displace(points[i, 0], points[i, 1], field)


@kernel()
def _undo(x0, y0, field):  # type: ignore[no-untyped-def]
    """Solve p + d(p) = q: p ← q - d(p) contracts while |∇d| < 1."""
    x, y = x0, y0
    for _ in range(200):
        u, v = _displace(x, y, field)
        step = abs(x0 - u - x) + abs(y0 - v - y)
        x, y = x0 - u, y0 - v
        if step < 1e-10:
            break
    return x, y


@kernel()
def _undo_all(back, field, height, width):  # type: ignore[no-untyped-def]
    out = np.empty((height, width, 2))
    for i in range(height):
        for j in range(width):
            x = back[0, 0] * j + back[0, 1] * i + back[0, 2]
            y = back[1, 0] * j + back[1, 1] * i + back[1, 2]
            out[i, j, 0], out[i, j, 1] = _undo(x, y, field)
    return out


@kernel()
def _weights(t, w):  # type: ignore[no-untyped-def]
    """The six quintic B-spline weights at -2 … 3 for a fraction t (Unser, 1999)."""
    s = 1.0 - t
    w[0] = s**5 / 120.0
    w[1] = (26.0 + t * (-50.0 + t * (20.0 + t * (20.0 + t * (-20.0 + 5.0 * t))))) / 120.0
    w[2] = (66.0 + t * t * (-60.0 + t * t * (30.0 - 10.0 * t))) / 120.0
    w[3] = (26.0 + t * (50.0 + t * (20.0 + t * (-20.0 + t * (-20.0 + 10.0 * t))))) / 120.0
    w[4] = (1.0 + t * (5.0 + t * (10.0 + t * (10.0 + t * (5.0 - 5.0 * t))))) / 120.0
    w[5] = t**5 / 120.0


@kernel()
def _sample(coefficients, points, margin):  # type: ignore[no-untyped-def]
    """Evaluate a quintic spline of RGB at (H, W, 2) points, 0 being `margin` px inside."""
    rows, columns = coefficients.shape[:2]
    out = np.empty((points.shape[0], points.shape[1], 3), np.float32)
    wx, wy = np.empty(6, np.float32), np.empty(6, np.float32)
    for i in range(points.shape[0]):
        for j in range(points.shape[1]):
            x = min(max(points[i, j, 0] + margin, 2.0), columns - 4.0)
            y = min(max(points[i, j, 1] + margin, 2.0), rows - 4.0)
            ix, iy = int(x), int(y)
            _weights(x - ix, wx)
            _weights(y - iy, wy)
            red, green, blue = np.float32(0), np.float32(0), np.float32(0)
            for a in range(6):
                for b in range(6):
                    w = wy[a] * wx[b]
                    red += w * coefficients[iy - 2 + a, ix - 2 + b, 0]
                    green += w * coefficients[iy - 2 + a, ix - 2 + b, 1]
                    blue += w * coefficients[iy - 2 + a, ix - 2 + b, 2]
            out[i, j, 0], out[i, j, 1], out[i, j, 2] = red, green, blue
    return out
