"""The ledger of failures: which samples are not in a store, why, and how many may be missing."""

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from features.disk import write_durably


@dataclass(frozen=True, slots=True)
class Failure:
    """A sample that is not in the store, and why."""

    sample_id: str
    stage: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many samples may fail before a store would be hollow.

    Parameters
    ----------
    share : of all samples; any share above none lets one sample fail, however few there are
    count : of samples, whatever their number
    """

    share: Fraction = Fraction(5, 100)
    count: int = 0

    def of(self, samples: int) -> int:
        """How many of so many samples may fail."""
        return max(self.count, int(self.share * samples), int(self.share > 0))

    def __str__(self) -> str:
        return str(self.count) if self.count or not self.share else f"{float(self.share * 100):g}%"


NONE = Tolerance(Fraction(0))


def tolerance(text: str) -> Tolerance:
    """Read ``5%`` or a number of samples, ``12``.

    Raises
    ------
    ValueError
        If it is neither.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text.strip())
    number = Fraction(match[1]) if match else Fraction(-1)
    share = bool(match and match[2])
    if number < 0 or (number > 100 if share else number.denominator > 1):
        raise ValueError(f"{text!r} is neither a share such as 5% nor a number of samples")
    return Tolerance(number / 100) if share else Tolerance(Fraction(0), int(number))


def ledger_of(store: Path) -> Path:
    """The file beside a store that names what failed, a JSON object a line."""
    return store.with_suffix(".failures.jsonl")


def write_ledger(store: Path, failures: Collection[Failure]) -> None:
    """Write a store's ledger, also if there will be no store; nothing failed: no ledger."""
    path = ledger_of(store)
    if failures:
        rows = sorted((asdict(failure) for failure in failures), key=lambda row: row["sample_id"])
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        write_durably(path, "".join(lines).encode())
    elif path.exists():
        path.unlink()
