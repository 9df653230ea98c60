"""One fold: fit on the training part for a fixed number of epochs, keep the last.

No test sample enters here before the fit is over, so no epoch, rate or weight can be
chosen on one (Varanka et al., "Data Leakage and Evaluation Issues in Micro-Expression
Analysis", IEEE TAFFC 2024: choosing the epoch on the test subject adds 6 to 14 points).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from features.base import digest
from train.config import FitConfig
from train.models.base import Model

Tensors = Mapping[str, Tensor]
Keep = Callable[[int, Callable[[], Tensors]], None]


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


@dataclass(frozen=True, slots=True)
class Training:
    """All that one epoch leaves to the next, torch's own random generators included."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    order: torch.Generator
    device: torch.device

    def state(self) -> dict[str, Tensor]:
        """Copy it to the CPU, as named tensors: weights, buffers, optimizer, generators."""
        found = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{number}.{name}": value for name, value in slots.items()}
        found |= {"random.order": self.order.get_state(), "random.cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            found["random.cuda"] = torch.cuda.get_rng_state(self.device)
        return copied(found)

    def restore(self, state: Tensors) -> None:
        """Go back to a state; what the config says of the optimizer stays."""
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}, "random": {}}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.network.load_state_dict(parts["network"])
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimizer"].items():
            number, _, slot = name.partition(".")
            slots.setdefault(int(number), {})[slot] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        self.order.set_state(parts["random"]["order"])
        torch.set_rng_state(parts["random"]["cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(parts["random"]["cuda"], self.device)


def copied(tensors: Tensors) -> dict[str, Tensor]:
    """Copies on the CPU that share no memory, as safetensors wants them."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}


def fit(
    model: Model,
    classes: int,
    x: Tensor,
    truth: Tensor,
    config: FitConfig,
    seed: int,
    start: tuple[int, Tensors] | None = None,
    keep: Keep | None = None,
) -> nn.Module:
    """Train a network from its first weights, or from where it was left, to its last epoch.

    Parameters
    ----------
    x : (n, planes, H, W) float32, the training samples alone, n >= 2
    truth : (n,) int64 in [0, classes), on the same device
    seed : decides weights, dropout and order; on one CPU thread the result is the same
        bit for bit
    start : an epoch and the state after it
        On one CPU thread the result is, bit for bit, that of a fit that was never left.
    keep : called after every epoch with its number and a function that gives the state

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
        training = Training(network, optimizer, order, x.device)
        done, left = start or (0, None)
        if left is not None:
            training.restore(left)
        for epoch in range(done + 1, config.epochs + 1):
            network.train()
            for rows in batches(len(x), config.batch_size, order):
                rows = rows.to(x.device)
                loss = cross_entropy(network(x[rows]), truth[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            if keep is not None:
                keep(epoch, training.state)
    return network.eval()


@torch.inference_mode()
def predict(network: nn.Module, x: Tensor) -> Tensor:
    """Probabilities of the classes, (n, classes) float32 on the CPU; no batch statistics."""
    network.eval()
    return network(x).softmax(1).cpu()
