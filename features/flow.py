"""Optical flow from the onset to the apex.

Kroeger, Timofte, Dai and Van Gool, "Fast optical flow using dense inverse search", ECCV 2016,
as in OpenCV, refined down to the pixel grid: the stock presets stop at a coarser scale, where
facial motion of tenths of a pixel is lost.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from features.base import Array, Feature


@dataclass(frozen=True, slots=True)
class FlowConfig:
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


def flow(frames: Array, config: FlowConfig) -> Array:
    """Displacement of the skin from onset to apex.

    Parameters
    ----------
    frames : (2, H, W, 3) uint8 RGB
        The aligned onset and apex.

    Returns
    -------
    (2, H, W) float32, px of the crop
        flow[0] = u, rightward; flow[1] = v, downward: onset(x, y) is seen at
        apex(x + u, y + v).

    Raises
    ------
    ValueError
        If frames are not (2, H, W, 3) uint8.
    """
    if frames.shape[::3] != (2, 3) or frames.ndim != 4 or frames.dtype != np.uint8:
        raise ValueError(f"frames are {frames.shape} {frames.dtype}; expected (2, H, W, 3) uint8")
    onset, apex = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(config.finest_scale)
    search.setPatchSize(config.patch_size)
    search.setPatchStride(config.patch_stride)
    search.setGradientDescentIterations(config.descent_iterations)
    search.setVariationalRefinementIterations(config.refinement_iterations)
    search.setVariationalRefinementAlpha(config.smoothness)
    return np.ascontiguousarray(np.moveaxis(search.calc(onset, apex, None), -1, 0))


FEATURE = Feature(
    flow,
    FlowConfig,
    needs=("onset_apex",),
    units="px",
    axes="channel y x",
    convention="channel 0 = u rightward, 1 = v downward; onset to apex, px of the crop",
    revision=1,
)
