"""One store, in memory, as a model wants it.

Nothing here is a statistic over samples: a test subject must not shape what the others
are trained on. Every plane is averaged down by area and divided by a fixed constant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from features.base import Array
from features.console import USAGE, MerError
from features.protocol import Protocol
from features.store import Store
from train.models.base import Model

# Our choice, after no paper: a micro-expression moves skin by about 2 px on a face 224 px
# wide and strains it by about 0.05, so divided by these the planes lie near 1. Amplitude is
# information: it is never normalised per sample.
REFERENCE_WIDTH = 224  # px
FULL_SCALE = {"flow": 2.0, "strain": 0.05}  # px at the reference width; px/px
LABELLED_BY = ("dataset", "sample_id", "emotion", "objective_class", "action_units")
LIMIT = 3.0  # scaled values are clipped to [-3, 3]: a failed flow must not outweigh a batch


@dataclass(frozen=True, slots=True)
class Examples:
    """The labelled samples of a store, sorted by sample_id.

    Parameters
    ----------
    classes : the distinct emotions, sorted
    sample_id, dataset, subject, digest : (N,) str
    group : (N,) str
        ``dataset/subject``: a person. Subject 1 of two datasets is two people.
    truth : (N,) int64
        Position of the sample's emotion in `classes`.
    x : (N, planes, H, W) float32
        Fixed-scale planes within [-3, 3].
    left_out : how many samples the protocol does not take, or have no emotion
    differences : how the samples differ in number from what the protocol expects, and which
        samples the store lacks
    """

    classes: tuple[str, ...]
    sample_id: Array
    dataset: Array
    subject: Array
    digest: Array
    group: Array
    truth: Array
    x: Tensor
    left_out: int
    differences: tuple[str, ...]


def read(path: Path, model: Model, protocol: Protocol) -> Examples:
    """Read what a model takes from a store, and a protocol from its samples.

    Raises
    ------
    MerError
        If the store is damaged, lacks a feature the model takes, or holds fewer than two
        subjects or two emotions.
    """
    if protocol.several_labels:
        raise MerError(
            f"{protocol.name} gives a sample several labels; mer-train learns one",
            "choose a protocol of classes: mer-features list protocols",
            USAGE,
        )
    with Store(path) as store:
        check_features(path, store.features, model)
        index = store.index
        labels = np.array(
            [
                protocol.label(*row)
                for row in zip(*(index[name] for name in LABELLED_BY), strict=True)
            ],
            object,
        )
        kept = np.flatnonzero(labels != "")
        emotions, subjects = labels[kept], index["subject"][kept]
        group = np.array(
            [f"{d}/{s}" for d, s in zip(index["dataset"][kept], subjects, strict=True)], object
        )
        check_labels(path, index["sample_id"][kept], subjects, group, emotions)
        classes = protocol.classes or sorted(set(emotions))
        return Examples(
            classes=tuple(classes),
            sample_id=index["sample_id"][kept],
            dataset=index["dataset"][kept],
            subject=subjects,
            digest=index["digest"][kept],
            group=group,
            truth=np.array([classes.index(emotion) for emotion in emotions], np.int64),
            x=torch.stack([planes(store, int(row), model) for row in kept]),
            left_out=len(labels) - len(kept),
            differences=differences(protocol, index["dataset"][kept], subjects, emotions, store),
        )


def differences(
    protocol: Protocol, datasets: Array, subjects: Array, labels: Array, store: Store
) -> tuple[str, ...]:
    """Say how a store falls short of a protocol, and which of its samples failed."""
    told = protocol.differences(zip(datasets, subjects, labels, strict=True))
    failed = store.failures
    if told:
        told += [
            f"not in the store: {sample_id} ({message})"
            for sample_id, message in zip(failed["sample_id"], failed["message"], strict=True)
        ]
    return tuple(told)


def planes(store: Store, row: int, model: Model) -> Tensor:
    """One sample's planes, (planes, H, W) float32."""
    parts = [prepare(name, store.read(name, row), model.size) for name in model.takes]
    return torch.cat(parts)


def prepare(name: str, array: Array, size: tuple[int, int]) -> Tensor:
    """Bring one feature to a model's size and scale.

    Parameters
    ----------
    array : (C, H, W), px for flow, px/px for strain
        As stored.

    Returns
    -------
    (C, *size) float32 within [-3, 3], no unit
        1 is a flow of 2 px on a face 224 px wide: on a crop half as wide the same motion
        is 1 px, so the constant follows the width. Strain has no unit and no such factor.
    """
    width = array.shape[-1]
    scale = FULL_SCALE[name] * (width / REFERENCE_WIDTH if name == "flow" else 1)
    plane = torch.from_numpy(array.astype(np.float32))
    small = interpolate(plane[None], size, mode="area")[0]
    return (small / scale).clamp(-LIMIT, LIMIT)


def check_features(path: Path, stored: Mapping[str, Mapping[str, Any]], model: Model) -> None:
    """Refuse a store that a model cannot be fed from."""
    missing = [name for name in model.takes if name not in stored]
    if missing:
        raise MerError(
            f"{path}: no {' and no '.join(missing)}; it holds {', '.join(stored) or 'no feature'}",
            f"choose a recipe that makes {' and '.join(model.takes)}, "
            "or another --model: mer-features list recipes",
        )
    for name in model.takes:
        if name not in FULL_SCALE:
            raise MerError(
                f"no fixed scale is known for {name!r}", "add it to FULL_SCALE in train/data.py"
            )
        shape = stored[name]["shape"]
        if len(shape) != 4:
            raise MerError(
                f"{path}: {name} is {shape[1:]} a sample; a network needs planes (C, H, W)",
                "choose a recipe that stores it as planes",
            )


def check_labels(
    path: Path, sample_id: Array, subjects: Array, groups: Array, emotions: Array
) -> None:
    """Refuse samples from which no fold can be made."""
    if not all(subjects):
        nameless = sample_id[subjects == ""]
        raise MerError(
            f"{path}: {len(nameless)} samples name no subject, first {nameless[0]}",
            "fill in the subject column of the manifest and run mer-features again",
        )
    for what, found in (("subject", set(groups)), ("emotion", set(emotions))):
        if len(found) < 2:
            names = ", ".join(sorted(found)) or "none"
            raise MerError(
                f"{path}: {len(found)} {what}s among the {len(sample_id)} labelled samples "
                f"({names}); at least 2 are needed",
                f"give a store of more {what}s, or correct the {what} column of its manifest",
            )
