"""What a model says of itself, and how it is found."""

from __future__ import annotations  # torch.nn is named below, yet not loaded for --help

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import train.models
from features import plugin
from train.config import FitConfig
from train.planes import Plane

if TYPE_CHECKING:
    from torch import nn


NOT_MODELS = frozenset({"base", "attention", "streams", "svm"})


@dataclass(frozen=True, slots=True)
class Input:
    """A stored feature as a network wants it: divided by fixed numbers, never by statistics.

    Parameters
    ----------
    feature : its name in the store
    size : (H, W) that its last two axes are averaged to by area; None = as stored
    scale : in the feature's unit, what becomes 1
        One number a plane along the first axis, in turn.
    per_width : the scale is that of a crop 224 px wide, and follows the width
    clamp : greatest magnitude after scaling; None = any
    planes : what each of its planes (third axis from the end) holds
        Without it the model cannot be trained on changed clips.
    """

    feature: str
    size: tuple[int, int] | None = None
    scale: tuple[float, ...] = (1.0,)
    per_width: bool = False
    clamp: float | None = 3.0
    planes: tuple[Plane, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """The last line of a model's file.

    Parameters
    ----------
    build : called as ``build(classes)``
        The network, an nn.Module: one (B, …) float32 tensor an input -> (B, classes) logits. What
        is trained by more than cross-entropy has a method
        ``losses(inputs, truth, weight) -> scalar``; weight is that of the classes, or None.
        Says it ``several_labels = True``, truth may be (B, classes) of 0 and 1: loss.py.
    takes : its inputs, in order
    recipe : the pipeline's recipe whose store it is made for
    fit : how its authors train it, or we: the docstring of the file says which
    pretrained : whether build takes ``weights``, a file of torchvision's ResNet-18, too
    solved : at once and not by epochs
        Its network has a method ``solve(inputs, truth, weight)`` instead of parameters; of `fit`
        only class_weights counts, and epochs is 1. Its inputs without a size may have any shape.
    """

    build: Callable[..., nn.Module]
    takes: tuple[Input, ...]
    recipe: str
    fit: FitConfig = field(default_factory=FitConfig)
    solved: bool = False
    pretrained: bool = False

    def parameters(self, classes: int) -> int:
        """How many numbers are trained; counted without memory for them."""
        import torch

        with torch.device("meta"):
            return sum(one.numel() for one in self.build(classes).parameters())

    def started(self, weights: Path | None) -> Model:
        """The same model, whose networks begin with the weights of a file; None: at random."""
        return (
            self if weights is None else replace(self, build=partial(self.build, weights=weights))
        )


def names() -> list[str]:
    """Every model there is: one file each in this folder."""
    return plugin.names(train.models, NOT_MODELS)


def load(name: str) -> Model:
    """Import one model, and only that one."""
    return plugin.load(train.models, name, Model, NOT_MODELS)
