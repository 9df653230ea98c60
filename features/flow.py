"""Optical flow: where the skin went, from the onset to the apex or through a clip.

clg
    merkit's own and the default (`features.clg`). Chosen by `benchmarks/flow.py`: of all of
    these the smallest error on faces whose motion is known, at every size from 128 to 480 px, in
    light that changes and on a face that does not move, in a ninetieth of the time of OpenCV's
    TV-L1.
tvl1
    What most papers used (`features.tvl1`).
dis
    Kroeger, Timofte, Dai and Van Gool, "Fast optical flow using dense inverse search", ECCV 2016,
    as in OpenCV, refined down to the pixel grid: the stock presets stop at a coarser scale,
    where facial motion of tenths of a pixel is lost.
farneback, deepflow, pcaflow, rlof
    As in OpenCV, at its settings: Farnebäck, SCIA 2003; Weinzaepfel et al., ICCV 2013; Wulff
    and Black, CVPR 2015; Geistert et al., PCS 2016.

clg finds out itself how the light changed. tvl1 takes a gain of 2 % for motion and the others
lose accuracy by it: give them normalise = "local", or "exposure" where no shadow moves.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from features.base import Array, Feature
from features.clg import ClgConfig, clg
from features.console import one_of
from features.light import NORMALISATIONS, grey, normalised
from features.tvl1 import tvl1
from features.tvl1_config import Tvl1Config

PAIRS = ("first", "consecutive")
SMALLEST = {"pcaflow": 64, "rlof": 64}  # px; on less, OpenCV writes past its memory or hangs


@dataclass(frozen=True, slots=True)
class DisConfig:
    """Settings of dense inverse search and of its variational refinement."""

    finest_scale: int = 0  # 0 = refined on the pixel grid
    patch_size: int = 8  # px
    patch_stride: int = 4  # px
    descent_iterations: int = 25
    refinement_iterations: int = 10
    smoothness: float = 40.0  # weight of the refinement's smoothness term (alpha)

    def __post_init__(self) -> None:
        if not 1 <= self.patch_stride <= self.patch_size:
            raise ValueError(
                f"patch_stride is {self.patch_stride} px; expected 1 to patch_size"
                f" ({self.patch_size} px)"
            )
        if self.finest_scale < 0 or self.smoothness <= 0:
            raise ValueError("finest_scale cannot be negative, smoothness must be above 0")


@dataclass(frozen=True, slots=True)
class FlowConfig:
    """A method, its settings, and between which frames."""

    method: str = "clg"  # one of METHODS
    pairs: str = "first"  # of more than two frames: first → each, or each → next ("consecutive")
    normalise: str = "none"  # of the light, one of features.light.NORMALISATIONS
    clg: ClgConfig = field(default_factory=ClgConfig)
    tvl1: Tvl1Config = field(default_factory=Tvl1Config)
    dis: DisConfig = field(default_factory=DisConfig)

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        one_of("pairs", self.pairs, PAIRS)
        one_of("normalise", self.normalise, NORMALISATIONS)
        for name, kind in (("clg", ClgConfig), ("tvl1", Tvl1Config), ("dis", DisConfig)):
            if name != self.method and getattr(self, name) != kind():
                raise ValueError(f"settings of {name} mean nothing to method {self.method!r}")


def flow(frames: Array, config: FlowConfig) -> Array:
    """Displacement of the skin between frames.

    Parameters
    ----------
    frames : (T, H, W, 3) RGB or (T, H, W) grey, T ≥ 2; uint8, or float32 in grey levels
        Aligned. OpenCV's methods see whole grey levels only.

    Returns
    -------
    (2, H, W) float32, px of the crop, for two frames; (T - 1, 2, H, W) for more
        Channel 0 = u, rightward; 1 = v, downward: what is at (x, y) in the one frame is seen at
        (x + u, y + v) in the other.

    Raises
    ------
    ValueError
        If frames are anything else.
    """
    coloured = frames.ndim == 4 and frames.shape[3] == 3
    known = frames.dtype in (np.uint8, np.float32)
    if not (coloured or frames.ndim == 3) or not known or len(frames) < 2:
        raise ValueError(
            f"frames are {frames.shape} {frames.dtype}; expected (T, H, W, 3) or (T, H, W) of"
            " two frames at least, uint8 or float32"
        )
    if not np.isfinite(frames).all():
        raise ValueError("frames hold what is no number (NaN or infinity)")
    least = SMALLEST.get(config.method, 0)
    if min(frames.shape[1:3]) < least:
        raise ValueError(f"{config.method} needs {least} px; frames are {frames.shape}")
    greys = grey(frames) if coloured else frames.astype(np.float32)
    greys = normalised(greys, config.normalise)
    starts = greys[:-1] if config.pairs == "consecutive" else [greys[0]] * (len(greys) - 1)
    between = METHODS[config.method]
    flows = [between(a, b, config) for a, b in zip(starts, greys[1:], strict=True)]
    return flows[0] if len(flows) == 1 else np.stack(flows)


Method = Callable[[Array, Array, FlowConfig], Array]


def _dis(config: FlowConfig) -> cv2.DenseOpticalFlow:
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(config.dis.finest_scale)
    search.setPatchSize(config.dis.patch_size)
    search.setPatchStride(config.dis.patch_stride)
    search.setGradientDescentIterations(config.dis.descent_iterations)
    search.setVariationalRefinementIterations(config.dis.refinement_iterations)
    search.setVariationalRefinementAlpha(config.dis.smoothness)
    return search


def _rlof(config: FlowConfig) -> cv2.DenseOpticalFlow:
    search = cv2.optflow.DenseRLOFOpticalFlow.create()
    search.setInterpolation(cv2.optflow.INTERP_GEO)  # EPIC crashes on frames of mere noise
    return search


def _opencv(make: Callable[[FlowConfig], cv2.DenseOpticalFlow], channels: int = 1) -> Method:
    """A method of OpenCV, which wants whole grey levels."""

    def between(onset: Array, apex: Array, config: FlowConfig) -> Array:
        middle = 128 if config.normalise == "local" else 0  # local contrast lies around 0
        eight = [np.rint(f + middle).clip(0, 255).astype(np.uint8) for f in (onset, apex)]
        if any(np.ptp(frame) == 0 for frame in eight):  # some methods fail where nothing is seen
            return np.zeros((2, *onset.shape), np.float32)
        if channels == 3:
            eight = [cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB) for frame in eight]
        found = make(config).calc(eight[0], eight[1], None)
        return np.ascontiguousarray(np.moveaxis(found, -1, 0))

    return between


METHODS: dict[str, Method] = {
    "clg": lambda onset, apex, config: clg(onset, apex, config.clg),
    "tvl1": lambda onset, apex, config: tvl1(onset, apex, config.tvl1),
    "dis": _opencv(_dis),
    "farneback": _opencv(lambda _: cv2.FarnebackOpticalFlow.create(5, 0.5, False, 15, 3, 5, 1.2)),
    "deepflow": _opencv(lambda _: cv2.optflow.createOptFlow_DeepFlow()),
    "pcaflow": _opencv(lambda _: cv2.optflow.createOptFlow_PCAFlow()),
    "rlof": _opencv(_rlof, channels=3),
}

FEATURE = Feature(
    flow,
    FlowConfig,
    needs=("onset_apex",),
    units="px",
    axes="channel y x",
    convention="channel 0 = u rightward, 1 = v downward; onset to apex, px of the crop",
    revision=1,
)
