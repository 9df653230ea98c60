"""One store, in memory, as a model wants it.

Nothing here is a statistic over samples: a test subject must not shape what the others
are trained on. Every plane is averaged down by area and divided by a fixed constant; its
amplitude is information, and never normalised.
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
from train.models.base import Input, Model

REFERENCE_WIDTH = 224  # px of the crop that a scale which follows the width is told for
LABELLED_BY = ("dataset", "sample_id", "emotion", "objective_class", "action_units")


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
    inputs : (N, …) float32, one for each that the model takes
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
    inputs: tuple[Tensor, ...]
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
            inputs=tuple(
                torch.stack([prepare(store.read(one.feature, int(row)), one) for row in kept])
                for one in model.takes
            ),
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


def prepare(array: Array, wanted: Input) -> Tensor:
    """Bring one feature to a model's size and scale.

    Parameters
    ----------
    array : (C, …, H, W) as stored

    Returns
    -------
    float32 without a unit
        A scale that follows the width gives the same motion of the face the same number on
        crops of any width.
    """
    plane = torch.from_numpy(array.astype(np.float32))
    factor = array.shape[-1] / REFERENCE_WIDTH if wanted.per_width else 1.0
    scale = torch.tensor(wanted.scale).repeat(-(-len(plane) // len(wanted.scale)))[: len(plane)]
    if wanted.size is not None:
        flat = plane.reshape(-1, 1, *plane.shape[-2:])
        small = interpolate(flat, wanted.size, mode="area")
        plane = small.reshape(*plane.shape[:-2], *wanted.size)
    plane = plane / (scale * factor).reshape(-1, *(1,) * (plane.ndim - 1))
    return plane if wanted.clamp is None else plane.clamp(-wanted.clamp, wanted.clamp)


def check_features(path: Path, stored: Mapping[str, Mapping[str, Any]], model: Model) -> None:
    """Refuse a store that a model cannot be fed from."""
    wanted = [one.feature for one in model.takes]
    missing = [name for name in wanted if name not in stored]
    if missing:
        raise MerError(
            f"{path}: no {' and no '.join(missing)}; it holds {', '.join(stored) or 'no feature'}",
            f"make the store that this model is for: --recipe {model.recipe}; or another --model",
        )
    for name in wanted:
        shape = stored[name]["shape"]
        if len(shape) < 4:
            raise MerError(
                f"{path}: {name} is {shape[1:]} a sample; a network needs planes (C, H, W)",
                f"choose a recipe that stores it as planes, such as {model.recipe}",
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
