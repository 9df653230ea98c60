"""Where fits are trained: "cpu" or "cuda"."""

import torch

from features.console import MerError


def choose_device(device: str) -> str:
    """Resolve "auto", and refuse a CUDA that is not there."""
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise MerError("no CUDA device is visible to torch", "use --device cpu, or auto")
    return ("cuda" if there else "cpu") if device == "auto" else device


def device_name(device: str) -> str:
    """``cpu``, or the name of the GPU."""
    return "cpu" if device == "cpu" else f"cuda ({torch.cuda.get_device_name()})"
