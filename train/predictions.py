"""The table of predictions: a row a test sample and seed. Every figure comes from it alone.

Where all classes are action units, p_AU1, p_AU2 …, a sample may show several of them: truth and
prediction are then units joined by +, or none; and each has a probability of its own.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from features.console import MerError, printable
from features.disk import write_durably
from features.protocol import NONE
from train.labels import in_order, several, shown

BEFORE = ("run", "seed", "fold", "sample_id", "dataset", "subject", "truth", "prediction")
AFTER = ("epoch",)
PARTIAL = "partial"  # a column that only the table of an interrupted run has
PREFIX = "p_"


@dataclass(frozen=True, slots=True)
class Row:
    """One sample as predicted by the one fold of a seed that did not train on it.

    Parameters
    ----------
    truth, prediction : names of emotions; or action units by number, joined by +, or none
    probabilities : one for each class, in the order of the classes; of units, not of sum 1
    epoch : the epoch the prediction is of, counted from 1: the last one
    """

    run: str
    seed: int
    fold: str
    sample_id: str
    dataset: str
    subject: str
    truth: str
    prediction: str
    probabilities: tuple[float, ...]
    epoch: int


@dataclass(frozen=True, slots=True)
class Predictions:
    """All rows of a run.

    Parameters
    ----------
    classes : names of emotions or of action units, in the order of the probabilities
    rows : sorted by (seed, sample_id)
    partial : how many fits of an interrupted run these are, in words; blank of a whole one
    """

    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    partial: str = ""

    def seeds(self) -> list[int]:
        """List the seeds, ascending."""
        return sorted({row.seed for row in self.rows})

    def of(self, seed: int) -> list[Row]:
        """Take the rows of one seed."""
        return [row for row in self.rows if row.seed == seed]


def write(path: Path, predictions: Predictions) -> None:
    """Write the table as CSV; probabilities as the shortest text that reads back the same."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    mark = [predictions.partial] if predictions.partial else []
    header = [*BEFORE, *(PREFIX + name for name in predictions.classes), *AFTER]
    writer.writerow([*header, *(PARTIAL for _ in mark)])
    for row in predictions.rows:
        before = [getattr(row, name) for name in BEFORE]
        writer.writerow([*before, *row.probabilities, row.epoch, *mark])
    write_durably(path, text.getvalue().encode())


def read(path: Path) -> Predictions:
    """Read a table, checked.

    Raises
    ------
    MerError
        If it is no such table: a column is missing, a cell does not read, a truth is not
        of the classes, a sample stands twice in a seed, or seeds differ in their samples; or
        it is partial.
    """
    found = read_as_is(path)
    check_samples(path, found.rows)
    return found


def read_as_is(path: Path) -> Predictions:
    """Read a table whose samples may be missing or stand twice: who audits wants to see them.

    Raises
    ------
    MerError
        If a column is missing, a cell does not read, a truth is not of the classes, or it is
        partial.
    """
    found = read_any(path)
    if found.partial:
        raise MerError(
            f"{path}: partial, {found.partial}: no result of a run",
            "run mer-train again to its end; mer-report score alone reads what there is so far",
        )
    return found


def read_so_far(path: Path) -> Predictions:
    """Read a table that may be partial; then of the seeds that have the samples of the fullest.

    Raises
    ------
    MerError
        As `read` does, but for what is partial.
    """
    found = read_any(path)
    if found.partial:
        there = {seed: {row.sample_id for row in found.of(seed)} for seed in found.seeds()}
        most = max(there.values(), key=len)
        kept = tuple(row for row in found.rows if there[row.seed] == most)
        found = replace(found, rows=kept)
    check_samples(path, found.rows)
    return found


def read_any(path: Path) -> Predictions:
    """Read a table, whole or partial, its samples unchecked; raises as `read_as_is` does."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or ())
            classes = tuple(name.removeprefix(PREFIX) for name in header if name[:2] == PREFIX)
            check_header(path, header, classes)
            lines = list(reader)
            rows = list(parse(path, lines, classes))
            partial = next(filter(None, (line.get(PARTIAL) for line in lines)), "")
    except (UnicodeDecodeError, csv.Error) as error:
        raise bad(path, f"not readable as CSV ({error})") from error
    check_names(path, rows, classes)
    if several(classes):
        rows = [by_number(row) for row in rows]
    rows.sort(key=lambda row: (row.seed, row.sample_id))
    return Predictions(classes, tuple(rows), printable(partial))


def check_header(path: Path, header: Sequence[str], classes: Sequence[str]) -> None:
    """Refuse a table that lacks a column, or has one twice."""
    missing = [name for name in (*BEFORE, *AFTER) if name not in header]
    if missing:
        raise bad(path, f"no column {', '.join(missing)}")
    if len(classes) < 2:
        raise bad(path, f"{len(classes)} columns {PREFIX}<class>; at least 2 are needed")
    if len(set(header)) < len(header):
        raise bad(path, "a column stands twice in the header")


def parse(path: Path, lines: Iterable[Mapping[str, str]], classes: Sequence[str]) -> Iterator[Row]:
    """Turn the lines of a table into rows."""
    for number, line in enumerate(lines, start=2):
        try:
            yield Row(
                run=line["run"],
                seed=int(line["seed"]),
                fold=line["fold"],
                sample_id=line["sample_id"],
                dataset=line["dataset"],
                subject=line["subject"],
                truth=line["truth"],
                prediction=line["prediction"],
                probabilities=tuple(float(line[PREFIX + name]) for name in classes),
                epoch=int(line["epoch"]),
            )
        except (TypeError, ValueError) as error:  # TypeError: a short line gives None
            raise bad(path, f"line {number} does not read ({error})") from error


def check_names(path: Path, rows: Sequence[Row], classes: Sequence[str]) -> None:
    """Refuse a table without rows, or of labels that are not of its classes."""
    if not rows:
        raise bad(path, "no predictions, only a header")
    units = several(classes)
    for row in rows:
        for what, name in (("truth", row.truth), ("prediction", row.prediction)):
            if units:
                check_units(path, row.sample_id, what, name, classes)
            elif name not in classes:
                raise bad(
                    path,
                    f"sample {row.sample_id}: {what} {name!r} is not among the classes "
                    f"{', '.join(classes)}",
                )


def check_units(path: Path, sample_id: str, what: str, label: str, classes: Sequence[str]) -> None:
    """Refuse a label that is not of units among the classes, each once, or none of them."""
    units = shown(label)
    if len(set(units)) < len(units) or not set(units) <= set(classes):
        raise bad(
            path,
            f"sample {sample_id}: {what} {label!r} is neither {NONE!r} nor some of "
            f"{', '.join(classes)}, joined by +",
        )


def by_number(row: Row) -> Row:
    """The row with its units in the order of their numbers, whoever wrote it."""
    truth, prediction = (in_order(shown(label)) for label in (row.truth, row.prediction))
    return replace(row, truth=truth, prediction=prediction)


def check_samples(path: Path, rows: Sequence[Row]) -> None:
    """Refuse seeds that do not each predict the same samples once."""
    seen: dict[int, set[str]] = {}
    for row in rows:
        samples = seen.setdefault(row.seed, set())
        if row.sample_id in samples:
            raise bad(path, f"sample {row.sample_id} stands twice in seed {row.seed}")
        samples.add(row.sample_id)
    first = min(seen)
    for seed, samples in seen.items():
        if odd := samples ^ seen[first]:
            raise bad(
                path,
                f"seeds {first} and {seed} differ in {len(odd)} samples, first {min(odd)}",
            )


def bad(path: Path, cause: str) -> MerError:
    """One line of cause, one of remedy."""
    return MerError(f"{path}: {cause}", "give the predictions.csv of a run, whole and unedited")
