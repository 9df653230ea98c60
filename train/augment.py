"""Clips that might have been: batches mirrored, moved, made stronger or weaker at random.

A plane is a picture, but a vector's components mean something: mirrored motion goes the other
way. So what a change does to a plane's values follows from the plane's meaning. Nothing is ever
normalised. All inputs of a clip are changed alike, on the device where they are.

Random numbers come from a generator that is given, on its own device: from one on the CPU they
are the same for every device of the batch.

Only training clips go in, after the folds are split. Which changes, and how large, are ours.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from train.planes import Plane

Batch = Sequence[Tensor]
Planes = Sequence[Sequence[Plane]]
Draw = torch.Generator | Sequence[torch.Generator]  # several: of equal runs of the clips, in turn


def flip(inputs: Batch, planes: Planes, generator: Draw, odds: float = 0.5) -> Batch:
    """Mirror some clips from left to right.

    Parameters
    ----------
    inputs : (B, …, C, H, W) each
        Read, never written to.
    planes : what each input's C planes hold
    odds : that a clip is mirrored

    Returns
    -------
    New tensors of the same shapes.

    Raises
    ------
    ValueError
        If an input has other planes than are told.
    """
    check(inputs, planes)
    chosen = uniform(inputs[0], generator) < odds  # (B,)
    return [
        torch.where(over(chosen, x), x.flip(-1) * of_planes(x, told, "mirrored", -1.0), x)
        for x, told in zip(inputs, planes, strict=True)
    ]


def shift(inputs: Batch, planes: Planes, generator: Draw, most: float = 0.05) -> Batch:
    """Move each clip by whole pixels; what comes in at a border repeats the border.

    Parameters
    ----------
    inputs, planes : as of `flip`
        The motion that a plane holds is not touched.
    most : share of the width, and of the height, that a clip moves at most
        Of inputs that differ in size, each moves by the whole pixels nearest to one share.

    Returns
    -------
    New tensors of the same shapes.

    Raises
    ------
    ValueError
        As `flip`.
    """
    check(inputs, planes)
    across, down = (most * (2 * uniform(inputs[0], generator) - 1) for _ in range(2))
    return [
        moved(moved(x, (across * x.shape[-1]).round(), -1), (down * x.shape[-2]).round(), -2)
        for x in inputs
    ]


def magnify(
    inputs: Batch,
    planes: Planes,
    generator: Draw,
    least: float = 0.8,
    most: float = 1.25,
) -> Batch:
    """Make each clip's motion stronger or weaker by one factor, even in its logarithm.

    Strain is exactly proportional to motion; a dynamic image is where motion is small.

    Parameters
    ----------
    inputs, planes : as of `flip`
    least, most : bounds of the factor, above 0

    Returns
    -------
    New tensors of the same shapes.

    Raises
    ------
    ValueError
        As `flip`, or if the bounds are no range above 0.
    """
    check(inputs, planes)
    if not 0 < least <= most:
        raise ValueError(f"factors from {least} to {most}; expected 0 < least <= most")
    low, high = math.log(least), math.log(most)
    factor = (low + (high - low) * uniform(inputs[0], generator)).exp()  # (B,)
    return [
        x * torch.where(of_planes(x, told, "grows", 0.0) == 0, over(factor, x), 1.0)
        for x, told in zip(inputs, planes, strict=True)
    ]


def check(inputs: Batch, planes: Planes) -> None:
    """Refuse a plane of which nothing is told."""
    for x, told in zip(inputs, planes, strict=True):
        if x.shape[-3] != len(told):
            raise ValueError(
                f"an input of {x.shape[-3]} planes {tuple(x.shape)}, of which {len(told)} are told"
            )


def uniform(x: Tensor, generator: Draw | None) -> Tensor:
    """(B,) numbers in [0, 1), one a clip; None: torch's own generator on the CPU."""
    if isinstance(generator, Sequence):
        parts = zip(x.chunk(len(generator)), generator, strict=True)
        return torch.cat([uniform(part, one) for part, one in parts])
    device = "cpu" if generator is None else generator.device
    return torch.rand(len(x), generator=generator, device=device).to(x.device)


def over(values: Tensor, x: Tensor) -> Tensor:
    """(B,) -> (B, 1, …, 1), to be combined with x."""
    return values.view(-1, *[1] * (x.ndim - 1))


def of_planes(x: Tensor, told: Sequence[Plane], what: str, then: float) -> Tensor:
    """(C, 1, 1): `then` for planes of which something is true, else 1."""
    return x.new_tensor([then if getattr(plane, what) else 1.0 for plane in told]).view(-1, 1, 1)


def moved(x: Tensor, by: Tensor, axis: int) -> Tensor:
    """Each clip moved by (B,) whole pixels along one of the last two axes."""
    length = x.shape[axis]
    source = torch.arange(length, device=x.device) - by[:, None].long()  # (B, length)
    shape = [len(x), *[1] * (x.ndim - 1)]
    shape[axis] = length
    return x.gather(axis, source.clamp(0, length - 1).view(shape).expand_as(x))
