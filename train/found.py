"""What an audit says, a line each, with its evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAMED = 4


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was found.

    Parameters
    ----------
    kind : one word
    sentence : with the counts and names that show it
    evidence : the same as plain values, whole
    remark : leaves the figures as they are
    """

    kind: str
    sentence: str
    evidence: Mapping[str, Any]
    remark: bool = False


def some(names: Sequence[str]) -> str:
    """How many, and the first few by name."""
    more = ", …" if len(names) > NAMED else ""
    return f"{len(names)}: {', '.join(names[:NAMED])}{more}"
