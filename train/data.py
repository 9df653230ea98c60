"""Stores, in memory, as a model wants them.

Nothing here is a statistic over samples: a test subject must not shape what the others
are trained on. Every plane is averaged down by area and divided by a fixed constant; its
amplitude is information, and never normalised.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from features.base import Array
from features.console import MerError, plural
from features.protocol import Protocol
from features.store import Store
from train.labels import encode, several
from train.models.base import Input, Model

REFERENCE_WIDTH = 224  # px of the crop that a scale which follows the width is told for
LABELLED_BY = ("dataset", "sample_id", "emotion", "objective_class", "action_units")


@dataclass(frozen=True, slots=True)
class Examples:
    """The labelled samples of a store, sorted by sample_id.

    Parameters
    ----------
    classes : the distinct emotions, sorted; or the protocol's, action units by number
    sample_id, dataset, subject, digest : (N,) str
    group : (N,) str
        ``dataset/subject``: a person. Subject 1 of two datasets is two people.
    truth : (N,) int64, or (N, C) int64
        Position of the sample's emotion in `classes`; of action units, 1 where it shows one.
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


def read(paths: Sequence[Path], model: Model, protocol: Protocol) -> Examples:
    """Read what a model takes from one store or several, and a protocol from their samples.

    Each feature comes from the one store that holds it; labels come from the first store. A
    sample takes part if every store has it.

    Raises
    ------
    MerError
        If a store is damaged, a feature the model takes is in none or in two, stores disagree on
        a label, no sample has a label, or there are fewer than two subjects or two labels.
    """
    with ExitStack() as opened:
        stores = [opened.enter_context(Store(path)) for path in paths]
        source = sources(stores, model)
        index, rows = common(stores)
        labels = np.array(
            [
                protocol.label(*row)
                for row in zip(*(index[name] for name in LABELLED_BY), strict=True)
            ],
            object,
        )
        kept = np.flatnonzero(labels != "")
        if not len(kept):
            raise unlabelled(paths, index, protocol)
        emotions, subjects = labels[kept], index["subject"][kept]
        group = np.array(
            [f"{d}/{s}" for d, s in zip(index["dataset"][kept], subjects, strict=True)], object
        )
        check_labels(paths[0], index["sample_id"][kept], subjects, group, emotions, protocol)
        classes = protocol.classes or sorted(set(emotions))
        check_classes(paths[0], classes, protocol)
        return Examples(
            classes=tuple(classes),
            sample_id=index["sample_id"][kept],
            dataset=index["dataset"][kept],
            subject=subjects,
            digest=index["digest"][kept],
            group=group,
            truth=encode(emotions, classes),
            inputs=tuple(
                torch.stack(
                    [prepare(store.read(one.feature, int(rows[store][i])), one) for i in kept]
                )
                for one, store in zip(model.takes, source, strict=True)
            ),
            left_out=len(labels) - len(kept),
            differences=differences(protocol, index["dataset"][kept], subjects, emotions, stores),
        )


def sources(stores: Sequence[Store], model: Model) -> list[Store]:
    """The store of each feature that a model takes."""
    found = []
    for one in model.takes:
        there = [store for store in stores if one.feature in store.features]
        if len(there) > 1:
            raise MerError(
                f"{one.feature} is in {' and in '.join(str(store.path) for store in there)}",
                "give one store of each feature",
            )
        found += there
    check_features(stores, model)
    return found


def common(stores: Sequence[Store]) -> tuple[dict[str, Array], dict[Store, Array]]:
    """The index of the samples that every store has, and their rows in each.

    `digest` is then of all stores' arrays.
    """
    rows_of = [{name: row for row, name in enumerate(store.index["sample_id"])} for store in stores]
    shared = sorted(set.intersection(*(set(rows) for rows in rows_of)))
    rows = {
        store: np.array([of[name] for name in shared], np.int64)
        for store, of in zip(stores, rows_of, strict=True)
    }
    index = {name: column[rows[stores[0]]] for name, column in stores[0].index.items()}
    for store in stores[1:]:
        for name in (*LABELLED_BY, "subject"):
            differs = np.flatnonzero(store.index[name][rows[store]] != index[name])
            if len(differs):
                raise MerError(
                    f"{store.path}: {name} of {shared[differs[0]]} is not that of {stores[0].path}",
                    "make both stores of the same manifest",
                )
    digests = [store.index["digest"][rows[store]] for store in stores]
    index["digest"] = np.array(["".join(each) for each in zip(*digests, strict=True)], object)
    return index, rows


def differences(
    protocol: Protocol, datasets: Array, subjects: Array, labels: Array, stores: Sequence[Store]
) -> tuple[str, ...]:
    """Say how stores fall short of a protocol, and which of their samples failed."""
    told = protocol.differences(zip(datasets, subjects, labels, strict=True))
    if told:
        told += [
            f"not in the store: {sample_id} ({message})"
            for store in stores
            for sample_id, message in zip(
                store.failures["sample_id"], store.failures["message"], strict=True
            )
        ]
    return tuple(told)


def prepare(array: Array, wanted: Input) -> Tensor:
    """Bring one feature to a model's size and scale.

    Parameters
    ----------
    array : (C, …, H, W) as stored, or of any shape if no size is wanted

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


def check_features(stores: Sequence[Store], model: Model) -> None:
    """Refuse stores that a model cannot be fed from."""
    stored = {name: told for store in stores for name, told in store.features.items()}
    paths = " and ".join(str(store.path) for store in stores)
    wanted = [one.feature for one in model.takes]
    missing = [name for name in wanted if name not in stored]
    if missing:
        raise MerError(
            f"{paths}: no {' and no '.join(missing)}; it holds {', '.join(stored) or 'no feature'}",
            f"make the store that this model is for: --recipe {model.recipe}; or another --model",
        )
    for one in model.takes:
        shape = stored[one.feature]["shape"]
        if len(shape) < 4 and not (model.solved and one.size is None):
            raise MerError(
                f"{paths}: {one.feature} is {shape[1:]} a sample; the model needs planes (C, H, W)",
                f"choose a recipe that stores it as planes, such as {model.recipe}",
            )


def check_labels(
    path: Path,
    sample_id: Array,
    subjects: Array,
    groups: Array,
    labels: Array,
    protocol: Protocol,
) -> None:
    """Refuse samples from which no fold can be made."""
    if not all(subjects):
        nameless = sample_id[subjects == ""]
        raise MerError(
            f"{path}: {plural(len(nameless), 'sample')} without a subject, first {nameless[0]}",
            "fill in the subject column of the manifest and run mer-features again",
        )
    units = protocol.several_labels
    told = ("label", "action_units", set(labels)) if units else ("emotion", "emotion", set(labels))
    for what, column, found in (("subject", "subject", set(groups)), told):
        if len(found) < 2:
            names = ", ".join(sorted(found))
            raise MerError(
                f"{path}: {plural(len(found), what)} among the "
                f"{plural(len(sample_id), 'labelled sample')} ({names}); at least 2 are needed",
                f"give a store of more {what}s, or correct the {column} column of its manifest",
            )


def unlabelled(paths: Sequence[Path], index: Mapping[str, Array], protocol: Protocol) -> MerError:
    """Say why no sample takes part: no emotion, another dataset, or no class of the protocol."""
    where = " and ".join(map(str, paths))
    count, held = len(index["sample_id"]), sorted(set(index["dataset"]))
    if not count:
        return MerError(f"{where}: no sample is in each of them", "give stores of one dataset")
    if not protocol.parts:
        return MerError(
            f"{where}: none of the {plural(count, 'sample')} has an emotion",
            "fill in the emotion column of the manifest and run mer-features again",
        )
    taken = [name for name in held if name in protocol.parts]
    if not taken:
        return MerError(
            f"{where}: {protocol.name} counts samples of {', '.join(protocol.parts)};"
            f" this store holds {', '.join(held)}",
            f"give a store of {' or '.join(protocol.parts)}, or another --protocol:"
            " loso takes any dataset",
        )
    column = protocol.parts[taken[0]].by
    return MerError(
        f"{where}: {protocol.name} takes none of the {plural(count, 'sample')}:"
        f" by their {column} they have none of its classes",
        f"correct the {column} column of the manifest, or give another --protocol:"
        " loso takes every emotion",
    )


def check_classes(path: Path, classes: Sequence[str], protocol: Protocol) -> None:
    """Refuse emotions that are named as action units: a table of them would be read as units."""
    if several(classes) and not protocol.several_labels:
        raise MerError(
            f"{path}: the emotions are named as action units ({', '.join(classes)})",
            "put them into the manifest's column action_units, and take a protocol by them",
        )
