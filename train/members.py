"""Members of a stack: what each begins with, and which of them step together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor, nn

from train.config import FitConfig
from train.fit import loss_of
from train.models.base import Model
from train.optimizers import slots

BUFFER = "buffer."  # among the rows, before the name of a buffer


@dataclass(frozen=True, slots=True)
class Member:
    """One fit of a stack.

    Parameters
    ----------
    train : (n,) int64, rows of the inputs
    truth : (N,) int64, or (N, classes) of 0 and 1, of all samples
    seed : as of `fit`
    until : its last epoch
    """

    train: Tensor
    truth: Tensor
    seed: int
    until: int


class Loss(nn.Module):
    """A network that is called for its loss, as torch.func wants it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Sequence[Tensor], truth: Tensor, weight: Tensor | None) -> Tensor:
        """The loss of a batch."""
        return loss_of(self.network, inputs, truth, weight)


def built(model: Model, classes: int, seed: int) -> nn.Module:
    """The network that `fit` begins with under a seed, on the CPU."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return model.build(classes)


def first_rows(
    model: Model, classes: int, members: Sequence[Member], config: FitConfig, device: torch.device
) -> dict[str, Tensor]:
    """All that is trained or counted, a member a row."""
    weights, buffers = [], []
    for member in members:
        network = built(model, classes, member.seed)
        flat = torch.cat([one.detach().flatten() for one in network.parameters()])
        weights.append(flat.to(device))
        buffers.append(dict(network.named_buffers()))
    all_weights = torch.stack(weights)
    counted = {
        BUFFER + name: torch.stack([one[name] for one in buffers]).to(device) for name in buffers[0]
    }
    return {"weights": all_weights, **slots(config, all_weights), **counted}


def side_by_side(orders: Mapping[int, Sequence[Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Steps of an epoch: members (G,), and as many batches of one size (G, B).

    A member's own batches stay in their order.

    Parameters
    ----------
    orders : a member's number -> its batches, (B,) int64 each
    """
    for batch in zip_longest(*orders.values()):
        sizes: dict[int, list[tuple[int, Tensor]]] = {}
        for number, rows in zip(orders, batch, strict=True):
            if rows is not None:
                sizes.setdefault(len(rows), []).append((number, rows))
        for same in sizes.values():
            who, rows = zip(*same, strict=True)
            yield torch.tensor(who), torch.stack(rows)
