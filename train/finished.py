"""A finished run as it lies on disk: its predictions, and what else its folder tells.

A table of predictions alone is enough; what lies beside a predictions.csv is read with it.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.console import MerError
from train.predictions import Predictions, read

PREDICTIONS, ORACLE = "predictions.csv", "oracle.csv"


@dataclass(frozen=True, slots=True)
class Finished:
    """What is known of a run.

    Parameters
    ----------
    path : the table of predictions
    name : of the run's folder, or of the file
    oracle : each fold at the epoch that is best on its own test subject, if it is there
    told : what config.toml and results.json say; where both speak, results.json
    """

    path: Path
    name: str
    predictions: Predictions
    oracle: Predictions | None
    told: Mapping[str, Any]

    @property
    def folder(self) -> Path | None:
        """The run's folder; None if the table stands alone."""
        return self.path.parent if self.path.name == PREDICTIONS else None


def finished(path: Path, reader: Callable[[Path], Predictions] = read) -> Finished:
    """Read a run's folder, or a table of predictions.

    Parameters
    ----------
    reader : of the table

    Raises
    ------
    MerError
        If there is no such table, or a file beside it does not read.
    """
    table = path / PREDICTIONS if path.is_dir() else path
    if not table.is_file():
        raise MerError(f"{table}: no such predictions", "mer-train writes them into runs/NAME/")
    predictions = reader(table)
    if table.name != PREDICTIONS:
        return Finished(table, table.stem, predictions, None, {})
    folder = table.parent
    oracle = folder / ORACLE
    told = {
        **beside(folder / "config.toml", tomllib.loads),
        **beside(folder / "results.json", json.loads),
    }
    return Finished(
        table,
        folder.resolve().name,
        predictions,
        read(oracle) if oracle.is_file() else None,
        told,
    )


def beside(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    """Read a file that need not be there."""
    if not path.is_file():
        return {}
    try:
        told = parse(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON, of TOML and of UTF-8 alike
        raise unreadable(path, str(error)) from error
    if not isinstance(told, dict):
        raise unreadable(path, "no table of names and values")
    return told


def unreadable(path: Path, why: str) -> MerError:
    """One line of cause, one of remedy."""
    return MerError(f"{path}: does not read ({why})", "restore it, or move it out of the folder")
