"""What one training step must at least do: its sums, the bytes it touches, and how long they take.

Sums are those of convolutions and matrix products, as torch counts them. Bytes are those of every
operation's inputs and outputs, which torch does one at a time: a compiler that joins operations
could go below. Rates are measured in the same run, on one thread.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

VIEWS = ("view", "_unsafe_view", "t", "transpose", "permute", "expand", "squeeze", "unsqueeze")
PARTS = ("split", "slice", "select", "as_strided", "alias", "detach", "empty", "empty_like")
FREE = {*VIEWS, *PARTS}  # move nothing


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one step: operations on float32, and bytes."""

    operations: int
    bytes: int

    def floors(self, rates: "Cost") -> tuple[float, float]:
        """Seconds that the sums take, and that the bytes take, at so many a second."""
        return self.operations / rates.operations, self.bytes / rates.bytes


class Bytes(TorchDispatchMode):
    """Counts what is read and written inside."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ not in FREE:
            for one in tree_leaves((args, kwargs, found)):
                if isinstance(one, Tensor):
                    self.total += one.numel() * one.element_size()
        return found


def cost(step: Callable[[], object]) -> Cost:
    """Count a step."""
    step()  # the first makes what the optimizer remembers
    with FlopCounterMode(display=False) as flops:
        step()
    with Bytes() as touched:
        step()
    return Cost(flops.get_total_flops(), touched.total)


def rates(device: str) -> Cost:
    """What the device does in a second: a large matrix product, and a large copy."""
    side = 1024 if device == "cpu" else 8192
    a, b = torch.randn(2, side, side, device=device)
    big, out = torch.randn(2, 2**24 if device == "cpu" else 2**28, device=device)
    product = best(lambda: a @ b, device)
    copy = best(lambda: out.copy_(big), device)
    return Cost(int(2 * side**3 / product), int(8 * big.numel() / copy))


def best(run: Callable[[], object], device: str, times: int = 5) -> float:
    """Seconds of the fastest."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        if device != "cpu":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return min(found)
