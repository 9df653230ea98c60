"""What is asked of a run, and whether it can be had: before anything is read or trained."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from features.base import file_digest
from features.console import USAGE, MerError
from features.protocol import Protocol
from train.config import FitConfig
from train.folds import LOSO
from train.loss import check_losses
from train.models.base import Model, load


@dataclass(frozen=True, slots=True)
class Request:
    """What changes the numbers of a run, apart from the store's content.

    Parameters
    ----------
    seeds : how many; they are 0, 1, …
    backbone : file of weights that every network begins with
        Nobody who is tested may have been among those it was trained on: merkit cannot see that.
    split : who is tested when: ``loso``, ``dataset`` (leave one out) or ``5-fold`` and its kin
    shuffle_labels : the control
        Labels are permuted over samples, by the seed, before the folds are made, and
        scored as permuted: whatever is then above chance leaks.
    """

    features: tuple[Path, ...]
    model: str
    protocol: str
    seeds: int
    fit: FitConfig
    shuffle_labels: bool = False
    split: str = LOSO
    backbone: Path | None = None


def asked(request: Request) -> dict[str, Any]:
    """Flatten the request; of a model that is solved at once, only the setting it takes."""
    solved = load(request.model).solved
    settings = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(request.fit).items()
        if not solved or name == "class_weights"
    }
    return {
        "features": [str(path) for path in request.features],
        "model": request.model,
        "protocol": request.protocol,
        "split": request.split,
        "seeds": request.seeds,
        **settings,
        "backbone": str(request.backbone or ""),
        "shuffle_labels": request.shuffle_labels,
    }


def toml(values: Mapping[str, Any]) -> str:
    """Flat TOML: JSON's strings, numbers, booleans and lists are TOML's."""
    return "".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()
    )


def check(request: Request, model: Model, protocol: Protocol) -> None:
    """Refuse what the model cannot do, before a store is opened.

    Raises
    ------
    MerError
        Exit code 2 (usage).
    """
    check_fit(request, model)
    check_planes(request, model)
    check_losses(request.model, model, protocol)


def check_fit(request: Request, model: Model) -> None:
    """Refuse settings that a model which is solved at once would pass over in silence.

    Raises
    ------
    MerError
        Exit code 2 (usage): anything but class_weights is other than the model's own.
    """
    own = replace(model.fit, class_weights=request.fit.class_weights)
    if model.solved and request.fit != own:
        idle = [
            f"--{name.replace('_', '-')}"
            for name, value in asdict(request.fit).items()
            if value != getattr(own, name)
        ]
        raise MerError(
            f"{request.model} is solved at once, not by epochs: it has no {', '.join(idle)}",
            "leave that out; of the settings of a fit it takes --class-weights",
            USAGE,
        )


def check_planes(request: Request, model: Model) -> None:
    """Refuse to change the clips of a model that does not say what its planes hold."""
    silent = [one.feature for one in model.takes if not one.planes]
    if request.fit.augment and silent:
        raise MerError(
            f"{request.model} does not say what the planes of {silent[0]} hold, so that they can "
            "be changed rightly",
            "train it without --augment",
            USAGE,
        )


def begins_with(request: Request, model: Model) -> dict[str, str] | None:
    """Say which file networks begin with, by name and by every byte; refuse one that does not fit.

    Raises
    ------
    MerError
        If the model takes none, or the file is none of torchvision's ResNet-18.
    """
    if request.backbone is None:
        return None
    if not model.pretrained:
        raise MerError(
            f"{request.model} begins with no weights of others",
            "train it without --backbone",
            USAGE,
        )
    model.started(request.backbone).build(2)
    return {"name": request.backbone.name, "blake3": file_digest(request.backbone)}
