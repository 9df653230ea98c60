"""What a copy of a dataset is worth, before an hour is computed on it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from features import protocol
from pipeline.clips import Source, decode, marks, read_video
from pipeline.copies import Copy
from pipeline.engine import Engine
from pipeline.errors import SampleError
from pipeline.ledger import Failure
from pipeline.manifest import Sample, label
from pipeline.scan import Scan


@dataclass(slots=True)
class Diagnosis:
    """What of a copy can be used, what cannot, and why."""

    dataset: str
    samples: int
    subjects: int
    fps: dict[str, int]
    emotions: dict[str, int]
    apex_sources: dict[str, int]
    notes: dict[str, str]  # sample_id -> what was done to its annotation, and why
    holes: dict[str, str]  # sample_id -> how many frames of its clip are missing
    duplicates: list[list[str]]  # samples whose clips are the same to the last bit
    unusable: list[Failure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # no sample is lost by these
    protocols: dict[str, list[str]] = field(default_factory=dict)  # name -> differences

    @property
    def healthy(self) -> bool:
        """Whether every sample can be used."""
        return self.samples > 0 and not self.unusable


def examine(copy: Copy, scanned: Scan, engine: Engine | None = None) -> Diagnosis:
    """Tell what a scanned copy holds.

    Parameters
    ----------
    engine : decodes every frame of every clip too; None leaves that out
    """
    unusable = list(scanned.failures)
    if engine is not None:
        unusable += _undecodable(scanned, engine)
    broken = {failure.sample_id for failure in unusable}
    samples = [s for s, _ in scanned.found.values() if s.sample_id not in broken]
    return Diagnosis(
        dataset=copy.name,
        samples=len(samples),
        subjects=len({(s.dataset, s.subject) for s in samples}),
        fps=_count(f"{s.fps:g}" for s in samples),
        emotions=_count(s.emotion or "none" for s in samples),
        apex_sources=_count(s.apex_source for s in samples),
        notes={s.sample_id: s.note for s in samples if s.note},
        holes=_holes(scanned),
        duplicates=_duplicates(scanned),
        unusable=unusable,
        remarks=scanned.remarks,
        protocols=_protocols(copy.name, samples),
    )


def _count(words) -> dict[str, int]:  # type: ignore[no-untyped-def]
    return dict(sorted(Counter(words).items()))


def _holes(scanned: Scan) -> dict[str, str]:
    found = {}
    for sample_id, (sample, source) in scanned.found.items():
        length = sample.offset - sample.onset + 1
        if not source.video and len(source.files) < length:
            found[sample_id] = f"{length - len(source.files)} of {length} frames missing"
    return found


def _duplicates(scanned: Scan) -> list[list[str]]:
    clips = defaultdict(list)
    for sample_id, (sample, source) in scanned.found.items():
        digests = tuple(scanned.digests[path] for path in source.files.values())
        span = (sample.onset, sample.offset) if source.video else ()
        clips[digests + span].append(sample_id)
    return sorted(sorted(same) for same in clips.values() if len(same) > 1)


def _protocols(dataset: str, samples: Sequence[Sample]) -> dict[str, list[str]]:
    """Each protocol that this dataset takes part in -> how its counts differ."""
    found = {}
    for name in protocol.names():
        loaded = protocol.load(name)
        if dataset in loaded.parts:
            rows = [(s.dataset, s.subject, label(loaded, s)) for s in samples]
            found[name] = loaded.differences((row for row in rows if row[2]), dataset)
    return found


def _undecodable(scanned: Scan, engine: Engine) -> list[Failure]:
    work = [
        (sample, source, {path: scanned.digests[path] for path in source.files.values()})
        for sample, source in scanned.found.values()
    ]
    return [result for _, result in engine.map(first_undecodable, work) if result is not None]


def first_undecodable(clip: tuple[Sample, Source, dict[Path, str]]) -> Failure | None:
    """Decode every frame of a clip, of a video to its end; the first that cannot be is its failure.

    Parameters
    ----------
    clip : a sample, its files, and the digest of each
    """
    sample, source, digests = clip
    try:
        if source.video:
            ((first, path),) = source.files.items()
            ends = (sample.onset, sample.offset)
            for _ in read_video(path, digests[path], first, ends, named=marks(sample)):
                pass
        else:
            for path in source.files.values():
                decode(path.read_bytes(), path.name)
    except (SampleError, OSError) as error:
        code, message = error.args if isinstance(error, SampleError) else ("missing_file", error)
        return Failure(sample.sample_id, "decode", str(code), str(message))
    return None
