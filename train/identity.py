"""What the numbers of a run depend on: what is kept of it is kept under this."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import blake3
import torch

from features.base import array_digest, canonical_json, digest, file_digest
from features.store import Store
from train.data import Examples
from train.device import device_name
from train.request import Request, asked
from train.task import Task

PLACES = ("features", "backbone")  # of files whose content counts instead


def identity(
    request: Request,
    examples: Examples,
    tasks: Sequence[Task],
    stores: Sequence[Mapping[str, str]],
    device: str,
) -> dict[str, Any]:
    """All that a fit's numbers depend on beside its seed and fold: what is kept is kept under it.

    The store's path is no part of it, the processor's instructions are: they change last bits.
    """
    rows = [[t.seed, t.fold, *map(array_digest, (t.truth, t.train, t.test))] for t in tasks]
    code = sorted(Path(__file__).parent.rglob("*.py"))
    return {
        **{name: value for name, value in asked(request).items() if name not in PLACES},
        "stores": [[store["key"], store["blake3"]] for store in stores],
        "samples": [array_digest(x.numpy()) for x in examples.inputs],
        "classes": list(examples.classes),
        "folds": digest(canonical_json(rows).encode()),
        "code": digest(canonical_json([file_digest(path) for path in code]).encode()),
        "torch": torch.__version__,
        "device": device_name(device),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


def describe(path: Path) -> dict[str, str]:
    """Which store this was, by name, by key and by every byte."""
    with Store(path) as store:
        key = str(store.attrs["key"])
    return {"name": path.name, "key": key, "blake3": blake3.blake3().update_mmap(path).hexdigest()}
