"""Adam, AdamW and SGD for one fit or many at once: a fit a row, and every row alone.

As torch.optim has them, with its defaults; there all tensors share one count of steps, here every
fit has its own. To make one of torch.optim also loads torch's compiler, which takes longer than
many a fit's first epochs.
"""

import torch
from torch import Tensor

from train.config import FitConfig

BETAS, EPSILON, MOMENTUM = (0.9, 0.999), 1e-8, 0.9


def slots(config: FitConfig, weights: Tensor) -> dict[str, Tensor]:
    """What an optimizer remembers, before its first step.

    Parameters
    ----------
    weights : (F, P) float32, all of a fit in a row

    Returns
    -------
    (F, 1) float64 ``steps``, and (F, P) float32 each of the others.
    """
    names = ("momentum",) if config.optimizer == "sgd" else ("mean", "square")
    steps = torch.zeros(len(weights), 1, dtype=torch.float64, device=weights.device)
    return {"steps": steps, **{name: torch.zeros_like(weights) for name in names}}


def step(config: FitConfig, rate: float, rows: dict[str, Tensor], slopes: Tensor) -> None:
    """Change ``weights`` and what `slots` gave, in place.

    Parameters
    ----------
    rate : the learning rate of this epoch
    rows : both of them, by name
    slopes : (F, P) float32, gradients; is written over
    """
    weights = rows["weights"]
    if config.optimizer == "adamw":
        weights.mul_(1 - rate * config.weight_decay)
    elif config.weight_decay:
        slopes.add_(weights, alpha=config.weight_decay)
    rows["steps"] += 1
    if config.optimizer == "sgd":
        rows["momentum"].mul_(MOMENTUM).add_(slopes)
        weights.add_(rows["momentum"], alpha=-rate)
        return
    first, second = (1 - beta ** rows["steps"] for beta in BETAS)  # (F, 1)
    mean = rows["mean"].lerp_(slopes, 1 - BETAS[0])
    square = rows["square"].mul_(BETAS[1]).addcmul_(slopes, slopes, value=1 - BETAS[1])
    spread = square.sqrt().div_(second.sqrt().to(square.dtype)).add_(EPSILON)
    weights.sub_(spread.reciprocal_().mul_(mean).mul_((rate / first).to(mean.dtype)))
