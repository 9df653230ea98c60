"""Could these predictions be honest? What a table, its folder and the stores can show.

A finding is a leak, or a figure that the predictions do not bear out, or samples other than the
protocol's; a remark is what a reader should know and what could not be looked at.

    train on everything but a fold ─▶ nothing of a fold may stand in another     people, clips
    one number of epochs for all   ─▶ none was chosen on a test subject          epochs
    every sample once a seed       ─▶ none was dropped or counted twice          samples, protocol
    every unit where p > 0.5       ─▶ no threshold was chosen on a test subject  thresholds
    pooled, all seeds              ─▶ the stated figures come out again          stated.py
    labels shuffled                ─▶ nothing is left to learn                   control.py

See Varanka et al., "Data Leakage and Evaluation Issues in Micro-Expression Analysis", IEEE
TAFFC 2024.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from features.protocol import Protocol, load, names
from train.bootstrap import person
from train.control import check_control
from train.finished import Finished
from train.found import Found, some
from train.labels import encode, predicted, several
from train.predictions import Predictions, Row
from train.sources import Source, clips, samples_of, stores
from train.stated import figures

OWN = ("none", "sample", "train")  # what a value may be normalised over without a leak


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found, and of what."""

    rows: int
    found: tuple[Found, ...]

    @property
    def findings(self) -> list[Found]:
        """Those for which the figures cannot be believed."""
        return [one for one in self.found if not one.remark]

    @property
    def remarks(self) -> list[Found]:
        """Those which leave the figures as they are."""
        return [one for one in self.found if one.remark]

    @property
    def verdict(self) -> str:
        """One line."""
        if not self.findings:
            return f"clean: no leak found in {self.rows} predictions"
        kinds = ", ".join(dict.fromkeys(one.kind for one in self.findings))
        return f"not to be believed as it stands: {len(self.findings)} findings ({kinds})"

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "clean": not self.findings,
            "verdict": self.verdict,
            "predictions": self.rows,
            "findings": [asdict(one) for one in self.findings],
            "remarks": [asdict(one) for one in self.remarks],
        }


def audit(
    run: Finished,
    sources: Sequence[Source] = (),
    protocol: Protocol | None = None,
    control: Finished | None = None,
) -> Audit:
    """Look for everything that is known to have gone wrong in published work.

    Parameters
    ----------
    run : its predictions as they stand in the file, see `read_as_is`
    sources : the stores it was trained from
    protocol : what it should hold; None if nobody says
    control : the same run with shuffled labels
    """
    predictions, told = run.predictions, run.told
    return Audit(
        len(predictions.rows),
        (
            *people(predictions.rows, protocol),
            *samples(predictions.rows),
            *clips(predictions.rows, sources),
            *samples_of(predictions.rows, sources, protocol, shuffled(told)),
            *stores(told, sources),
            *epochs(predictions.rows, told),
            *seeds(predictions, told),
            *statistics(told),
            *thresholds(predictions),
            *kept_to(predictions, protocol, shuffled(told)),
            *figures(run),
            *check_control(run, control),
        ),
    )


def named(asked: str | None, told: Mapping[str, Any]) -> Protocol | None:
    """The protocol that is asked for, else the one that a run says, if it is one of ours.

    Raises
    ------
    MerError
        Exit code 2: there is none of the name asked for.
    """
    if asked is not None:
        return load(asked)
    said = told.get("protocol")
    return load(said) if said in names() else None


def shuffled(told: Mapping[str, Any]) -> bool:
    """Whether it is a control."""
    return told.get("shuffle_labels") is True


def people(rows: Sequence[Row], protocol: Protocol | None) -> Iterator[Found]:
    """Subjects that are trained on where they are tested: (dataset, subject) lies in one fold."""
    where: dict[str, dict[int, dict[str, list[str]]]] = {}
    for row in rows:
        of_seed = where.setdefault(person(row), {}).setdefault(row.seed, {})
        of_seed.setdefault(row.fold, []).append(row.sample_id)
    for who, by_seed in sorted(where.items()):
        split = {seed: folds for seed, folds in by_seed.items() if len(folds) > 1}
        if split:
            seed, folds = min(split.items())
            parts = "; ".join(f"{fold} tests {some(ids)}" for fold, ids in sorted(folds.items()))
            yield Found(
                "subject",
                f"{who} is trained on where it is tested: in seed {seed} it lies in "
                f"{len(folds)} folds ({parts})",
                {"subject": who, "seeds": sorted(split), "folds": folds},
            )
    if protocol is not None and protocol.split == "dataset":
        yield from datasets(rows, protocol)
        return
    for fold, count in sorted(people_of_folds(rows).items()):
        if count > 1:
            yield Found(
                "folds",
                f"fold {fold} tests {count} subjects: this is not leave-one-subject-out",
                {"fold": fold, "subjects": count},
                remark=True,
            )


def datasets(rows: Sequence[Row], protocol: Protocol) -> Iterator[Found]:
    """Folds other than one dataset each, where a protocol leaves a dataset out at a time."""
    tested: dict[str, set[str]] = {}
    folds: dict[tuple[int, str], set[str]] = {}
    for row in rows:
        tested.setdefault(row.fold, set()).add(row.dataset)
        folds.setdefault((row.seed, row.dataset), set()).add(row.fold)
    mixed = sorted(fold for fold, names in tested.items() if len(names) > 1)
    split = sorted({name for (_, name), found in folds.items() if len(found) > 1})
    if mixed or split:
        parts = [f"several datasets are tested in {some(mixed)}"] if mixed else []
        parts += [f"several folds test {some(split)}"] if split else []
        yield Found(
            "folds",
            f"{protocol.name} leaves out a dataset at a time, and here {'; '.join(parts)}",
            {"folds": mixed, "datasets": split},
            remark=True,
        )


def people_of_folds(rows: Iterable[Row]) -> Counter[str]:
    """How many people each fold tests, at most, in a seed."""
    pairs = {(row.seed, row.fold, person(row)) for row in rows}
    found: Counter[str] = Counter()
    for (_, fold), count in Counter((seed, fold) for seed, fold, _ in pairs).items():
        found[fold] = max(found[fold], count)
    return found


def samples(rows: Sequence[Row]) -> Iterator[Found]:
    """Samples that stand twice in a seed, are missing from one, or are of two people."""
    times = Counter((row.seed, row.sample_id) for row in rows)
    everything = {row.sample_id for row in rows}
    for seed in sorted({row.seed for row in rows}):
        if twice := sorted(sample for (s, sample), n in times.items() if s == seed and n > 1):
            sentence = f"in seed {seed} samples stand more than once: {some(twice)}"
            yield Found("twice", sentence, {"seed": seed, "samples": twice})
        if missing := sorted(everything - {sample for s, sample in times if s == seed}):
            sentence = f"in seed {seed} samples of other seeds are missing: {some(missing)}"
            yield Found("missing", sentence, {"seed": seed, "samples": missing})
    owners: dict[str, set[str]] = {}
    for row in rows:
        owners.setdefault(row.sample_id, set()).add(person(row))
    for sample, who in sorted(owners.items()):
        if len(who) > 1:
            yield Found(
                "clip",
                f"sample {sample} stands under {len(who)} subjects: {', '.join(sorted(who))}",
                {"sample": sample, "subjects": sorted(who)},
            )


def epochs(rows: Sequence[Row], told: Mapping[str, Any]) -> Iterator[Found]:
    """Epochs that differ between the folds of a seed, or are not the last."""
    seen: dict[int, dict[int, set[str]]] = {}
    for row in rows:
        seen.setdefault(row.seed, {}).setdefault(row.epoch, set()).add(row.fold)
    differ = {seed: by_epoch for seed, by_epoch in seen.items() if len(by_epoch) > 1}
    if differ and (parts := told.get("validation")):
        yield Found(
            "epoch",
            f"folds stop at different epochs, by the run's word chosen on one in {parts} of their "
            "training subjects: no table of predictions can show that",
            {"seeds": sorted(differ), "validation": parts},
            remark=True,
        )
        return
    if differ:
        seed, by_epoch = min(differ.items())
        parts = "; ".join(f"epoch {e}: {some(sorted(f))}" for e, f in sorted(by_epoch.items()))
        yield Found(
            "epoch",
            f"folds stop at {len(by_epoch)} different epochs in {len(differ)} of {len(seen)} "
            f"seeds, as if chosen on the test subject; seed {seed}: {parts}",
            {"seeds": sorted(differ), "epochs": sorted(by_epoch)},
        )
        return
    ends = sorted({epoch for by_epoch in seen.values() for epoch in by_epoch})
    asked = told.get("epochs")
    if isinstance(asked, int) and ends != [asked]:
        yield Found(
            "epoch",
            f"the predictions are of epoch {', '.join(map(str, ends))}, the run was to end "
            f"after {asked}: not the last one",
            {"epochs": ends, "asked": asked},
        )
    elif len(ends) > 1:
        sentence = f"seeds stop at different epochs: {', '.join(map(str, ends))}"
        yield Found("epoch", sentence, {"epochs": ends}, remark=True)


def seeds(predictions: Predictions, told: Mapping[str, Any]) -> Iterator[Found]:
    """Seeds that are missing: the best may have been kept."""
    have, asked = predictions.seeds(), told.get("seeds")
    wanted = list(range(asked)) if isinstance(asked, int) else asked
    if isinstance(wanted, list) and have != wanted:
        yield Found(
            "seeds",
            f"the run was to have seeds {listed(wanted)}, its predictions are of "
            f"{listed(have)}: the best may have been kept",
            {"seeds": have, "asked": wanted},
        )
    elif have != list(range(len(have))):
        sentence = f"seeds are {listed(have)}, not 0 to {len(have) - 1}: were others left out?"
        yield Found("seeds", sentence, {"seeds": have}, remark=True)
    elif len(have) == 1:
        sentence = "a single seed: nothing tells how far another would have been from it"
        yield Found("seeds", sentence, {"seeds": have}, remark=True)


def listed(numbers: Sequence[object]) -> str:
    """Numbers in words."""
    return ", ".join(map(str, numbers)) or "none"


def statistics(told: Mapping[str, Any]) -> Iterator[Found]:
    """Statistics that a run says it took from test subjects too."""
    over = told.get("normalised_over", "none")
    if over not in OWN:
        yield Found(
            "statistics",
            f"inputs are normalised over {over!r}: test subjects shape what is trained on",
            {"normalised_over": over},
        )


def thresholds(predictions: Predictions) -> Iterator[Found]:
    """Units that are predicted elsewhere than where their probability is above a half."""
    classes = predictions.classes
    if not several(classes):
        return
    said = encode((row.prediction for row in predictions.rows), classes)
    plain = encode(
        (predicted(np.array(row.probabilities), classes) for row in predictions.rows), classes
    )
    differ = np.flatnonzero((said != plain).any(0))
    if len(differ):
        yield Found(
            "threshold",
            f"{int((said != plain).sum())} of {said.size} predictions of units are not those of "
            f"p > 0.5, of {some([classes[i] for i in differ])}: "
            "a threshold must not be chosen on test subjects",
            {"units": [classes[i] for i in differ]},
            remark=True,
        )


def kept_to(predictions: Predictions, protocol: Protocol | None, shuffled: bool) -> Iterator[Found]:
    """Classes and numbers of samples other than the protocol's."""
    if protocol is None:
        sentence = "no protocol is named, so classes and counts were not checked: --protocol NAME"
        yield Found("protocol", sentence, {}, remark=True)
        return
    if not protocol.parts:
        return
    name, classes = protocol.name, sorted(predictions.classes)
    if classes != sorted(protocol.classes):
        yield Found(
            "classes",
            f"classes are {', '.join(classes)}; {name} has {', '.join(protocol.classes)}",
            {"classes": classes, "expected": protocol.classes},
        )
    first = predictions.of(predictions.seeds()[0])
    if others := sorted({row.dataset for row in first} - protocol.parts.keys()):
        sentence = f"{', '.join(others)} takes no part in {name}"
        yield Found("dataset", sentence, {"datasets": others})
    excluded = {sample for part in protocol.parts.values() for sample in part.exclude}
    if kept := sorted({row.sample_id for row in first} & excluded):
        sentence = f"{name} excludes samples that are here: {some(kept)}"
        yield Found("excluded", sentence, {"samples": kept})
    if not shuffled:  # permuted over the datasets, which moves their counts
        for difference in protocol.differences((r.dataset, r.subject, r.truth) for r in first):
            yield Found("counts", f"{name}, {difference}", {"difference": difference})
