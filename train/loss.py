"""What a network learns its labels by: cross-entropy of classes, or of every action unit alone."""

from __future__ import annotations  # the model's file imports this one

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from features.console import USAGE, MerError
from features.protocol import Protocol

if TYPE_CHECKING:
    from train.models.base import Model

CAP = 50.0  # no unit of CD6ME is rarer, whichever dataset is left out


def label_loss(
    logits: Tensor, truth: Tensor, weight: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy against labels.

    Parameters
    ----------
    logits : (B, C)
    truth : (B,) int64 in [0, C): softmax; or (B, C) int64 of 0 and 1: a sigmoid a unit
    weight : (C,) or None
        Of the samples of a class; or of the samples that show a unit.
    smoothing : share of a label that is spread over all classes, or over "shown" and "not"

    Returns
    -------
    Scalar
        Mean over samples, and over units.
    """
    if truth.ndim == 1:
        return cross_entropy(logits, truth, weight, label_smoothing=smoothing)
    wanted = truth.to(logits.dtype) * (1 - smoothing) + smoothing / 2
    return binary_cross_entropy_with_logits(logits, wanted, pos_weight=weight)


def rarity(truth: Tensor) -> Tensor:
    """(C,) weights of the samples that show a unit, with which both sides of it weigh the same.

    Not shown / shown of (N, C) training samples, from 1/50 to 50; 1 for a unit that none of
    them shows.
    """
    seen = truth.sum(0).to(torch.float32)
    ratio = ((len(truth) - seen) / seen.clamp(min=1)).clamp(1 / CAP, CAP)
    return torch.where(seen > 0, ratio, 1.0)


def check_losses(name: str, model: Model, protocol: Protocol) -> None:
    """Refuse several labels to a network whose own losses are made for one class a sample.

    Raises
    ------
    MerError
        Exit code 2: it has a method ``losses`` and no ``several_labels = True``.
    """
    if not protocol.several_labels:
        return
    with torch.random.fork_rng([]):
        network = model.build(len(protocol.classes))
    if hasattr(network, "losses") and not getattr(network, "several_labels", False):
        raise MerError(
            f"{name} is trained by a loss for one class a sample; {protocol.name} gives it several",
            "take another --model, or a protocol of classes: mer-features list protocols",
            USAGE,
        )
