"""How exactly a network's sums are done. Float32 is the default: the others are faster and coarser.

tf32   products of numbers of 10 bits, on CUDA alone
bf16   a training step computes with numbers of 8 bits; weights, losses and all that is said of
       test samples stay float32
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from features.console import USAGE, MerError


def check(precision: str, device: str) -> None:
    """Refuse what a device cannot do.

    Raises
    ------
    MerError
        Exit code 2 (usage).
    """
    if precision == "tf32" and device == "cpu":
        remedy = "train without --precision tf32, or with bf16"
        raise MerError("a CPU has no tf32", remedy, USAGE)


def multiply(precision: str) -> None:
    """Have CUDA multiply as asked, and the same twice; torch's own default is neither.

    Left alone, torch rounds convolutions to tf32, and takes whichever way of doing one is fastest
    at the moment.
    """
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    cuda.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    cudnn.deterministic, cudnn.benchmark = True, False


@contextmanager
def products(precision: str) -> Iterator[None]:
    """Inside, CUDA multiplies as asked; afterwards as before."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = cuda.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark
    multiply(precision)
    try:
        yield
    finally:
        cuda.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before


def narrow(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Inside, the forward half of a step computes as asked."""
    return _narrow(device) if precision == "bf16" else nullcontext()


@contextmanager
def _narrow(device: torch.device) -> Iterator[None]:
    # What autocast would remember of weights is not ours to keep: they change in place.
    with WideNorm(), torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
        yield


class WideNorm(TorchFunctionMode):
    """Inside, batch norm measures in float32: in a stack, torch has none of two kinds."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Widen what batch norm is given; leave all else."""
        if func is functional.batch_norm:
            args = (args[0].float(), *args[1:])
        return func(*args, **(kwargs or {}))
