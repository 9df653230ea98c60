"""What a model says of itself, and how it is found."""

from __future__ import annotations  # torch.nn is named below, yet not loaded for --help

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import train.models
from features import plugin

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Model:
    """The last line of a model's file.

    Parameters
    ----------
    build : called as ``build(classes)``
        The network: (B, planes, H, W) float32 -> (B, classes) logits.
    takes : names of features
        Their planes, in this order, are the network's input.
    size : (H, W)
        Every plane is brought to this size.
    """

    build: Callable[[int], nn.Module]
    takes: tuple[str, ...]
    size: tuple[int, int]


def names() -> list[str]:
    """Every model there is: one file each in this folder."""
    return plugin.names(train.models)


def load(name: str) -> Model:
    """Import one model, and only that one."""
    return plugin.load(train.models, name, Model)
