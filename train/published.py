"""What others published: published.toml, by model, protocol and measure."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from train.measures import MEASURES, UNIT_MEASURES

FILE = Path(__file__).with_name("published.toml")


@dataclass(frozen=True, slots=True)
class Published:
    """One evaluation of a model.

    Parameters
    ----------
    figures : measure -> value in [0, 1]
    read_in : where the figures were read
    verdict : what is known of how the epoch was chosen
    samples : None where nobody says
    """

    model: str
    protocol: str
    paper: str
    read_in: str
    verdict: str
    samples: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """One line: whose, read where, and how it was chosen."""
        return f"{self.paper}; read in: {self.read_in}; {self.verdict}"


@cache
def everything() -> tuple[Published, ...]:
    """All that is known, in the order of the file."""
    return tuple(map(parse, tomllib.loads(FILE.read_text(encoding="utf-8"))["figure"]))


def parse(entry: Mapping[str, Any]) -> Published:
    """Turn an entry of the file into what it says."""
    measures = (*MEASURES, *UNIT_MEASURES)
    figures = {name: entry[name] for name in measures if name in entry}
    words = {name: value for name, value in entry.items() if name not in (*measures, "N")}
    return Published(**words, samples=entry.get("N"), figures=figures)


def published(model: str | None, protocol: str | None, measure: str) -> list[Published]:
    """What is known of a model under a protocol."""
    return [
        one
        for one in everything()
        if (one.model, one.protocol) == (model, protocol) and measure in one.figures
    ]
