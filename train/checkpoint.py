"""A training state on disk: tensors as safetensors, all else as JSON; no pickle, no torch.load.

    000012-DIGEST.safetensors   weights, buffers, optimizer, random generators
    000012-DIGEST.json          what they are of, their epoch, their digest: written last

Neither format notices a flipped bit, so the JSON is sealed and holds the digest of the tensors.
A state counts once its JSON is there; the one before stays beside it.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors.torch import load as unpack
from safetensors.torch import save as pack
from torch import Tensor

from features.base import canonical_json, digest
from features.console import INTEGRITY, MerError
from features.disk import write_durably
from train.fit import Tensors

FORMAT, SCHEMA = "merkit-training", 1
KEPT = 2  # states a fit

Facts = Mapping[str, Any]


def sealed(facts: Facts) -> bytes:
    """JSON that holds its own digest; a float is written as the shortest text that gives it."""
    facts = {"format": FORMAT, "schema": SCHEMA, **facts}
    seal = digest(canonical_json(facts).encode())
    return canonical_json({**facts, "seal": seal}).encode() + b"\n"


def unsealed(path: Path, of: Facts) -> dict[str, Any]:
    """Read what `sealed` made.

    Parameters
    ----------
    of : facts that must be among those read

    Raises
    ------
    MerError
        Exit code 4: a bit is not as it was written, another schema wrote it, or it is of
        something else.
    """
    try:
        data = path.read_bytes()
        facts = json.loads(data)
        del facts["seal"]
        whole = sealed(facts) == data
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise damaged(path)
    if (facts["format"], facts["schema"]) != (FORMAT, SCHEMA):
        raise MerError(
            f"{path}: {facts['format']} of schema {facts['schema']}; "
            f"this merkit reads {FORMAT} of schema {SCHEMA}",
            "use the merkit that wrote it, or delete it and run mer-train again",
            INTEGRITY,
        )
    if names := [name for name, value in of.items() if facts.get(name) != value]:
        raise MerError(
            f"{path}: of another run, which differs in {', '.join(names)}",
            "delete it and run mer-train again",
            INTEGRITY,
        )
    return facts


def write(path: Path, tensors: Tensors, facts: Facts) -> None:
    """Write tensors durably, and then, at `path`, the JSON that makes them count.

    Parameters
    ----------
    path : ends in .json; the tensors lie beside it
    facts : JSON values under any names but format, schema, digest and seal
    """
    _write(path, pack(dict(tensors)), facts)


def read(path: Path, of: Facts) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, on the CPU, and facts, both as they were written.

    Raises
    ------
    MerError
        Exit code 4: as `unsealed` says, of either file.
    """
    facts = unsealed(path, of)
    beside = tensors_of(path)
    try:
        data = beside.read_bytes()
    except FileNotFoundError:
        data = b""
    if digest(data) != facts["digest"]:
        raise damaged(beside)
    return unpack(data), facts


def tensors_of(path: Path) -> Path:
    """Where the tensors of a JSON lie."""
    return path.with_suffix(".safetensors")


def save(folder: Path, epoch: int, tensors: Tensors, facts: Facts) -> None:
    """Keep the state after an epoch, and of those before it only the last."""
    data = pack(dict(tensors))
    _write(folder / f"{epoch:06d}-{digest(data)}.json", data, {**facts, "epoch": epoch})
    kept = {path.stem for path in states(folder)[-KEPT:]}
    for path in folder.iterdir():
        if path.stem not in kept:  # also what a kill left half written
            path.unlink()


def states(folder: Path) -> list[Path]:
    """The JSON of every state in a folder, the newest last."""
    return sorted(folder.glob("[0-9]*.json"))


def remove(folder: Path) -> None:
    """Remove all tensors and facts in a folder, and leave whatever else is there alone."""
    for path in folder.glob("*.json"):
        with suppress(MerError):
            unsealed(path, {})
            tensors_of(path).unlink(missing_ok=True)
            path.unlink()


def drop_damaged(folder: Path, of: Facts) -> list[MerError]:
    """Remove every state that cannot be used, so that the newest left can; say which and why."""
    found = []
    for path in states(folder):
        try:
            read(path, of)
        except MerError as error:
            found.append(error)
            path.unlink()
            tensors_of(path).unlink(missing_ok=True)
    return found


def damaged(path: Path) -> MerError:
    """One line of cause, one of remedy."""
    return MerError(
        f"{path}: damaged, or not whole",
        "delete it and run mer-train again: what else is finished is kept",
        INTEGRITY,
    )


def _write(path: Path, data: bytes, facts: Facts) -> None:
    write_durably(tensors_of(path), data)
    write_durably(path, sealed({**facts, "digest": digest(data)}))
