"""Steerable: the complex steerable pyramid, in which moving is turning.

Not a feature but what phase-based magnifiers are made of. Simoncelli and Freeman, "The steerable
pyramid", ICIP 1995; Portilla and Simoncelli, IJCV 40(1), 2000, for its complex form; magnified as
Wadhwa, Rubinstein, Durand and Freeman, "Phase-based video motion processing", SIGGRAPH 2013. All
in the precision of what it is given, float32 or float64.

Ours: every band is cut out of the spectrum with the smallest box that holds it, and so lives on a
grid of its own, wherever in the spectrum the box lies. A box that is not centred multiplies the
band by a plane wave; it cancels in the phase between two frames, and is undone by putting the box
back. That is exact, and 96 bands of a picture are together as large as nine pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import factorial, sqrt

import numpy as np
from scipy import fft

from features.base import Array
from features.pyramid import blurred, chunks, phase, turn

# px around a picture, for the FFT takes its left edge to touch its right. Its edge is continued:
# in a mirror image, what moves in moves out, and bands wide enough to see both stand still.
MARGIN = 16
NOTHING = 1e-6  # of a filter's height, beyond which a box need not reach: its square is lost


@dataclass(frozen=True, slots=True)
class Band:
    """One orientation at one scale: a filter and its place in the centred spectrum."""

    rows: slice
    columns: slice
    response: Array  # (h, w) float64
    density: tuple[float, float]  # samples a px of the picture, (down, right)


@dataclass(frozen=True, slots=True)
class Pyramid:
    """The bands of pictures of one size; what they leave out is not kept.

    They leave out wavelengths from 2·2^octaves px up (the light), and from 2.8 px down (noise):
    gradually within half an octave (for `per_octave` 2), so that squared responses add up to 1
    between.
    """

    size: tuple[int, int]  # px, height and width of the pictures
    padded: tuple[int, int]  # with their margins
    bands: tuple[Band, ...]


@lru_cache(maxsize=8)
def pyramid(height: int, width: int, per_octave: int = 2, orientations: int = 8) -> Pyramid:
    """The complex steerable pyramid for (height, width) px, as deep as the picture allows.

    Scale i has cut-offs v_i = 2^(-i / per_octave) of the Nyquist frequency, each crossed by a
    quarter of a cosine 1 / per_octave octaves wide; orientation k passes cos^(K-1) around π k / K,
    one half of the plane only. Squares of all responses, here and mirrored, add up to 1.
    """
    padded = (fft.next_fast_len(height + 2 * MARGIN), fft.next_fast_len(width + 2 * MARGIN))
    y, x = (2 * fft.fftshift(fft.fftfreq(size)) for size in padded)
    octaves = int(np.log2(min(padded))) - 2
    bands = []
    for scale in range(octaves * per_octave):
        outer, inner = (2.0 ** (-i / per_octave) for i in (scale, scale + 1))
        rows, columns = _box(np.abs(y) <= outer), _box(np.abs(x) <= outer)
        radius = np.hypot(y[rows, None], x[columns])
        angle = np.arctan2(y[rows, None], x[columns])
        ring = _high(radius, inner, per_octave) * _low(radius, outer, per_octave)
        for k in range(orientations):
            response = ring * _lobe(angle - np.pi * k / orientations, orientations)
            passes = response > NOTHING
            tall, wide = _box(passes.any(axis=1)), _box(passes.any(axis=0))
            bands.append(
                Band(
                    slice(rows.start + tall.start, rows.start + tall.stop),
                    slice(columns.start + wide.start, columns.start + wide.stop),
                    response[tall, wide],
                    ((tall.stop - tall.start) / padded[0], (wide.stop - wide.start) / padded[1]),
                )
            )
    return Pyramid((height, width), padded, tuple(bands))


def _high(radius: Array, cut: float, per_octave: int) -> Array:
    """0 below cut·2^(-1 / per_octave), 1 from cut upward."""
    octaves = np.log2(np.maximum(radius, 1e-9) / cut) * per_octave
    return np.cos(np.clip(octaves, -1, 0) * np.pi / 2)


def _low(radius: Array, cut: float, per_octave: int) -> Array:
    """The complement of `_high`: their squares add up to 1."""
    octaves = np.log2(np.maximum(radius, 1e-9) / cut) * per_octave
    return np.sin(np.clip(-octaves, 0, 1) * np.pi / 2)


def _lobe(angle: Array, orientations: int) -> Array:
    """cos^(K-1) of the near half plane; squares of K lobes and of their mirrors add up to 1."""
    power = orientations - 1
    height = 2**power * factorial(power) / sqrt(orientations * factorial(2 * power))
    return height * np.maximum(np.cos(angle), 0) ** power


def _box(passes: Array) -> slice:
    """The span of what passes, a little longer where FFTs of that length are faster."""
    found = np.flatnonzero(passes)
    length = min(fft.next_fast_len(int(found[-1] - found[0]) + 1), len(passes))
    start = min(int(found[0]), len(passes) - length)
    return slice(start, start + length)


def spectra(pictures: Array, shape: Pyramid) -> Array:
    """(T, H, W) float -> (T, h, w) complex: centred spectra of pictures with their margins."""
    extra = [padded - size for padded, size in zip(shape.padded, pictures.shape[1:], strict=True)]
    around = [(0, 0), *((more // 2, more - more // 2) for more in extra)]
    return fft.fftshift(fft.fft2(np.pad(pictures, around, mode="edge")), axes=(1, 2))


def pictures(spectra: Array, shape: Pyramid) -> Array:
    """The way back: (K, H, W) float, the real part, without margins."""
    top, left = (
        (padded - size) // 2 for padded, size in zip(shape.padded, shape.size, strict=True)
    )
    whole = fft.ifft2(fft.ifftshift(spectra, axes=(1, 2))).real
    return whole[:, top : top + shape.size[0], left : left + shape.size[1]]


def cut(spectra: Array, band: Band) -> Array:
    """One band of each spectrum, on its own grid: (T, bh, bw) complex."""
    response = band.response.astype(spectra.real.dtype)
    return fft.ifft2(spectra[:, band.rows, band.columns] * response, overwrite_x=True)


def paste(spectra: Array, band: Band, signals: Array) -> None:
    """Add signals of a band to spectra, in place; the band's mirror image comes with them."""
    response = 2 * band.response.astype(spectra.real.dtype)
    spectra[:, band.rows, band.columns] += response * fft.fft2(signals, overwrite_x=True)


def turned(
    frames: Array, mix: Array, carriers: Sequence[int], sigma: float, shape: Pyramid
) -> Array:
    """Move what is in a steerable pyramid's bands by turning its local phase.

    The phase of each frame is relative to the first frame's, -π … π, and is averaged with its
    neighbours', weighted by the first frame's amplitude: there is no phase where there is nothing
    to see. (The paper weights by each frame's own; in a face that hardly moves they are the same.)

    Parameters
    ----------
    frames : (T, H, W) float
    mix : (K, T)
        Of output k, by how much of each frame's phase it is turned further.
    carriers : K frame numbers
        What is turned for each output.
    sigma : px of the picture, within which phases are averaged; 0 = each for itself

    Returns
    -------
    (K, H, W) float: what to add to each carrier.
    """
    seen = spectra(frames, shape)
    moved = np.zeros((len(mix), *shape.padded), seen.dtype)
    mix = mix.astype(frames.dtype)
    chosen = np.asarray(carriers)
    for band in shape.bands:
        signals = cut(seen, band)
        found = phases(signals, (sigma * band.density[0], sigma * band.density[1]))
        angles = (mix @ found.reshape(len(frames), -1)).reshape(-1, *band.response.shape)
        for part in chunks(len(mix), band.response.size):
            paste(moved[part], band, signals[chosen[part]] * turn(angles[part]))
    return pictures(moved, shape)


def phases(signals: Array, sigma: tuple[float, float]) -> Array:
    """How far (T, h, w) signals have turned since the first: (T, h, w), averaged within sigma.

    Weighted by the first one's amplitude; sigma in samples, (down, right).
    """
    first = signals[0].conj()
    found = np.empty(signals.shape, first.real.dtype)
    for part in chunks(len(signals), first.size):
        found[part] = phase(signals[part] * first)
    if any(sigma):
        amplitude = np.abs(first) + np.finfo(found.dtype).tiny
        total = blurred(amplitude, sigma)
        for frame in found:
            frame[...] = blurred(amplitude * frame, sigma) / total
    return found
