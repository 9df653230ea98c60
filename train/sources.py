"""Predictions against the stores they were made from: the same clip, the same people, all of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blake3

from features.protocol import Protocol
from features.store import Store
from train.bootstrap import person
from train.found import Found, some
from train.predictions import Row


@dataclass(frozen=True, slots=True)
class Clip:
    """A row of a store's index, as far as an audit asks."""

    dataset: str
    subject: str
    digest: str
    emotion: str
    objective_class: str
    action_units: str


@dataclass(frozen=True, slots=True)
class Source:
    """A store: its file's digest, and sample_id -> clip."""

    path: Path
    blake3: str
    clips: Mapping[str, Clip]


def read_source(path: Path) -> Source:
    """Read a store's index.

    Raises
    ------
    MerError
        If there is no such store; exit code 4 if it is damaged.
    """
    with Store(path) as store:
        index = store.index
        columns = (index[name].tolist() for name in Clip.__slots__)
        clips = dict(zip(index["sample_id"], map(Clip, *columns), strict=True))
    return Source(path, blake3.blake3().update_mmap(path).hexdigest(), clips)


def clips(rows: Sequence[Row], sources: Sequence[Source]) -> Iterator[Found]:
    """Clips whose arrays are the same to the last bit, under two subjects or twice under one."""
    if not sources:
        sentence = "equal clips under two names show only in the store: --features STORE.h5"
        yield Found("clip", sentence, {}, remark=True)
    tested = {row.sample_id: row for row in rows}
    alike: dict[str, set[str]] = {}
    for source in sources:
        for sample in tested.keys() & source.clips.keys():
            alike.setdefault(source.clips[sample].digest, set()).add(sample)
    for ids in sorted(sorted(group) for group in alike.values() if len(group) > 1):
        who = sorted({person(tested[sample]) for sample in ids})
        folds = sorted({tested[sample].fold for sample in ids})
        two = len(who) > 1 or len(folds) > 1
        yield Found(
            "clip",
            f"the same clip under {len(ids)} names ({', '.join(ids)}) of {' and '.join(who)}"
            + (f": it is trained on where it is tested, folds {', '.join(folds)}" if two else ""),
            {"samples": ids, "subjects": who, "folds": folds},
            remark=not two,
        )


def samples_of(
    rows: Sequence[Row], sources: Sequence[Source], protocol: Protocol | None, shuffled: bool
) -> Iterator[Found]:
    """Samples whose subject or truth is not the store's, or which one of the two lacks."""
    if not sources:
        return
    first = {row.sample_id: row for row in rows if row.seed == rows[0].seed}
    known = {sample: clip for source in sources for sample, clip in source.clips.items()}
    both = sorted(first.keys() & known.keys())
    if foreign := sorted(first.keys() - known.keys()):
        sentence = f"samples are in none of the stores: {some(foreign)}"
        yield Found("foreign", sentence, {"samples": foreign})
    moved = [
        sample
        for sample in both
        if (first[sample].dataset, first[sample].subject)
        != (known[sample].dataset, known[sample].subject)
    ]
    if moved:
        one, clip = first[moved[0]], known[moved[0]]
        yield Found(
            "renamed",
            f"samples stand under another subject than in the store, {some(moved)}; the first "
            f"is of {clip.dataset}/{clip.subject}, here of {person(one)}",
            {"samples": moved},
        )
    if protocol is None:
        return
    labels = {sample: label_of(protocol, sample, clip) for sample, clip in known.items()}
    everywhere = {sample for sample in known if in_all(sample, known[sample], sources)}
    missing = sorted(s for s in everywhere - first.keys() if labels[s])
    if missing:
        sentence = f"samples of {protocol.name} are in the store and not here: {some(missing)}"
        yield Found("missing", sentence, {"samples": missing})
    wrong = [sample for sample in both if first[sample].truth != labels[sample]]
    if wrong and not shuffled:
        one = first[wrong[0]]
        yield Found(
            "truth",
            f"truths are not the store's, {some(wrong)}; the first is "
            f"{labels[wrong[0]] or 'of no class'}, here {one.truth}",
            {"samples": wrong},
        )


def label_of(protocol: Protocol, sample_id: str, clip: Clip) -> str:
    """The class of a clip; blank if it takes no part."""
    return protocol.label(
        clip.dataset, sample_id, clip.emotion, clip.objective_class, clip.action_units
    )


def in_all(sample: str, clip: Clip, sources: Sequence[Source]) -> bool:
    """Whether a sample is in every store of its dataset: a run takes only such."""
    of_dataset = [
        source
        for source in sources
        if any(other.dataset == clip.dataset for other in source.clips.values())
    ]
    return all(sample in source.clips for source in of_dataset)


def stores(told: Mapping[str, Any], sources: Sequence[Source]) -> Iterator[Found]:
    """Stores that are not those a run says it was trained from."""
    if not sources:
        return
    listed = told.get("stores", told.get("store"))
    listed = [listed] if isinstance(listed, Mapping) else listed
    stated = [one for one in listed or () if isinstance(one, Mapping) and "blake3" in one]
    if not stated:
        sentence = "the run does not say which store it was trained from"
        yield Found("store", sentence, {}, remark=True)
        return
    digests = {str(one["blake3"]) for one in stated}
    for source in sources:
        if source.blake3 not in digests:
            yield Found(
                "store",
                f"{source.path.name} is not a store of this run: its blake3 is "
                f"{source.blake3[:12]}…, the run's {', '.join(d[:12] + '…' for d in digests)}",
                {"store": source.path.name, "blake3": source.blake3, "stated": sorted(digests)},
            )
    for one in stated:
        if one["blake3"] not in {source.blake3 for source in sources}:
            name = one.get("name", "a store")
            sentence = f"{name} was not given, so its samples were not looked at"
            yield Found("store", sentence, {"store": name}, remark=True)
