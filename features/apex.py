"""Apex spotting: the frame of a clip in which the expression is strongest.

For clips whose annotation has no apex: it tells which frames their features are made of.

"flow" is ours: optical flow from the onset to every frame, freed of the head's own motion.
"difference" is D&C-RoIs of Liong, See, Wong, Le Ngo, Oh and Phan, "Automatic apex frame spotting
in micro-expression database", ACPR 2015: the peaks of a curve over time, halved until one is
left. "midpoint" looks at nothing and is what the others have to beat.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from features.base import PLACES, Array, Feature
from features.console import one_of
from features.light import grey, local_contrast

METHODS = ("flow", "difference", "midpoint")
# Both eyes with their brows, and the mouth, as in the paper. The nose stands out of the face: a
# turn of the head moves it as an expression would.
CENTRES = [place for place, name in enumerate(PLACES) if name != "nose"]
MARGIN = 0.1  # of the distance between the eyes, seen around the regions: flow fails at borders
SMALLEST = 16  # px, a side of what is seen
PROMINENCE = 0.05  # of a curve's range, by which a peak stands out; ours: ripples are no peaks


@dataclass(frozen=True, slots=True)
class ApexConfig:
    """How an apex is spotted. Radii are in units of the distance between the eyes.

    All values are ours, by measurement on the demo (benchmarks/apex.py).
    """

    method: str = "flow"
    smoothing_ms: float = 80.0  # from first to last frame of a local quadratic fit; 0 = none
    radius: float = 0.3  # of the region around each place
    eye_radius: float = 0.25  # left out around the eyes' centres: a blink is no expression
    eyes_px: float = 76.0  # between the eyes in what is seen; crops are resized to that
    annotated: bool = True  # an annotated apex is kept; False: every clip's is spotted

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        if not 0 <= self.smoothing_ms <= 1000:
            raise ValueError(f"smoothing_ms is {self.smoothing_ms} ms; expected 0 to 1000")
        if not 0.1 <= self.radius <= 1:
            raise ValueError(f"radius is {self.radius}; expected 0.1 to 1")
        if not 0 <= self.eye_radius <= 0.5:
            raise ValueError(f"eye_radius is {self.eye_radius}; expected 0 to 0.5")
        if not 20 <= self.eyes_px <= 400:
            raise ValueError(f"eyes_px is {self.eyes_px} px; expected 20 to 400")


@dataclass(frozen=True, slots=True)
class Spotted:
    """An apex and the evidence for it.

    Parameters
    ----------
    index : int
        Frame of the clip, 1 … T - 1: never the onset.
    curve : (T,) float64
        How far the expression is from the onset. "flow": px of the crop, root mean square over
        the regions. "difference": local contrast, of which 30 is one standard deviation.
        "midpoint": all 0, as nothing was measured.
    """

    index: int
    curve: Array


def spot(clip: Array, fps: float, places: Array, config: ApexConfig) -> Spotted:
    """Find the apex between onset and offset.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8 RGB
        Aligned crops, onset … offset.
    fps : frames a second
    places : (8, 2) px (x, y) of the crop
        Where `PLACES` are on the onset.

    Raises
    ------
    ValueError
        If an input has another shape or type, or no region of the face is inside the crop.
    """
    if clip.ndim != 4 or clip.shape[3] != 3 or clip.dtype != np.uint8:
        raise ValueError(f"clip is {clip.shape} {clip.dtype}; expected (T, H, W, 3) uint8")
    if len(clip) < 2:
        raise ValueError(f"T is {len(clip)}; expected 2 or more, as an apex follows the onset")
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps is {fps}; expected more than 0")
    if places.shape != (len(PLACES), 2) or not np.isfinite(places).all():
        raise ValueError(f"places are {places.shape}; expected ({len(PLACES)}, 2), finite")
    if config.method == "midpoint":
        return Spotted(max(1, (len(clip) - 1) // 2), np.zeros(len(clip)))
    greys, regions, scale = seen(clip, places, config)
    if config.method == "flow":
        curve = smoothed(motion(greys, regions) / scale, fps, config.smoothing_ms)
        return Spotted(highest(curve), curve)
    curve = smoothed(difference(greys, regions), fps, config.smoothing_ms)
    return Spotted(conquered(curve), curve)


def seen(clip: Array, places: Array, config: ApexConfig) -> tuple[Array, Array, float]:
    """What is looked at: the part of the crop around the regions, in one size and one light.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8 RGB
    places : (8, 2) px (x, y)

    Returns
    -------
    greys : (T, h, w) uint8
        Local contrast: flow alone would take a lamp that brightens by a tenth for motion.
    regions : (h, w) bool
    scale : px here for each px of the crop
    """
    eyes = float(np.hypot(*(places[1] - places[0])))
    if eyes < 1:
        raise ValueError(f"the eyes are {eyes:.2f} px apart; expected 1 or more")
    scale, reach = config.eyes_px / eyes, (config.radius + MARGIN) * eyes
    left, top = np.floor(places[CENTRES].min(axis=0) - reach).astype(int).clip(0)
    right, bottom = np.ceil(places[CENTRES].max(axis=0) + reach).astype(int).clip(0)
    part = clip[:, top : bottom + 1, left : right + 1]
    height, width = (round(scale * side) for side in part.shape[1:3])
    if min(height, width) < SMALLEST:
        raise ValueError(f"no face to see: around the places are {part.shape[1:3]} px of the crop")
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    greys = np.stack([cv2.resize(g, (width, height), interpolation=how) for g in grey(part)])
    y, x = (np.mgrid[:height, :width] + 0.5) / scale - 0.5  # of the part, pixel centres whole
    far = np.hypot(x + left - places[:, :1, None], y + top - places[:, 1:, None]) / eyes
    regions = (far[CENTRES] < config.radius).any(axis=0) & (far[:2].min(axis=0) > config.eye_radius)
    if not regions.any():
        raise ValueError("no face to see: no region around the places is in the crop")
    contrast = np.rint(local_contrast(greys) + 128).clip(0, 255).astype(np.uint8)
    return contrast, regions, scale


def motion(greys: Array, regions: Array) -> Array:
    """How far the skin has moved since the onset, beside what the head has moved.

    Dense inverse search of OpenCV down to the pixel grid, with half the iterations of the flow
    feature: no less accurate here, and a third cheaper.

    Parameters
    ----------
    greys : (T, h, w) uint8
    regions : (h, w) bool

    Returns
    -------
    (T,) px, root mean square over the regions; 0 at the onset.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    search.setPatchSize(8)
    search.setPatchStride(4)
    search.setGradientDescentIterations(12)
    search.setVariationalRefinementIterations(5)
    search.setVariationalRefinementAlpha(40.0)
    head = head_motions(regions)
    curve = [0.0]
    for frame in greys[1:]:
        flow = search.calc(greys[0], frame, None)[regions]  # (N, 2)
        rest = flow - head @ (head.T @ flow)
        curve.append(float(np.sqrt((rest**2).sum(axis=1).mean())))
    return np.array(curve)


def head_motions(regions: Array) -> Array:
    """An orthonormal basis of what a moving head does to u, and to v, in the regions.

    An affine motion, and the x² and y² by which a round face moves as it turns out of the
    picture. Subtracted by least squares: robust fits are no more accurate here and, not being
    linear, change the course of the expression.

    Parameters
    ----------
    regions : (h, w) bool, N of them true

    Returns
    -------
    (N, 5) float64
    """
    y, x = np.argwhere(regions).T / regions.shape[0]
    x, y = x - x.mean(), y - y.mean()
    basis, _ = np.linalg.qr(np.stack([np.ones_like(x), x, y, x**2, y**2], axis=1))
    return basis


def difference(greys: Array, regions: Array) -> Array:
    """Mean absolute difference to the onset in the regions.

    The paper compares landmarks, local binary patterns and strain; plain differences are ours.

    Parameters
    ----------
    greys : (T, h, w) uint8
    regions : (h, w) bool

    Returns
    -------
    (T,) in units of the greys; 0 at the onset.
    """
    inside = greys[:, regions].astype(np.float32)
    return np.abs(inside - inside[0]).mean(axis=1, dtype=np.float64)


def smoothed(curve: Array, fps: float, window_ms: float) -> Array:
    """A quadratic fitted around every frame (Savitzky and Golay, 1964).

    A window of three frames or fewer leaves them as they are: a quadratic goes through three.

    Parameters
    ----------
    curve : (T,)

    Returns
    -------
    (T,)
    """
    from scipy.signal import savgol_filter  # most of a second to load, and rarely wanted

    half = min(round(window_ms * fps / 2000), (len(curve) - 1) // 2)
    return savgol_filter(curve, 2 * half + 1, 2) if half > 1 else curve


def highest(curve: Array) -> int:
    """The frame after the onset, 1 … T - 1, where a curve (T,) is highest."""
    return 1 + int(np.argmax(curve[1:]))


def conquered(curve: Array) -> int:
    """Divide and conquer: halve the clip, keep the half with the greater sum of peaks.

    Until one peak is left. Ours: of equal halves the earlier is kept, and a curve without a peak
    has its apex where it is highest.

    Parameters
    ----------
    curve : (T,)

    Returns
    -------
    1 … T - 1
    """
    from scipy.signal import find_peaks  # as above

    peaks, _ = find_peaks(curve, prominence=PROMINENCE * np.ptp(curve))  # never an end of the clip
    if not len(peaks):
        return highest(curve)
    start, stop = 0, len(curve)
    while len(peaks) > 1:
        middle = (start + stop) // 2
        early, late = peaks[peaks < middle], peaks[peaks >= middle]
        if curve[early].sum() >= curve[late].sum():
            peaks, stop = early, middle
        else:
            peaks, start = late, middle
    return int(peaks[0])


def apex(clip: Array, fps: Array, places: Array, config: ApexConfig) -> Array:
    """(1,) float32: frames from the clip's first to its apex, by `spot`."""
    return np.array([spot(clip, float(fps), places, config).index], np.float32)


FEATURE = Feature(
    apex,
    ApexConfig,
    needs=("clip", "fps", "places"),
    units="frames",
    axes="value",
    convention="frames after the clip's first, 1 or more",
    revision=1,
)
