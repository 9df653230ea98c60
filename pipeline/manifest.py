"""The manifest: a row a sample, made to be read and corrected by a person."""

import csv
import difflib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path, PurePosixPath

from features.console import MerError, one_of, printable
from features.disk import write_durably
from features.protocol import Protocol

APEX_SOURCES = ("sheet", "patched", "estimated", "midpoint")
MISSING_FRAMES = ("refuse", "nearest")
TEXTS = (
    "path",
    "sample_id",
    "dataset",
    "subject",
    "clip",
    "emotion",
    "action_units",
    "objective_class",
    "note",
)
LAST_FRAME = 2**31 - 1  # a store keeps frame numbers as int32
MOST_FRAMES = 1_000_000  # of a clip; a wrong offset must not fill the memory with frame numbers
HIGHEST_FPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A row of the manifest.

    `path` is a folder of images or a video file, relative to the root. `onset`, `apex` and
    `offset` are the numbers the annotators wrote, offset inclusive; images carry theirs as the
    last digits of their name, a video's first frame has number `first_frame`.
    `missing_frames` says what a hole between onset and offset means: ``refuse`` the sample, or
    let the ``nearest`` frame stand in, for releases that are known to have holes. `note` tells
    what was done to the annotation, and why.

    Raises
    ------
    ValueError
        If a value is impossible; the sentence names it.
    """

    sample_id: str
    dataset: str
    subject: str
    clip: str
    path: str
    first_frame: int
    onset: int
    apex: int
    offset: int
    fps: float
    emotion: str = ""
    action_units: str = ""
    objective_class: str = ""  # I … VII (Davison et al., 2018), as published
    apex_source: str = "sheet"
    missing_frames: str = "refuse"
    note: str = ""

    def __post_init__(self) -> None:
        if not self.sample_id.strip():
            raise ValueError("sample_id is empty")
        if not self.subject.strip():
            raise ValueError("subject is empty: without it no person can be left out")
        for name in TEXTS:
            _plain(name, getattr(self, name))
        for name in ("first_frame", "onset", "offset"):
            if not 0 <= getattr(self, name) <= LAST_FRAME:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 … {LAST_FRAME}")
        if self.onset > self.offset:
            raise ValueError(f"onset {self.onset} lies after offset {self.offset}")
        if self.onset == self.offset:
            raise ValueError(f"onset and offset are the same frame, {self.onset}: nothing moves")
        if self.offset - self.onset >= MOST_FRAMES:
            raise ValueError(
                f"onset {self.onset} … offset {self.offset} are more than {MOST_FRAMES} frames"
            )
        if not self.onset < self.apex <= self.offset:
            raise ValueError(
                f"apex {self.apex} lies outside onset {self.onset} … offset {self.offset}"
            )
        if not 0 < self.fps <= HIGHEST_FPS:  # NaN is neither
            raise ValueError(f"fps is {self.fps}; expected a number above 0, to {HIGHEST_FPS}")
        one_of("apex_source", self.apex_source, APEX_SOURCES)
        one_of("missing_frames", self.missing_frames, MISSING_FRAMES)
        parts = PurePosixPath(self.path).parts
        if not parts or "\0" in self.path or self.path.startswith(("/", "~")) or ".." in parts:
            raise ValueError(f"path {self.path!r} is not below the root")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why; the others go on."""

    sample_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dataset's annotations say.

    Parameters
    ----------
    bad : rows that cannot be used: failures of a run
    remarks : what else a person should know, and no sample is lost by: folders without a row,
        links not followed
    """

    samples: tuple[Sample, ...]
    bad: tuple[BadRow, ...] = ()
    remarks: tuple[BadRow, ...] = ()


def remark(*told: Iterable[tuple[str, str]]) -> tuple[BadRow, ...]:
    """(What, why) pairs as remarks, fit to be printed."""
    return tuple(BadRow(printable(what), printable(why)) for pairs in told for what, why in pairs)


def taking_part(manifest: Manifest, protocol: Protocol) -> Manifest:
    """Keep the samples that a protocol gives a class; rows that cannot be used stay."""
    kept = (s for s in manifest.samples if label(protocol, s))
    return Manifest(tuple(kept), manifest.bad, manifest.remarks)


def label(protocol: Protocol, sample: Sample) -> str:
    """The class that a protocol gives a sample; blank for none."""
    return protocol.label(
        sample.dataset,
        sample.sample_id,
        sample.emotion,
        sample.objective_class,
        sample.action_units,
    )


COLUMNS = tuple(field.name for field in fields(Sample))
REQUIRED = ("subject", "path", "onset", "offset", "fps")
NEAR = 0.8  # of difflib's ratio: emotoin and "action units" are, emotion_label is not


def midpoint(onset: int, offset: int) -> int:
    """Half way, recorded as ``midpoint``: stands for an apex until it is spotted."""
    return onset + max((offset - onset) // 2, min(1, offset - onset))


def gather(rows: Iterable[tuple[str, Callable[[], Sample]]]) -> Manifest:
    """Build each row's sample; a row that fails is kept as a `BadRow` with its reason.

    Parameters
    ----------
    rows : (name of the row for a message, function that makes its sample)
    """
    samples: list[Sample] = []
    bad: list[BadRow] = []
    for name, make in rows:
        try:
            samples.append(make())
        except (ValueError, TypeError, OSError) as error:  # OSError: a folder that cannot be read
            bad.append(BadRow(printable(name), printable(error)))
    twice = {key for key, n in Counter(s.sample_id for s in samples).items() if n > 1}
    bad += [BadRow(key, "sample_id stands in more than one row") for key in sorted(twice)]
    samples = [s for s in samples if s.sample_id not in twice]
    return Manifest(tuple(sorted(samples, key=lambda s: s.sample_id)), tuple(bad))


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a sheet, as its cells say.

    Parameters
    ----------
    name : for messages: its sample_id, or where it stands
    number : the header is row 1
    cells : every column of a manifest and of the sheet -> text; blank where there is none
    mark : what stands between the cells
    surplus : it has more cells than the header
    """

    name: str
    number: int
    cells: dict[str, str]
    mark: str
    surplus: bool


def read_manifest(path: Path, dataset: str | None = None) -> Manifest:
    """Read a manifest CSV.

    Columns of one's own are left alone, unless one is called nearly as one of ours that is not
    there: what is in it would be missed without a word.

    `dataset` defaults to the name given or the file's, `clip` to the path, `sample_id` to
    dataset_subject_clip_onset, `first_frame` to 1, a blank apex to the midpoint.

    Raises
    ------
    MerError
        If the file is missing, is not UTF-8 text, lacks a column that nothing can stand for, or
        has one whose name seems mistyped.
    """
    rows = read_rows(path, REQUIRED)
    return gather((row.name, partial(to_sample, row, dataset or path.stem)) for row in rows)


def read_rows(path: Path, required: Sequence[str]) -> list[Row]:
    """Read the rows of a CSV whose columns are called as a manifest's; empty rows are none.

    Raises
    ------
    MerError
        If the file is missing, is not UTF-8 text, lacks a required column, or has one whose name
        seems mistyped.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise MerError(f"{path}: no such manifest", "check the path") from None
    except UnicodeDecodeError as error:
        raise MerError(f"{path}: not UTF-8 text ({error})", "save it as CSV UTF-8") from error
    mark = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        table = list(reader)
    except csv.Error as error:
        # Without `strict` a quote that is never closed would swallow the rows after it.
        cause = f"{path}: line {reader.line_num} is no CSV ({error})"
        raise MerError(cause, "close the quotes in that line") from error
    header = [name.strip().lower() for name in table[0]] if table else []
    _check_header(path, header, required)
    rows = []
    for number, row in enumerate(table[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = {name: "" for name in COLUMNS} | dict(
            zip(header, (cell.strip() for cell in row), strict=False)
        )
        name = cells["sample_id"] or f"{path.name} row {number}"
        surplus = any(cell.strip() for cell in row[len(header) :])
        rows.append(Row(name, number, cells, mark, surplus))
    return rows


def write_manifest(samples: Sequence[Sample], path: Path) -> None:
    """Write samples as CSV, sorted by sample_id."""
    write_durably(path, text_of(samples).encode())


def text_of(samples: Sequence[Sample]) -> str:
    """Samples as the CSV of a manifest."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(sample) for sample in sorted(samples, key=lambda s: s.sample_id))
    return text.getvalue()


def is_draft(path: Path) -> bool:
    """Whether a file begins as a manifest that was written here."""
    head = ",".join(COLUMNS).encode() + b"\n"
    with path.open("rb") as file:
        return file.read(len(head)) == head


def loses_nothing(path: Path, samples: Sequence[Sample]) -> bool:
    """Whether every line of a manifest that is there would be written again as it stands."""
    return set(path.read_bytes().splitlines()) <= set(text_of(samples).encode().splitlines())


def slug(text: str) -> str:
    """Name that is safe in a sample_id: letters, digits, ``_-.``."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-")


def _check_header(path: Path, header: list[str], required: Sequence[str]) -> None:
    lacking = [name for name in COLUMNS if name not in header]
    for name in header:
        near = difflib.get_close_matches(name, lacking, n=1, cutoff=NEAR)
        if near and name not in COLUMNS:
            raise MerError(
                f"{path}: unknown column {name!r}, did you mean {near[0]}?",
                f"rename it {near[0]}; a column of your own needs a name less like it",
            )
    missing = [name for name in required if name not in header]
    if missing:
        raise MerError(
            f"{path}: has no column {', '.join(missing)}",
            f"the columns of a manifest are {', '.join(COLUMNS)}",
        )
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        raise MerError(f"{path}: has column {', '.join(twice)} twice", "delete or rename one")


def to_sample(row: Row, dataset: str) -> Sample:
    """The sample that a row tells of; `dataset` is for a row that names none.

    Raises
    ------
    ValueError
        If a value is impossible; the sentence names it.
    """
    cells = row.cells
    if row.surplus:  # an unquoted 4,12 moves every cell after it into the wrong column
        raise ValueError(f"more cells than the header: quote a cell that holds {row.mark!r}")
    dataset = cells["dataset"] or dataset
    clip = cells["clip"] or cells["path"]
    if row.mark == ";":  # where a spreadsheet writes semicolons, it writes 29,97
        cells = cells | {"fps": cells["fps"].replace(",", ".")}
    onset, offset = whole(cells, "onset"), whole(cells, "offset")
    apex = whole(cells, "apex") if cells["apex"] else midpoint(onset, offset)
    source = cells["apex_source"] or "sheet"
    return Sample(
        sample_id=cells["sample_id"] or slug(f"{dataset}_{cells['subject']}_{clip}_{onset}"),
        dataset=dataset,
        subject=cells["subject"],
        clip=clip,
        path=cells["path"],
        first_frame=whole(cells, "first_frame") if cells["first_frame"] else 1,
        onset=onset,
        apex=apex,
        offset=offset,
        fps=_number(cells, "fps"),
        emotion=cells["emotion"],
        action_units=cells["action_units"],
        objective_class=cells["objective_class"],
        apex_source=source if cells["apex"] else "midpoint",
        missing_frames=cells["missing_frames"] or "refuse",
        note=" ".join(cells["note"].split()),
    )


def _number(cells: dict[str, str], name: str) -> float:
    try:
        if "_" in cells[name]:  # Python reads 1_0 as 10
            raise ValueError
        return float(cells[name])
    except ValueError:
        raise ValueError(f"{name} is {cells[name]!r}; expected a number") from None


def whole(cells: dict[str, str], name: str) -> int:
    """A cell's frame number.

    Raises
    ------
    ValueError
        If it is none.
    """
    number = _number(cells, name)
    if not number.is_integer():
        raise ValueError(f"{name} is {cells[name]!r}; expected a whole frame number")
    return int(number)


def _plain(name: str, text: str) -> None:
    """Refuse text that a CSV, a terminal or a store would not give back as it was."""
    if text != text.strip():
        raise ValueError(f"{name} {text!r} begins or ends with a blank")
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in text):
        raise ValueError(f"{name} {text!r} holds a control character")
    if any(unicodedata.category(c) == "Cs" for c in text):
        raise ValueError(f"{name} {text!r} is not UTF-8: rename it")


def _delimiter(text: str) -> str:
    """Comma, semicolon or tab: spreadsheets write any, by the country they run in."""
    header = text.split("\n", 1)[0]
    return max(",;\t", key=header.count)
