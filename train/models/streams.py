"""Maps of one picture, for the networks that look at several. No network itself."""

from pathlib import Path

from torch import nn

from train.models.resnet import Backbone


def convolution(planes: int, width: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """(B, planes, H, W) -> (B, width, H / stride, W / stride), never negative."""
    return nn.Sequential(
        nn.Conv2d(planes, width, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


def stream(widths: tuple[int, ...], weights: Path | None) -> tuple[nn.Module, int]:
    """A part that makes maps of a picture of three planes, and how many it makes.

    Parameters
    ----------
    widths : of convolutions, each of which halves height and width
        None at all: ResNet-18, 512 maps of a 32nd of height and width.
    weights : file of torchvision's ResNet-18; None: random

    Raises
    ------
    ValueError
        If weights are given for a stream that is no ResNet-18.
    MerError
        If the file is not what it should be.
    """
    if not widths:
        return Backbone(weights), 512
    if weights is not None:
        raise ValueError(f"weights of a ResNet-18 fit no stream of widths {widths}")
    steps = zip((3, *widths), widths, strict=False)
    return nn.Sequential(*(convolution(planes, width, 2) for planes, width in steps)), widths[-1]
