"""What a network draws while it trains, from a stream of its own fit.

Torch draws from one generator for a whole process: a fit's numbers would then depend on who is
trained beside it. Inside `Chance`, every dropout and every `torch.rand` of a network asks a
source instead; what else is drawn stays torch's.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# How many of the last axes share one draw.
DROPOUTS = {
    functional.dropout: 0,
    functional.dropout1d: 1,
    functional.dropout2d: 2,
    functional.dropout3d: 3,
}
STEPS = 2**16  # a share of dropout is rounded to so many: four draws come from one number

DICE = 0xD1CE  # else dropout would draw what the order is drawn from

Shape = tuple[int, ...]
Source = Callable[[Shape, torch.dtype], Tensor]


@dataclass(frozen=True, slots=True)
class Draws:
    """What a fit draws from; each its own, so that none moves another.

    A wider network reorders nothing, and whoever changes no clip sees the same order.
    """

    order: torch.Generator
    change: torch.Generator
    chance: torch.Generator  # on the network's device: dropout

    @classmethod
    def of(cls, seed: int, device: torch.device) -> "Draws":
        """The generators of a fit before its first epoch."""
        order, change = (torch.Generator().manual_seed(one) for one in (seed, ~seed))
        return cls(order, change, torch.Generator(device).manual_seed(seed ^ DICE))

    def named(self) -> list[tuple[str, torch.Generator]]:
        """All of them."""
        return [("order", self.order), ("change", self.change), ("chance", self.chance)]


class Chance(TorchFunctionMode):
    """Inside, a network draws from a source.

    Parameters
    ----------
    source : called with a shape and a kind, in the order of the layers
        int16: any of the 2¹⁶ alike, for dropout; float32: in [0, 1), for `torch.rand`.
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Draw from the source, or let torch do what it does."""
        given = kwargs or {}
        if func in DROPOUTS:
            return dropped(self.source, DROPOUTS[func], *args, **given)
        if func is torch.rand and given.get("generator") is None:
            size = args[0] if args and not isinstance(args[0], int) else args
            return self.source(tuple(size), torch.float32)
        return func(*args, **given)


def dropped(
    source: Source, alike: int, x: Tensor, p: float, training: bool, inplace: bool = False
) -> Tensor:
    """Dropout of `x`, whose last `alike` axes are kept or dropped together; never in place."""
    dropping = round(p * STEPS)
    if not training or dropping == 0:
        return x
    if dropping == STEPS:
        return x * 0
    drawn = source((*x.shape[: x.ndim - alike], *[1] * alike), torch.int16)
    return x * ((drawn >= dropping - STEPS // 2) * (STEPS / (STEPS - dropping))).to(x.dtype)


def draw(shape: Shape, kind: torch.dtype, generators: Sequence[torch.Generator]) -> Tensor:
    """(len(generators), *shape) numbers on their device; each row is what its generator alone has.

    Of whole numbers four come from each 64 bits: a quarter of what torch's own dropout draws.
    """
    count, device = math.prod(shape), generators[0].device
    if kind == torch.int16:
        words = torch.empty(len(generators), -(-count // 4), dtype=torch.int64, device=device)
        for row, generator in zip(words, generators, strict=True):
            row.random_(-(2**63), None, generator=generator)
        numbers = words.view(torch.int16)[:, :count]
    else:
        rows = [torch.rand(count, generator=one, device=device) for one in generators]
        numbers = torch.stack(rows)
    return numbers.reshape(len(generators), *shape)


def own(generator: torch.Generator) -> Chance:
    """The draws of one fit."""
    return Chance(lambda shape, kind: draw(shape, kind, (generator,))[0])


def asked_for(run: Callable[[], object]) -> list[tuple[Shape, torch.dtype]]:
    """What a network draws when it is run, in order; it is given zeros that take no memory."""
    asked: list[tuple[Shape, torch.dtype]] = []

    def source(shape: Shape, kind: torch.dtype) -> Tensor:
        asked.append((shape, kind))
        return torch.zeros(shape, dtype=kind, device="meta")

    with Chance(source):
        run()
    return asked


def given(numbers: Sequence[Tensor]) -> Chance:
    """Draws that were made before, in the order of `asked_for`."""
    left: Iterator[Tensor] = iter(numbers)
    return Chance(lambda shape, kind: next(left))
