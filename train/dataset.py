"""Stores as PyTorch's loaders want them: for training loops of your own.

`mer-train` does not need it: its stores fit in memory. Labels, classes and folds are those of
`mer-train`, and every array is checked against its digest when it is read.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from features import protocol as protocols
from features.base import Array
from features.console import INTEGRITY, MerError, choose
from features.store import Store
from train.data import Examples, read, sources
from train.folds import Fold, folds
from train.models.base import Input, Model

LABELS_ALONE = Model(nn.Identity, takes=(), recipe="")


class FeatureDataset(Dataset[Any]):
    """One side of one fold: ``(inputs, label, sample_id)`` a sample, sorted by sample_id.

    ``inputs`` is a float32 tensor in the units of the store, or a tuple of them if `features`
    are several; ``label`` an int, the position in `classes`, or (C,) int64 of 0 and 1 where the
    protocol gives a sample several labels. Nothing is scaled.

    Every process opens the stores when it first reads, so loaders may fork or spawn.

    Parameters
    ----------
    paths : of one store, or of several that hold the same samples
    features : names of features, each in one of the stores
    protocol : which samples count, as which classes, and who is left out at a time
    fold : who is tested; `fold_names` lists them
    train : the samples to train on; False: those to test on
    transform : called with the inputs; what it returns stands for them

    Attributes
    ----------
    classes : names of the labels
    sample_id : (N,) str
    label : (N,) int64, or (N, C)

    Raises
    ------
    MerError
        As `train.data.read` does; exit code 2: no such feature, protocol or fold, the nearest
        name is hinted at. On reading, exit code 4: a sample is damaged, or a store was replaced.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        features: Sequence[str],
        *,
        protocol: str = protocols.ALL,
        fold: str,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.paths, self.features, self.transform = tuple(paths), tuple(features), transform
        examples, known = _folds(self.paths, protocol)
        choose("fold", fold, known)
        chosen = known[fold].train if train else known[fold].test
        self.classes = examples.classes
        self.sample_id: Array = examples.sample_id[chosen]
        self.label: Array = examples.truth[chosen]
        self._opened: tuple[int, list[Store]] | None = None
        stores = [Store(path) for path in self.paths]
        try:
            self._told = [store.attrs for store in stores]
            self._places = _places(stores, self.features, self.sample_id)
        finally:
            for store in stores:
                store.close()

    def __len__(self) -> int:
        return len(self.sample_id)

    def __getitem__(self, number: int) -> tuple[Any, int | Tensor, str]:
        stores = self._stores()
        read = [
            torch.from_numpy(stores[which].read(name, int(rows[number])).astype(np.float32))
            for name, (which, rows) in zip(self.features, self._places, strict=True)
        ]
        inputs: Any = read[0] if len(read) == 1 else tuple(read)
        label = self.label[number]
        return (
            inputs if self.transform is None else self.transform(inputs),
            torch.from_numpy(label) if label.ndim else int(label),
            str(self.sample_id[number]),
        )

    def __getstate__(self) -> dict[str, Any]:
        """All but the open files, which no other process can use."""
        return {**self.__dict__, "_opened": None}

    def _stores(self) -> list[Store]:
        """The stores, opened by this process: HDF5's state does not survive a fork."""
        if self._opened is None or self._opened[0] != os.getpid():
            stores = [Store(path) for path in self.paths]
            for store, told in zip(stores, self._told, strict=True):
                if store.attrs != told:
                    raise MerError(
                        f"{store.path}: is another store than when this dataset was made",
                        "make the dataset anew",
                        INTEGRITY,
                    )
            self._opened = os.getpid(), stores
        return self._opened[1]


def fold_names(paths: Sequence[Path], protocol: str = protocols.ALL) -> list[str]:
    """Who can be tested, in the order of `mer-train`: ``dataset/subject``, or a dataset."""
    return list(_folds(paths, protocol)[1])


def _folds(paths: Sequence[Path], protocol: str) -> tuple[Examples, dict[str, Fold]]:
    """Labels, no arrays; and the folds by name."""
    rule = protocols.load(protocol)
    examples = read(paths, LABELS_ALONE, rule)
    made = folds(examples.group, examples.truth, examples.digest, rule.split)
    return examples, {fold.name: fold for fold in made}


def _places(
    stores: Sequence[Store], features: Sequence[str], sample_id: Array
) -> list[tuple[int, Array]]:
    """Which store holds each feature, and in which rows it has the samples."""
    if not features:
        raise MerError("no feature is asked for", 'give a list: ["flow", "strain"]')
    held = {name for store in stores for name in store.features}
    for name in features:
        choose("feature", name, held)
    wanted = Model(nn.Identity, tuple(Input(name) for name in features), recipe="", solved=True)
    return [
        (stores.index(store), np.searchsorted(store.index["sample_id"], sample_id))
        for store in sources(stores, wanted)
    ]
