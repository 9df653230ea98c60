"""Stack: flow and strain as one small picture (u, v, ε).

Liong et al., "Shallow triple stream three-dimensional CNN (STSTNet) for micro-expression
recognition", FG 2019, section II-B: 28 × 28 pictures of u, v and optical strain, which HTNet
(Wang et al., "HTNet for micro-expression recognition", Neurocomputing 2024) takes too. Theirs
are saved as 8-bit pictures; ours stay px and px/px in float32.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from features.base import Array, Feature


@dataclass(frozen=True, slots=True)
class StackConfig:
    """How small the picture becomes."""

    size: int = 28  # px, width and height

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is {self.size} px; expected 1 or more")


def stack(flow: Array, strain: Array, config: StackConfig) -> Array:
    """The planes u, v and strain, averaged down by area.

    An area's mean keeps what every pixel of it says; a bilinear sample of an eight times larger
    picture would keep four of its 64.

    Parameters
    ----------
    flow : (..., 2, H, W) float32, px
        flow[0] = u, rightward; flow[1] = v, downward.
    strain : (..., 1, H, W) float32, px/px

    Returns
    -------
    (..., 3, size, size) float32, px of the crop and px/px
        The values are means and not rescaled: a motion by 2 px of the crop stays 2, though the
        crop's pixels are finer than those of the stack.

    Raises
    ------
    ValueError
        If the shapes are others, or the crop is smaller than `size`.
    """
    height, width = flow.shape[-2:]
    if flow.ndim < 3 or flow.shape[-3] != 2 or strain.shape != (*flow.shape[:-3], 1, height, width):
        raise ValueError(
            f"flow has shape {flow.shape}, strain {strain.shape};"
            " expected (..., 2, H, W) and (..., 1, H, W)"
        )
    if config.size > min(height, width):
        raise ValueError(
            f"a crop of {width} × {height} px cannot be averaged to {config.size} × {config.size}"
        )
    side = (config.size, config.size)
    planes = np.concatenate([flow, strain], axis=-3).astype(np.float32, copy=False)
    small = [
        cv2.resize(plane, side, interpolation=cv2.INTER_AREA)
        for plane in planes.reshape(-1, height, width)
    ]
    return np.stack(small).reshape(*planes.shape[:-2], *side)


FEATURE = Feature(
    stack,
    StackConfig,
    needs=("flow", "strain"),
    units="px, px, px/px",
    axes="channel y x",
    convention="channel 0 = u rightward, 1 = v downward, px of the crop; 2 = strain; area means",
    revision=1,
)
