"""A protocol: which samples of which datasets count, as which classes, and who is tested when.

`loso` takes every sample with an emotion. The others are data, protocols/<name>.toml:

    about = "…"
    source = "…"
    [casme2]                                  # a dataset that takes part
    by = "emotion"                            # or "objective_class", or "action_units"
    classes = { disgust = "negative", … }     # as annotated -> class; others are left out
    exclude = ["casme2_sub04_EP12_01f"]
    expected = { negative = 88, … }           # samples a class; [25, 28] where releases differ
    subjects = 24
    per_subject = { "01" = 9, … }             # optional: tells whose samples are missing

By action units a sample has a label for each of `units`, which it shows or not; `expected` then
counts the samples that show it, and `samples` all.

`split = "dataset"` at the top: a dataset is left out at a time. Without it, a subject.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from features.console import MerError, choose, one_of
from features.facs import action_units

FOLDER = Path(__file__).parent / "protocols"
ALL = "loso"
TEXTS, SPLITS = ("about", "source", "split"), ("loso", "dataset")
BY = ("emotion", "objective_class", "action_units")
NONE = "none"  # the label of a sample that shows none of the units


@dataclass(frozen=True, slots=True)
class Part:
    """What a protocol takes from one dataset."""

    expected: Mapping[str, int | Sequence[int]]
    classes: Mapping[str, str] = field(default_factory=dict)
    units: Sequence[int] = ()  # action units, if those are the labels
    samples: int | Sequence[int] | None = None  # None: the sum of the classes
    subjects: int | None = None  # None: nobody says how many
    exclude: Sequence[str] = ()
    per_subject: Mapping[str, int] = field(default_factory=dict)  # samples of each
    by: str = "emotion"  # or "objective_class" or "action_units": what is turned into a class

    def label(self, emotion: str, objective_class: str, action_units: str) -> str:
        """The class of a sample; units joined by ``+``, ``none`` for none of them."""
        if self.by == "action_units":
            shown = _shown(action_units)
            return joined(f"AU{n}" for n in sorted(self.units) if n in shown)
        annotated = {"emotion": emotion, "objective_class": objective_class}[self.by]
        return self.classes.get(annotated, "")

    def differences(self, rows: Sequence[tuple[str, str, str]]) -> list[str]:
        """How the samples of this dataset differ in number, and of whom."""
        classes = Counter(name for row in rows for name in row[2].split("+"))
        people = Counter(row[1] for row in rows)
        told = [
            sentence
            for name, expected in self.expected.items()
            for sentence in _differs(name, classes[name], expected)
        ]
        if self.samples is not None:
            told += _differs("samples", len(rows), self.samples)
        if self.subjects is not None:
            told += _differs("subjects", len(people), self.subjects)
        if told:
            for subject, expected in self.per_subject.items():
                told += _differs(f"subject {subject} has", people[subject], expected)
        return told


@dataclass(frozen=True, slots=True)
class Protocol:
    """A rule for what counts, and for who is left out at a time."""

    name: str
    about: str
    source: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)  # none: every emotion is a class
    split: str = "loso"  # or "dataset"

    @property
    def classes(self) -> list[str]:
        """Names of the classes, sorted, units by number; none where every emotion is a class."""
        if self.several_labels:
            return [f"AU{n}" for n in sorted({n for p in self.parts.values() for n in p.units})]
        return sorted({name for part in self.parts.values() for name in part.classes.values()})

    @property
    def several_labels(self) -> bool:
        """Whether a sample has several labels at once."""
        return any(part.units for part in self.parts.values())

    def label(
        self,
        dataset: str,
        sample_id: str,
        emotion: str,
        objective_class: str = "",
        action_units: str = "",
    ) -> str:
        """The class of a sample; blank if it takes no part."""
        if not self.parts:
            return emotion
        part = self.parts.get(dataset)
        if part is None or sample_id in part.exclude:
            return ""
        return part.label(emotion, objective_class, action_units)

    def differences(
        self, rows: Iterable[tuple[str, str, str]], dataset: str | None = None
    ) -> list[str]:
        """How samples differ in number from what the protocol expects, a sentence each.

        Parameters
        ----------
        rows : (dataset, subject, class) of each sample that takes part
        dataset : look at this part alone
        """
        listed = list(rows)
        return [
            f"{name}: {sentence}"
            for name, part in self.parts.items()
            if dataset in (None, name)
            for sentence in part.differences([row for row in listed if row[0] == name])
        ]


def joined(units: Iterable[str]) -> str:
    """The label of a sample that shows these units."""
    return "+".join(units) or NONE


def _shown(text: str) -> set[int]:
    """Action units of a FACS string, those left out that were there already."""
    try:
        return {unit.number for unit in action_units(text) if not unit.static}
    except ValueError:  # outside the grammar; the manifest's note tells
        return set()


def _differs(what: str, have: int, expected: int | Sequence[int]) -> list[str]:
    allowed = [expected] if isinstance(expected, int) else list(expected)
    if have in allowed:
        return []
    return [f"{what} {have}, expected {' or '.join(map(str, allowed))}"]


def names() -> list[str]:
    """Every protocol there is."""
    return sorted([ALL, *(path.stem for path in FOLDER.glob("*.toml"))])


def load(name: str) -> Protocol:
    """Read a protocol.

    Raises
    ------
    MerError
        If its file cannot be understood. Exit code 2: there is none of that name.
    """
    choose("protocol", name, names())
    if name == ALL:
        return Protocol(ALL, "every emotion is a class, every subject is left out once")
    path = FOLDER / f"{name}.toml"
    try:
        return parse(name, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MerError(f"{path}: not TOML ({error})", "mend the line it names") from error
    except ValueError as error:
        raise MerError(f"{path}: {error}", "mend the protocol") from error


def parse(name: str, table: Mapping[str, Any]) -> Protocol:
    """Turn a table into a protocol.

    Raises
    ------
    ValueError
        Names what is there and means nothing, or is missing.
    """
    texts = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    for key in texts:
        one_of("an entry", key, TEXTS)
    if missing := [key for key in ("about", "source") if key not in texts]:
        raise ValueError(f"it does not say {' and '.join(missing)}")
    one_of("split", texts.get("split", "loso"), SPLITS)
    known = [one.name for one in fields(Part)]
    parts = {}
    for dataset, entries in table.items():
        if dataset in texts:
            continue
        for key in entries:
            one_of(f"an entry of [{dataset}]", key, known)
        if "expected" not in entries:
            raise ValueError(f"[{dataset}] does not say what is expected")
        parts[dataset] = Part(**entries)
        one_of(f"by of [{dataset}]", parts[dataset].by, BY)
    return Protocol(name, **texts, parts=parts)
