"""One fold: fit on the training part for a fixed number of epochs, keep the last.

No test sample enters here before the fit is over, so no epoch, rate or weight can be
chosen on one (Varanka et al., "Data Leakage and Evaluation Issues in Micro-Expression
Analysis", IEEE TAFFC 2024: choosing the epoch on the test subject adds 6 to 14 points).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from features.base import digest
from train import augment, chance
from train.chance import Draws
from train.config import CHANGES, FitConfig
from train.loss import label_loss, rarity
from train.models.base import Model
from train.optimizers import slots, step
from train.precision import narrow
from train.streamed import Clips

Tensors = Mapping[str, Tensor]
Keep = Callable[[int, Callable[[], Tensors]], None]
Watch = Callable[[int, nn.Module], None]
Tell = Callable[[float], None]


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
    """All that one epoch leaves to the next, torch's own random generators included.

    Parameters
    ----------
    rows : the weights, in one row, and what the optimizer remembers
        The network's parameters are views of them.
    """

    network: nn.Module
    rows: dict[str, Tensor]
    draws: Draws
    device: torch.device

    def state(self) -> dict[str, Tensor]:
        """Copy it to the CPU, as named tensors: weights, buffers, optimizer, generators."""
        found = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        found |= {f"optimizer.{n}": row for n, row in self.rows.items() if n != "weights"}
        found |= {f"random.{name}": own.get_state() for name, own in self.draws.named()}
        found["random.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            found["random.cuda"] = torch.cuda.get_rng_state(self.device)
        return copied(found)

    def restore(self, state: Tensors) -> None:
        """Go back to a state."""
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}, "random": {}}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.network.load_state_dict(parts["network"])
        for name, value in parts["optimizer"].items():
            self.rows[name].copy_(value)
        for name, own in self.draws.named():
            own.set_state(parts["random"][name])
        torch.set_rng_state(parts["random"]["cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(parts["random"]["cuda"], self.device)


def copied(tensors: Tensors) -> dict[str, Tensor]:
    """Copies on the CPU that share no memory, as safetensors wants them."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}


def fit(
    model: Model,
    classes: int,
    inputs: Sequence[Clips],
    truth: Tensor,
    config: FitConfig,
    seed: int,
    start: tuple[int, Tensors] | None = None,
    keep: Keep | None = None,
    watch: Watch | None = None,
    tell: Tell | None = None,
    until: int | None = None,
) -> nn.Module:
    """Train a network from its first weights, or from where it was left, to its last epoch.

    Parameters
    ----------
    inputs : (n, …) float32 each, the training samples alone, n >= 2
    truth : (n,) int64 in [0, classes), or (n, classes) of 0 and 1; on the same device
    seed : decides weights, dropout, order and how clips are changed; on one CPU thread the
        result is the same bit for bit
    start : an epoch and the state after it
        On one CPU thread the result is, bit for bit, that of a fit that was never left.
    tell : called after every epoch with its loss, the mean over the samples stepped on
    watch : called then with the epoch's number and the network; must leave it alone
    keep : called after that with the number and a function that gives the state
    until : the last epoch, if it is not that of the config; the rates stay the config's

    Returns
    -------
    The network of the last epoch, in eval mode.
    """
    device = truth.device
    with torch.random.fork_rng([device] if truth.is_cuda else []):  # the caller's are left alone
        torch.manual_seed(seed)  # weights
        draws = Draws.of(seed, device)
        network = model.build(classes).to(device)
        weight = class_weights(truth, classes, config.class_weights)
        if model.solved:
            whole = [x[:] for x in inputs]
            return solved(network, whole, truth, weight, start, keep, watch)
        weights, slopes = flattened(network)
        training = Training(network, {"weights": weights, **slots(config, weights)}, draws, device)
        done, left = start or (0, None)
        if left is not None:
            training.restore(left)
        for epoch in range(done + 1, (until or config.epochs) + 1):
            network.train()
            learning = rate(config, epoch)
            lost, stepped = torch.zeros((), dtype=torch.float64, device=device), 0
            for rows in batches(len(truth), config.batch_size, draws.order):
                rows = rows.to(device)
                shown = changed(model, [x[rows] for x in inputs], config.augment, draws.change)
                with chance.own(draws.chance), narrow(config.precision, device):
                    loss = loss_of(network, shown, truth[rows], weight)
                loss.backward()  # type: ignore[no-untyped-call]
                step(config, learning, training.rows, slopes)
                slopes.zero_()
                lost += loss.detach() * len(rows)
                stepped += len(rows)
            if tell is not None:
                tell(lost.item() / stepped)
            if watch is not None:
                watch(epoch, network)
            if keep is not None:
                keep(epoch, training.state)
    return network.eval()


def solved(
    network: nn.Module,
    inputs: Sequence[Tensor],
    truth: Tensor,
    weight: Tensor | None,
    start: tuple[int, Tensors] | None,
    keep: Keep | None,
    watch: Watch | None,
) -> nn.Module:
    """Solve a network at once, as its epoch 1, or take it as it was left after that."""
    if start is not None:
        network.load_state_dict(start[1])
        return network.eval()
    cast(Any, network).solve(inputs, truth, weight)
    if watch is not None:
        watch(1, network)
    if keep is not None:
        keep(1, lambda: copied(network.state_dict()))
    return network.eval()


def loss_of(
    network: nn.Module, inputs: Sequence[Tensor], truth: Tensor, weight: Tensor | None
) -> Tensor:
    """What a step lowers: the network's own losses, or cross-entropy of its labels."""
    own: Callable[..., Tensor] | None = getattr(network, "losses", None)
    if own is not None:
        return own(inputs, truth, weight)
    return label_loss(network(*inputs), truth, weight)


def flattened(network: nn.Module) -> tuple[Tensor, Tensor]:
    """Lay a network's weights out in a row, and their slopes in another; parameters are views.

    An optimizer then changes them all at once.

    Returns
    -------
    (1, P) float32 weights, and as many zeros.
    """
    parameters = list(network.parameters())
    count, device = sum(one.numel() for one in parameters), parameters[0].device
    weights, slopes = (torch.zeros(1, count, device=device) for _ in range(2))
    start = 0
    for one in parameters:
        there = weights.as_strided(one.shape, one.stride(), start)
        there.copy_(one.detach())
        one.data = there
        one.grad = slopes.as_strided(one.shape, one.stride(), start)
        start += one.numel()
    return weights, slopes


def changed(
    model: Model, inputs: Sequence[Tensor], names: Sequence[str], generator: augment.Draw
) -> Sequence[Tensor]:
    """A batch as it might have been, by the named changes; where it is, and one for all inputs."""
    planes = [one.planes for one in model.takes]
    for name in CHANGES:
        if name in names:
            inputs = getattr(augment, name)(inputs, planes, generator)
    return inputs


def rate(config: FitConfig, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1.

    Cosine: half a wave from the first rate to the floor, which the epoch after the last would
    have. Steps: times the decay after every so many epochs, but not below the floor.
    """
    share = 1.0
    if config.schedule == "cosine":
        wave = (1 + math.cos(math.pi * (epoch - 1) / config.epochs)) / 2
        share = config.floor + (1 - config.floor) * wave
    elif config.schedule == "steps":
        share = max(config.decay ** ((epoch - 1) // config.decay_every), config.floor)
    return config.learning_rate * share * min(1.0, epoch / (config.warmup + 1))


def class_weights(truth: Tensor, classes: int, kind: str) -> Tensor | None:
    """(classes,) weights of the classes by their counts n among the training samples; or None.

    Parameters
    ----------
    kind : "none", "balanced" (every class weighs the same: 1 / n) or "root" (1 / √n)
        Scaled so that the samples weigh 1 on average; a class that is not there gets 0. Of
        several labels: the weights of `rarity`, or their roots.
    """
    if kind == "none":
        return None
    power = {"balanced": 1.0, "root": 0.5}[kind]
    if truth.ndim == 2:
        return rarity(truth) ** power
    counts = torch.bincount(truth, minlength=classes).to(torch.float32)
    weight = torch.where(counts > 0, counts.clamp(min=1) ** -power, 0.0)
    return weight * len(truth) / (weight * counts).sum()
