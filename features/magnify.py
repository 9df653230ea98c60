"""Magnify: what all magnifiers mean by gain and by band, and how a change gets its colours back.

Not a feature but what the magnifiers of clips share. A gain g multiplies a displacement: 1 changes
nothing, 4 makes 0.3 px of it 1.2 px. Papers that speak of an amplification α add it: g = 1 + α.
"""

import numpy as np
from scipy import fft
from scipy.signal import butter, sosfiltfilt

from features.base import Array
from features.console import one_of

TEMPORAL = ("butterworth", "ideal", "onset")


def check(gain: float, temporal: str, low_hz: float, high_hz: float) -> None:
    """Refuse the settings that no clip could be magnified by."""
    if not 1 <= gain < np.inf:
        raise ValueError(f"gain is {gain}; expected at least 1, which changes nothing")
    one_of("temporal", temporal, TEMPORAL)
    if not 0 < low_hz < high_hz < np.inf:
        raise ValueError(f"the band is {low_hz} to {high_hz} Hz; expected 0 < low_hz < high_hz")


def check_clip(clip: Array) -> None:
    """Refuse what is no clip of RGB frames."""
    if clip.ndim != 4 or clip.shape[3] != 3 or not clip.size or clip.dtype != np.uint8:
        raise ValueError(f"clip is {clip.shape} {clip.dtype}; expected (T, H, W, 3) uint8")


def band(temporal: str, low_hz: float, high_hz: float, frames: int, fps: float) -> Array:
    """What of a clip's changes is magnified: a temporal filter, as a matrix.

    A matrix, since clips are short: it holds every linear filter with its behaviour at both ends,
    costs one product, and commutes with whatever is linear in space.

    Parameters
    ----------
    temporal
        ``butterworth``: first-order band-pass, run forward and backward so that nothing is
        delayed; 1 in the middle of the band (the geometric mean), 1/2 at both edges. Before its
        first frame and after its last a clip is taken to stand still.
        ``ideal``: 1 inside the band, 0 outside, by FFT of the clip followed by its mirror image:
        a clip that ends elsewhere than it began has no jump.
        ``onset``: no band, all that differs from the first frame; low_hz and high_hz play no part.
    frames : T of the clip
    fps : frames a second

    Returns
    -------
    (T, T) float64
        ``band @ x`` is x in the band, T along axis 0. Each row sums to 0: what stands still is 0.

    Raises
    ------
    ValueError
        If so few frames a second cannot show the band, or (ideal) so few frames cannot.
    """
    still = np.eye(frames)
    if frames == 1:
        return np.zeros((1, 1))
    if temporal == "onset":
        still[:, 0] -= 1
        return still
    if not 2 * high_hz < fps:
        raise ValueError(
            f"a band of {low_hz:g} to {high_hz:g} Hz needs more than {2 * high_hz:g} frames a"
            f" second; fps is {fps:g}"
        )
    if temporal == "butterworth":
        sections = butter(1, (low_hz, high_hz), "bandpass", output="sos", fs=fps)
        after = int(np.ceil(2 * fps / low_hz))  # frames until its memory is below 1e-5
        held = np.pad(still, ((0, after), (0, 0)), mode="edge")
        return sosfiltfilt(sections, held, axis=0, padtype=None)[:frames]
    mirrored = np.concatenate([still, still[::-1]])
    hertz = fft.rfftfreq(2 * frames, 1 / fps)
    inside = (low_hz <= hertz) & (hertz <= high_hz)
    if not inside.any():
        raise ValueError(
            f"{frames} frames at fps {fps:g} show {hertz[1]:g} Hz and its multiples, none of them"
            f" from {low_hz:g} to {high_hz:g} Hz"
        )
    return fft.irfft(inside[:, None] * fft.rfft(mirrored, axis=0), axis=0)[:frames]


def repaint(clip: Array, change: Array) -> Array:
    """Frames with a change of their light.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8 RGB
    change : (T, H, W) of the luma, or (T, H, W, 3) of the colours, float32, grey levels
        A luma's goes to red, green and blue alike, which leaves I and Q of YIQ as they were.

    Returns
    -------
    (T, H, W, 3) float32, grey levels, none below 0 or above 255.
    """
    painted = np.empty(clip.shape, np.float32)
    for shown, frame, more in zip(painted, clip, change, strict=True):
        for colour in range(3):
            shown[..., colour] = more if more.ndim == 2 else more[..., colour]
        shown += frame
        np.clip(shown, 0, 255, out=shown)
    return painted
