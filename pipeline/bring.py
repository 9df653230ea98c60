"""An import: an index and arrays made elsewhere -> a store like any other.

Every array is read twice and none is kept: first to learn what of it can be used, then to be
stored. What names the store is what will be in it, so that a file that changes in between is
found, and the same import finds nothing to do.
"""

import importlib.metadata
import platform
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from features import base
from features.base import Array, array_digest, canonical_json, digest, file_digest
from features.console import USAGE, MerError, nearest, printable
from features.layout import FEATURE_TYPES, MOST_NAME, NUMBER_COLUMNS, TEXT_COLUMNS
from features.progress import follow
from features.publish import Column, Content, publish
from features.store import Store
from pipeline.axes import PLANE, Axes, axes_of
from pipeline.errors import SampleError
from pipeline.foreign import Named, Source, open_source
from pipeline.ledger import Failure, Tolerance, write_ledger
from pipeline.manifest import Row, Sample, gather, read_rows, slug, to_sample, whole

REQUIRED = ("subject", "emotion")
NOT_TOLD = {"onset": -1, "apex": -1, "offset": -1, "fps": 0.0}  # no frame and no rate is so
NO_APEX = "unknown"
ELSEWHERE = 0  # revision of what none of our code has made
COLUMNS = (*(name for name in TEXT_COLUMNS if name != "digest"), *NUMBER_COLUMNS)
VERSIONS = ("merkit", "numpy", "h5py")


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be imported, by feature.

    Parameters
    ----------
    units, axes : of a feature as its file has it; those of ours are known
    dataset : of rows that name none; by default the index's name
    faces : whether a person can be recognised in it; None if nobody said
    dtype : float16 or float32
    """

    index: Path
    arrays: Mapping[str, Path]
    units: Mapping[str, str] = field(default_factory=dict)
    axes: Mapping[str, str] = field(default_factory=dict)
    dataset: str | None = None
    faces: bool | None = None
    dtype: str = FEATURE_TYPES[0]


@dataclass(slots=True)
class Brought:
    """What an import did."""

    samples: int
    failures: list[Failure]
    published: bool = False
    refused: str = ""  # why nothing was published although samples are there


@dataclass(frozen=True, slots=True)
class Part:
    """One feature: where its arrays are and how they are stored."""

    name: str
    source: Source
    axes: Axes
    column: Column

    def store(self, array: Array) -> Array:
        """One sample as the store will hold it.

        Raises
        ------
        SampleError
            non_finite or out_of_range.
        """
        if not np.isfinite(array).all():
            raise SampleError("non_finite", "holds NaN or infinite values")
        with np.errstate(over="ignore", under="ignore"):
            narrow = np.ascontiguousarray(self.axes.arrange(array), dtype=self.column.dtype)
        if not np.isfinite(narrow).all() or (array.any() and not narrow.any()):
            most = float(np.abs(array.astype(np.float64)).max())
            wider = "import with --dtype float32, or " if self.column.dtype != "float32" else ""
            told = f"values to {most:.3g} do not fit {self.column.dtype}: {wider}rescale them"
            raise SampleError("out_of_range", told)
        return narrow


@dataclass(frozen=True, slots=True)
class Seen:
    """One array as it was read first: its shape as it lies, and the digest of what is stored."""

    shape: tuple[int, ...]
    digest: str


def bring(
    request: Request, output: Path, tolerance: Tolerance | None = None, force: bool = False
) -> Brought:
    """Publish arrays made elsewhere as a store, unless it is already so.

    Parameters
    ----------
    tolerance : how many samples may fail before nothing is published; None for any number
    force : replace another store that is there

    Raises
    ------
    MerError
        If the index or an array cannot be read, does not fit the index or what is said of it
        (exit code 2 for what the command line lacks), or another file is at `output`.
    """
    _check_names(request)
    _refuse_over(output, request)
    samples, named, rows, failures = _read_index(request)
    parts = [_part(name, request, named, rows) for name in sorted(request.arrays)]
    seen, failed = _look(parts, named, request)
    failures += failed
    lost = {failure.sample_id for failure in failures}
    kept = {one.sample_id: one for one in named if one.sample_id not in lost}
    brought = Brought(len(kept), failures)
    content = _content(request, parts, [samples[i] for i in sorted(kept)], seen, failures)
    there = _already_in(output, content.key)
    taken = not there and not force and (output.exists() or output.is_symlink())
    if taken and kept:
        raise MerError(
            f"{output}: is there already, and is not this import",
            "choose another name, or replace it with --force",
            USAGE,
        )
    if not taken:
        write_ledger(output, failures)
    everything = len(kept) + len(lost)
    if kept and tolerance is not None and len(lost) > tolerance.of(everything):
        brought.refused = f"{len(lost)} of {everything} samples failed, at most {tolerance} may"
    if not kept or brought.refused or there:
        return brought
    by_name = {part.name: part for part in parts}

    def read(sample_id: str, name: str) -> Array:
        one, part = kept[sample_id], by_name[name]
        try:
            array = part.store(part.source.read(one))
        except SampleError as error:
            raise _changed(part.source.where(one)) from error
        if array_digest(array) != seen[name][sample_id].digest:
            raise _changed(part.source.where(one))
        return array

    publish(output, content, read)
    brought.published = True
    return brought


def _changed(where: str) -> MerError:
    return MerError(f"{where}: changed while it was imported", "let it be, and import it again")


def _check_names(request: Request) -> None:
    for name in request.arrays:
        if not re.fullmatch(rf"[A-Za-z]\w{{0,{MOST_NAME - 1}}}", name, re.ASCII):
            raise MerError(f"--array {name}: no name", "letters, digits and _ make one", USAGE)
    for option, told in (("--units", request.units), ("--axes", request.axes)):
        for name in told:
            if name not in request.arrays:
                remedy = f"give it with --array {name}=FILE, or mend the name"
                hint = nearest(name, request.arrays)
                raise MerError(f"{option} {name}: there is no such array{hint}", remedy, USAGE)


def _refuse_over(output: Path, request: Request) -> None:
    for path in (request.index, *request.arrays.values()):
        if output.exists() and path.exists() and output.samefile(path):
            raise MerError(f"-o {output}: would replace what is imported", "name another", USAGE)


def _read_index(
    request: Request,
) -> tuple[dict[str, dict[str, Any]], list[Named], int, list[Failure]]:
    """The store's rows by sample_id, what each is found by, how many rows; failures."""
    rows = read_rows(request.index, REQUIRED)
    if not rows:
        raise MerError(f"{request.index}: has no row but the header", "a row a sample is wanted")
    columns, named = {}, {}

    def make(place: int, row: Row) -> Sample:
        sample, told = _sample(row, request.dataset or request.index.stem)
        names = tuple(filter(None, (row.cells["path"], sample.sample_id)))
        named[sample.sample_id] = Named(sample.sample_id, place, row.number, names)
        cells = asdict(sample) | told
        columns[sample.sample_id] = {name: cells[name] for name in COLUMNS}
        return sample

    found = gather(
        (row.name, lambda place=place, row=row: make(place, row))  # type: ignore[misc]
        for place, row in enumerate(rows)
    )
    failures = [Failure(bad.sample_id, "index", "bad_row", bad.reason) for bad in found.bad]
    kept = [sample.sample_id for sample in found.samples]
    return {i: columns[i] for i in kept}, [named[i] for i in kept], len(rows), failures


def _sample(row: Row, dataset: str) -> tuple[Sample, dict[str, Any]]:
    """A row's sample, checked as a manifest's, and what of it nobody told.

    What is not told has a stand-in that breaks no rule, so that the rules need be written once.
    """
    cells = row.cells
    name = cells["clip"] or cells["path"]
    if not cells["sample_id"] and not name:
        raise ValueError("names no sample: give it a sample_id, or a clip")
    told = {key: whole(cells, key) for key in ("onset", "apex", "offset") if cells[key]}
    onset = told.get("onset", max(0, min(told.values(), default=1) - 1))
    offset = told.get("offset", max(onset + 1, told.get("apex", 0)))
    stand_in = {"onset": str(onset), "offset": str(offset), "fps": "1", "path": "-"}
    filled = {key: cells[key] or value for key, value in stand_in.items()}
    sample = to_sample(replace(row, cells=cells | filled), dataset)
    sample_id = cells["sample_id"] or slug(f"{sample.dataset}_{sample.subject}_{name}")
    missing: dict[str, Any] = {key: value for key, value in NOT_TOLD.items() if not cells[key]}
    if not cells["apex"]:
        missing["apex_source"] = NO_APEX
    return replace(sample, sample_id=sample_id, clip=name or sample_id), missing


def _part(name: str, request: Request, named: Sequence[Named], rows: int) -> Part:
    """Open one feature's arrays and hold what is said of them against what is known."""
    ours = base.load(name) if name in base.names() else None
    units = request.units.get(name, ours.units if ours else "")
    if ours and units != ours.units:
        cause = f"--units {name}={units}: {name} is in {ours.units}"
        raise MerError(cause, f"rescale it to {ours.units}, or name it otherwise", USAGE)
    if not units:
        hint = nearest(name, base.names())
        cause = f"{name} is no feature of ours, so nothing tells its units{hint}"
        raise MerError(cause, f"say them, 1 for a share: --units {name}=px", USAGE)
    if ours and ours.sensitive and not request.faces:
        cause = f"people can be recognised in {name}"
        raise MerError(cause, "say so, and the store will: --sensitive", USAGE)
    source = open_source(request.arrays[name], name, named, rows)
    try:
        axes = axes_of(name, request.axes.get(name), source.pictures)
    except ValueError as error:
        remedy = f"say how a sample lies in the file: --axes {name}=cyx, or 'channel y x'"
        raise MerError(str(error), remedy, USAGE) from error
    convention = ours.convention if ours else "made elsewhere"
    column = Column(
        units, " ".join(axes.stored), convention, canonical_json({"imported": True}), ELSEWHERE,
        request.dtype,
    )  # fmt: skip
    return Part(name, source, axes, column)


def _look(
    parts: Sequence[Part], named: Sequence[Named], request: Request
) -> tuple[dict[str, dict[str, Seen]], list[Failure]]:
    """Read every array once: what was seen, by feature and sample, and what cannot be used."""
    seen: dict[str, dict[str, Seen]] = {part.name: {} for part in parts}
    failures: list[Failure] = []
    for one in follow(named, len(named), "import"):
        for part in parts:
            try:
                seen[part.name][one.sample_id] = _see(part, one, request)
            except SampleError as error:
                where = f"{part.source.where(one)}: "
                message = printable(where + error.message.removeprefix(where))
                failures.append(Failure(one.sample_id, part.name, error.code, message))
    for part in parts:
        failures += _odd_shapes(part, named, seen[part.name])
    return seen, failures


def _see(part: Part, one: Named, request: Request) -> Seen:
    array = part.source.read(one)
    pictures = array.dtype == np.uint8 and set(PLANE) <= set(part.axes.lie)
    if pictures and request.faces is None:
        raise MerError(
            f"{part.source.where(one)}: looks like a picture (8 bits a value)",
            "say whether people can be recognised in it: --sensitive or --not-faces",
            USAGE,
        )
    if part.axes.wrong(array.shape):
        return Seen(array.shape, "")
    return Seen(array.shape, array_digest(part.store(array)))


def _odd_shapes(part: Part, named: Sequence[Named], seen: Mapping[str, Seen]) -> list[Failure]:
    """Samples whose shape is not that of most; if that one is wrong, all is.

    Raises
    ------
    MerError
        If the shape that most have does not fit the axes.
    """
    if not seen:
        return []
    rows = {one.sample_id: one for one in named if one.sample_id in seen}
    usual = Counter(seen[sample_id].shape for sample_id in rows).most_common(1)[0][0]
    wrong = part.axes.wrong(usual)
    if wrong:
        first = next(one for one in rows.values() if seen[one.sample_id].shape == usual)
        raise MerError(
            f"{part.source.where(first)} (row {first.row} of the index): a sample of {part.name}"
            f" is {usual}; {wrong}",
            f"transpose it, or say how it lies and it will be: --axes {part.name}=yxc",
        )
    return [
        Failure(
            sample_id, part.name, "wrong_shape",
            printable(f"{part.source.where(one)} (row {one.row} of the index): is"
                      f" {seen[sample_id].shape}, expected {usual} as most are"),
        )
        for sample_id, one in rows.items()
        if seen[sample_id].shape != usual
    ]  # fmt: skip


def _content(
    request: Request,
    parts: Sequence[Part],
    index: Sequence[Mapping[str, Any]],
    seen: Mapping[str, Mapping[str, Seen]],
    failures: Sequence[Failure],
) -> Content:
    """All of the store but its arrays; no path, time or host: the same import, the same bytes."""
    told = {part.name: asdict(part.column) for part in parts}
    recipe = canonical_json({"imported": told, "sensitive": request.faces is True})
    arrays = [
        [row["sample_id"], *(seen[part.name][row["sample_id"]].digest for part in parts)]
        for row in index
    ]
    fingerprint = digest(canonical_json(arrays).encode())
    provenance = {
        "command": "mer-features import",
        "counts": {"samples": len(index), "failures": len(failures)},
        "imported": {
            "index": {"file": printable(request.index.name), "digest": file_digest(request.index)},
            "arrays": {
                part.name: {
                    "file": printable(request.arrays[part.name].name),
                    "lay": " ".join(part.axes.lie),
                }
                for part in parts
            },
        },
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
        "python": platform.python_version(),
    }
    return Content(
        recipe=recipe,
        key=digest(canonical_json([recipe, fingerprint, list(index)]).encode()),
        dataset="+".join(sorted({row["dataset"] for row in index})),
        dataset_fingerprint=fingerprint,
        code_version=importlib.metadata.version("merkit"),
        index=index,
        features={part.name: part.column for part in parts},
        failures=[asdict(failure) for failure in failures],
        provenance=provenance,
    )


def _already_in(path: Path, key: str) -> bool:
    """Whether a whole store of just this import is there."""
    try:
        with Store(path) as store:
            return store.attrs["key"] == key
    except MerError:
        return False  # missing, damaged or of another schema
