"""The scan: which samples' files are there and whole, and the digest of each file."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from features.base import canonical_json, digest, file_digest
from pipeline.cache import Digests
from pipeline.clips import Source, check_whole, find
from pipeline.errors import SampleError
from pipeline.ledger import Failure
from pipeline.manifest import Manifest, Sample

READERS = 4  # threads that digest source files: they wait for the disk, not for a core


@dataclass(slots=True)
class Scan:
    """The samples whose files are all there and whole, and the failures among the others."""

    found: dict[str, tuple[Sample, Source]] = field(default_factory=dict)
    digests: dict[Path, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # no sample is lost by these

    def fingerprint(self) -> str:
        """Digest of every source file of every sample, in order."""
        files = [
            [sample_id, *(self.digests[path] for path in source.files.values())]
            for sample_id, (_, source) in sorted(self.found.items())
        ]
        return digest(canonical_json(files).encode())

    def join(self, other: "Scan") -> None:
        """Add another dataset's samples; a sample_id that both have is a failure of the second."""
        for sample_id, entry in other.found.items():
            if sample_id in self.found:
                reason = "another dataset has a sample of this id"
                self.failures.append(Failure(sample_id, "manifest", "bad_row", reason))
            else:
                self.found[sample_id] = entry
        self.digests.update(other.digests)
        self.failures += other.failures
        self.remarks += other.remarks


def scan(manifest: Manifest, root: Path, cache: Path) -> Scan:
    """Find every sample's files and digest them; the second time only their dates are read."""
    done, memo = Scan(), Digests(cache, root)
    done.failures += [Failure(b.sample_id, "manifest", "bad_row", b.reason) for b in manifest.bad]
    done.remarks += [f"{remark.sample_id}: {remark.reason}" for remark in manifest.remarks]
    found: dict[str, tuple[Sample, Source]] = {}
    for sample in manifest.samples:
        try:
            found[sample.sample_id] = (sample, find(root, sample))
        except SampleError as error:
            done.failures.append(Failure(sample.sample_id, "scan", error.code, error.message))
    digests = _digests([source for _, source in found.values()], memo)
    memo.save()
    for sample_id, (sample, source) in found.items():
        results = {path: digests[path] for path in source.files.values()}
        wrong = next((r for r in results.values() if isinstance(r, SampleError)), None)
        if wrong is not None:
            done.failures.append(Failure(sample_id, "scan", wrong.code, wrong.message))
            continue
        done.found[sample_id] = (sample, source)
        done.digests.update((p, r) for p, r in results.items() if isinstance(r, str))
    return done


def _digests(sources: Iterable[Source], memo: Digests) -> dict[Path, str | SampleError]:
    """Digest of each file, or what is wrong with it.

    Looking up is done here, reading by threads, a clip each: they pay only where there is a disk
    to wait for.
    """
    known: dict[Path, str | SampleError] = {}
    unread: list[tuple[list[Path], bool]] = []
    seen: set[Path] = set()  # several samples may lie in one video
    for source in sources:
        found = {path: memo.known(path) for path in source.files.values() if path not in seen}
        seen.update(found)
        known.update((path, value) for path, value in found.items() if value is not None)
        unread.append(([path for path, value in found.items() if value is None], source.video))

    def read(clip: tuple[list[Path], bool]) -> list[tuple[Path, str | SampleError]]:
        paths, video = clip
        return [(path, _digest(memo, path, video)) for path in paths]

    with ThreadPoolExecutor(READERS) as pool:
        for clip in pool.map(read, (clip for clip in unread if clip[0])):
            known.update(clip)
    return known


def _digest(memo: Digests, path: Path, video: bool) -> str | SampleError:
    try:
        stat, now = path.stat(), time.time_ns()
        if not stat.st_size:
            return SampleError("empty_file", f"{path.name}: the file is empty")
        if video:  # may be larger than the memory
            value = file_digest(path)
        else:
            data = path.read_bytes()
            check_whole(path, data)
            value = digest(data)
    except SampleError as error:
        return error
    except OSError as error:
        return SampleError("missing_file", f"{path.name}: {error.strerror}")
    memo.remember(path, stat, value, now)
    return value
