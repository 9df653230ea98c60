"""Learned: motion magnification by a network, whose weights are the user's own.

Oh, Jaroensri, Kim, Elgharib, Durand, Freeman and Matusik, "Learning-based video motion
magnification", ECCV 2018, in the layout of a public PyTorch version of it (ZhengPeng7's), tensor
names included: its checkpoint, saved as safetensors, is read as it is. No weights come with
merkit: a recipe names their file. NumPy runs it: a pair
of 224 px takes about a second a gain, and torch stays out of the feature half.

    encoder      RGB (3, h, w) ─▶ texture (32, h/4, w/4) and shape (32, h/2, w/2)
    manipulator  shape of the apex + h((gain - 1) · g(shape of the apex - shape of the onset))
    decoder      texture of the apex, shape so moved ─▶ RGB (3, h, w)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from features.base import Array, Feature
from features.console import MerError

Weights = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class LearnedConfig:
    """How far the apex moves on, and by which weights."""

    gains: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)  # of the displacement: 1 + what papers call α
    weights: str = ""  # path of a .safetensors file; in the key, its digest

    def __post_init__(self) -> None:
        if not self.gains or not all(1 <= gain < np.inf for gain in self.gains):
            raise ValueError(f"gains are {self.gains}; expected one or more, each at least 1")


def shapes() -> dict[str, tuple[int, int, int, int]]:
    """Name of each tensor -> (out, in, k, k): 877,968 numbers, no biases."""
    found: dict[str, tuple[int, int, int, int]] = {}

    def convolution(name: str, inward: int, outward: int, size: int = 3) -> None:
        found[f"{name}.conv2d.weight"] = (outward, inward, size, size)

    def residual(name: str, width: int) -> None:
        convolution(f"{name}.cba_1", width, width)
        convolution(f"{name}.cba_2", width, width)

    convolution("encoder.cba_1", 3, 16, 7)
    convolution("encoder.cba_2", 16, 32)
    for number in range(3):
        residual(f"encoder.resblks.{number}", 32)
    for head in ("texture", "motion"):
        convolution(f"encoder.{head}_cba", 32, 32)
        for number in range(2):
            residual(f"encoder.{head}_resblks.{number}", 32)
    convolution("manipulator.g", 32, 32)
    convolution("manipulator.h_conv", 32, 32)
    residual("manipulator.h_resblk", 32)
    for number in range(9):
        residual(f"decoder.resblks.{number}", 64)
    convolution("decoder.cba_1", 64, 32)
    convolution("decoder.cba_2", 32, 3, 7)
    return found


def read_weights(path: Path) -> dict[str, Array]:
    """All tensors of a .safetensors file, float32; its digest belongs into the config.

    Raises
    ------
    MerError
        If there is no such file, or it holds another network.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise MerError(f"{path}: {error}", "give the network's weights as .safetensors") from error
    for name, shape in shapes().items():
        if name not in weights or weights[name].shape != shape:
            raise MerError(
                f"{path}: no tensor {name} of shape {shape}",
                "these are another network's weights; features/learned.py lists what is expected",
            )
    return {name: weights[name].astype(np.float32) for name in shapes()}


def learned(frames: Array, weights: Weights, config: LearnedConfig) -> Array:
    """The apex, each gain's, as the network paints it.

    Parameters
    ----------
    frames : (2, H, W, 3) uint8 RGB
        The aligned onset and apex.
    weights : as `read_weights` gives them

    Returns
    -------
    (G, H, W, 3) float32 RGB, grey levels 0 … 255, not rounded
        At gain 1 the apex as the network paints it, which is not to the last bit the apex.

    Raises
    ------
    ValueError
        If frames are not (2, H, W, 3) uint8.
    """
    if frames.shape[::3] != (2, 3) or frames.ndim != 4 or frames.dtype != np.uint8:
        raise ValueError(f"frames are {frames.shape} {frames.dtype}; expected (2, H, W, 3) uint8")
    height, width = frames.shape[1:3]
    around = ((0, 0), (0, -height % 4), (0, -width % 4), (0, 0))  # halved twice, doubled twice
    whole = np.pad(frames, around, mode="edge").transpose(0, 3, 1, 2)
    (_, onset), (texture, apex) = (
        _encode(frame.astype(np.float32) / np.float32(127.5) - 1, weights) for frame in whole
    )
    painted = []
    for gain in config.gains:
        shape = apex + _manipulate(apex - onset, gain - 1, weights)
        picture = _decode(texture, shape, weights)[:, :height, :width]
        painted.append(np.clip((picture.transpose(1, 2, 0) + 1) * np.float32(127.5), 0, 255))
    return np.stack(painted)


def _encode(picture: Array, weights: Weights) -> tuple[Array, Array]:
    """(3, h, w) -> texture (32, h/4, w/4), shape (32, h/2, w/2)."""
    x = _relu(_convolve(picture, "encoder.cba_1", weights))  # (16, h, w)
    x = _relu(_convolve(x, "encoder.cba_2", weights, stride=2))  # (32, h/2, w/2)
    x = _residuals(x, "encoder.resblks", 3, weights)
    texture = _relu(_convolve(x, "encoder.texture_cba", weights, stride=2))  # (32, h/4, w/4)
    shape = _relu(_convolve(x, "encoder.motion_cba", weights))
    return (
        _residuals(texture, "encoder.texture_resblks", 2, weights),
        _residuals(shape, "encoder.motion_resblks", 2, weights),
    )


def _manipulate(difference: Array, more: float, weights: Weights) -> Array:
    """(32, h/2, w/2) -> the same: how much further the shape moves."""
    x = np.float32(more) * _relu(_convolve(difference, "manipulator.g", weights))
    x = _convolve(x, "manipulator.h_conv", weights)
    return _residual(x, "manipulator.h_resblk", weights)


def _decode(texture: Array, shape: Array, weights: Weights) -> Array:
    """(32, h/4, w/4) and (32, h/2, w/2) -> (3, h, w)."""
    x = np.concatenate([_doubled(texture), shape])  # (64, h/2, w/2)
    x = _doubled(_residuals(x, "decoder.resblks", 9, weights))  # (64, h, w)
    x = _relu(_convolve(x, "decoder.cba_1", weights))  # (32, h, w)
    return _convolve(x, "decoder.cba_2", weights)


def _residuals(x: Array, name: str, count: int, weights: Weights) -> Array:
    for number in range(count):
        x = _residual(x, f"{name}.{number}", weights)
    return x


def _residual(x: Array, name: str, weights: Weights) -> Array:
    inner = _relu(_convolve(x, f"{name}.cba_1", weights))
    return x + _convolve(inner, f"{name}.cba_2", weights)


def _relu(x: Array) -> Array:
    return np.maximum(x, 0, out=x)


def _doubled(x: Array) -> Array:
    """Nearest neighbour, twice as high and wide."""
    return x.repeat(2, axis=1).repeat(2, axis=2)


def _convolve(x: Array, name: str, weights: Weights, stride: int = 1) -> Array:
    """(in, h, w) -> (out, h, w) / stride, as networks convolve, edges mirrored.

    One matrix product a tap of the kernel: rows lie end to end, so moving by a tap is an offset;
    what is computed across the seams of two rows is dropped.
    """
    kernel = weights[f"{name}.conv2d.weight"]
    taps = np.ascontiguousarray(kernel.transpose(2, 3, 0, 1))  # (k, k, out, in)
    size = len(taps)
    channels, height, width = x.shape
    low, wide = height + size - 1, width + size - 1
    framed = np.empty((channels, low * wide + size), np.float32)  # the last taps read on
    framed[:, low * wide :] = 0
    for plane, into in zip(x, framed, strict=True):
        edge = size // 2
        into[: low * wide] = cv2.copyMakeBorder(
            plane, edge, edge, edge, edge, cv2.BORDER_REFLECT_101
        ).ravel()
    out = np.zeros((len(kernel), height * wide), np.float32)
    for down, right in np.ndindex(size, size):
        start = down * wide + right
        out += taps[down, right] @ framed[:, start : start + height * wide]
    return out.reshape(len(kernel), height, wide)[:, ::stride, :width:stride].copy()


FEATURE = Feature(
    learned,
    LearnedConfig,
    needs=("onset_apex",),
    units="grey levels",
    axes="gain y x channel",
    convention="RGB, 0 to 255: the apex at each gain of its displacement from the onset",
    revision=1,
    sensitive=True,
    read=read_weights,
)
