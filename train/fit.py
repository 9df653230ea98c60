"""One fold: fit on the training part for a fixed number of epochs, keep the last.

No test sample enters here before the fit is over, so no epoch, rate or weight can be
chosen on one (Varanka et al., "Data Leakage and Evaluation Issues in Micro-Expression
Analysis", IEEE TAFFC 2024: choosing the epoch on the test subject adds 6 to 14 points).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from features.base import digest
from train.config import FitConfig
from train.models.base import Model


def seed_of(seed: int, fold: str) -> int:
    """One number for a seed and a fold; the same in every process (Python's hash is not)."""
    return int(digest(f"{seed} {fold}".encode())[:15], 16)


def batches(samples: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows of one epoch, shuffled.

    A last batch of one sample is left out: batch norm over a single vector has no spread
    (torch refuses it), and over a single image it measures that image alone. The shuffle
    leaves out another sample each epoch.
    """
    order = torch.randperm(samples, generator=generator)
    for start in range(0, samples, batch_size):
        rows = order[start : start + batch_size]
        if len(rows) > 1:
            yield rows


def fit(
    model: Model, classes: int, x: Tensor, truth: Tensor, config: FitConfig, seed: int
) -> nn.Module:
    """Train a network from its first weights to its last epoch.

    Parameters
    ----------
    x : (n, planes, H, W) float32, the training samples alone, n >= 2
    truth : (n,) int64 in [0, classes), on the same device
    seed : decides weights, dropout and order; on one CPU thread the result is the same
        bit for bit

    Returns
    -------
    The network of the last epoch, in eval mode.
    """
    devices = [x.device] if x.is_cuda else []
    with torch.random.fork_rng(devices):  # leaves the caller's random numbers alone
        torch.manual_seed(seed)  # weights and dropout
        order = torch.Generator().manual_seed(seed)  # its own: a wider net reorders nothing
        network = model.build(classes).to(x.device)
        optimizer = torch.optim.Adam(
            network.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        for _ in range(config.epochs):
            network.train()
            for rows in batches(len(x), config.batch_size, order):
                rows = rows.to(x.device)
                loss = cross_entropy(network(x[rows]), truth[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    return network.eval()


@torch.inference_mode()
def predict(network: nn.Module, x: Tensor) -> Tensor:
    """Probabilities of the classes, (n, classes) float32 on the CPU; no batch statistics."""
    network.eval()
    return network(x).softmax(1).cpu()
