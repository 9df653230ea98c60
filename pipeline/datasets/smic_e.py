"""SMIC-E HS: 157 long clips of 16 people with 166 micro-expressions, neutral frames around them.

Li et al., "Towards Reading Hidden Emotions: A Comparative Study of Spontaneous Micro-Expression
Spotting and Recognition Methods", IEEE Transactions on Affective Computing 9(4), 2018. Two sheets
circulate, of 157 and of 162 rows; columns are found by name in either. A row holds up to three
micro-expressions and a sample is one of them, so its name ends with its onset. Nobody marked an
apex.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from features.console import MerError
from features.facs import NOTHING
from pipeline import annotations
from pipeline.datasets.base import Dataset
from pipeline.errata import Row, load, settle
from pipeline.listing import Tree, pick, survey
from pipeline.manifest import Manifest, Sample, gather, remark
from pipeline.sheets import Cells, Sheet, find, headed, tables
from pipeline.smic_release import ORDER, folders, meaning, name_of

FPS = 100.0
TREE = (
    "expected below the root: SMIC-HS-E_annotation.xlsx, and folders of images such as "
    "HS_long/SMIC-HS-E/HS/s03/s3_ne_01/image402194.jpg"
)
COUNTS = ("", "2", "3")
EACH = {"onset": "Onset{}F", "offset": "Offset{}F"}
HS = (
    {"subject": ("Subject",), "clip": ("Filename",), "emotion": ("Emotion",)}
    | {f"{ours}{k}": (theirs.format(k),) for k in COUNTS for ours, theirs in EACH.items()}
    | {f"length{k}": (f"TotalMF{k or 1}",) for k in COUNTS}
    | {"first": ("FirstF",), "last": ("LastF",), "total": ("TotalVL",)}
)
OPTIONAL = {f"{ours}{k}" for k in "23" for ours in ("onset", "offset", "length")}
OPTIONAL |= {"length", "total"}
VIS = {"clip": ("Filename",), "onset": ("OnsetF",), "first": ("FirstF",), "total": ("TotalVL",)}
TIMES = 4  # HS frames pass while VIS takes one

# Clips of the segmented release that have no long clip of their own: the second and third
# micro-expressions of these. The sheet of 162 rows keeps a row for each.
FURTHER = {
    "s3_ne_03": "s3_ne_02",
    "s4_ne_05": "s4_ne_04",
    "s4_ne_06": "s4_ne_04",
    "s9_sur_02": "s9_sur_01",
}

Places = Mapping[str, Sequence[str]]
Vis = Mapping[str, tuple[int, int]]  # clip -> frames before the onset, frames in all


def read(root: Path) -> Manifest:
    """Read the long HS clips below a root: every micro-expression that the sheet tells of.

    The label is the one in the clip's name. Frame cells are formulas; those whose value was not
    saved are computed here. A third micro-expression is one only if it follows the second and
    ends within the clip: in the sheet of 157 rows these columns hold left-overs. One that follows
    a second and is left out is told in the second's note.

    Raises
    ------
    MerError
        If the root holds no such sheet, two that differ, or none of the clips.
    """
    tree = survey(root)
    sheet = find(root, tree.files, HS, TREE, OPTIONAL)
    listed = folders(tree, "hs", segmented=False)
    places = {clip: where for clip, where in listed.items() if name_of(clip)}
    if not places:
        raise MerError(f"{root}: no long clip of SMIC HS", TREE)
    vis = _vis(root, tree) if any(_range(cells, {}) is None for _, cells in sheet.rows) else {}
    manifest = gather(_rows(sheet, vis, tree, places))
    told = {name_of(cells["clip"]) for _, cells in sheet.rows}
    unlabelled = [(where[0], _why(clip)) for clip, where in places.items() if clip not in told]
    return Manifest(manifest.samples, manifest.bad, remark(unlabelled, tree.troubles))


def _why(clip: str) -> str:
    if clip in FURTHER:
        return f"the sheet counts it among the micro-expressions of {FURTHER[clip]}"
    return "no row of the sheet names this clip"


def _rows(
    sheet: Sheet, vis: Vis, tree: Tree, places: Places
) -> Iterable[tuple[str, Callable[[], Sample]]]:
    """Every micro-expression once, whichever of two rows it stands in."""
    found = [
        (number, cells, k)
        for number, cells in sheet.rows
        for k in COUNTS
        if _is_one(cells, k, _range(cells, vis))
    ]
    again = {(name_of(cells["clip"]), cells[f"onset{k}"]) for _, cells, k in found if k}
    for number, cells, k in found:
        if (FURTHER.get(name_of(cells["clip"]) or ""), cells["onset"]) in again:
            continue  # the row of s3_ne_02 tells of it
        name = sheet.name(number, cells, "clip") + (f" micro-expression {k}" if k else "")
        yield name, partial(_sample, cells, k, _range(cells, vis), tree, places)


def _is_one(cells: Cells, k: str, held: tuple[int, int] | None) -> bool:
    onset = cells[f"onset{k}"]
    if not k:  # lines of text stand below the rows
        return name_of(cells["clip"]) is not None or _number(onset) is not None
    if k == "2":
        return onset != "0" and onset.lower() not in NOTHING
    before, start, end = (_last_frame(cells, "2"), _number(onset), _last_frame(cells, k))
    if before is None or start is None or end is None or held is None:
        return False
    return _is_one(cells, "2", held) and before < start < end <= held[1]


def _sample(
    cells: Cells, k: str, held: tuple[int, int] | None, tree: Tree, places: Places
) -> Sample:
    clip = name_of(cells["clip"])
    if clip is None:
        raise ValueError(f"Filename is {cells['clip']!r}; expected one like 's3_ne_02'")
    subject, emotion = meaning(clip)
    if cells["subject"].lower().lstrip("s0") not in ("", subject):
        raise ValueError(f"Subject {cells['subject']!r} is not the one of Filename {clip!r}")
    home = clip if clip in places else FURTHER.get(clip, clip)
    if home not in places and cells["first"] and _number(cells["first"]) is None:
        raise ValueError(f"the recording is lost: FirstF is {cells['first']!r}, and no folder")
    onset = annotations.frame(cells[f"onset{k}"], f"Onset{k}F")
    offset = _last_frame(cells, k)
    if offset is None:
        offset = annotations.frame(cells[f"offset{k}"], f"Offset{k}F")
    folder = pick(places.get(home, ()), ORDER)
    row = Row(
        sample_id=f"smic_e_{home}_{onset}",
        dataset="smic_e",
        subject=subject,
        clip=home,
        onset=onset,
        apex=None,
        offset=offset,
        fps=FPS,
        emotion=emotion,
    )
    sample = settle(row, folder, tree.clips[folder], load("smic_e"))
    notes = [sample.note] if sample.note else []
    if home != clip:
        notes.append(f"the sheet calls it {clip}; it lies in the long clip {home}")
    label = annotations.emotion(cells["emotion"])
    if label not in ("", emotion):
        notes.append(f"emotion {label} → {emotion}: the clip's name is right")
    if held and not held[0] <= onset <= offset <= held[1]:
        notes.append(f"not within FirstF {held[0]} … LastF {held[1]}: the folder's range holds")
    third = _number(cells["onset3"])
    if k == "2" and third and not _is_one(cells, "3", held):
        notes.append(f"Onset3F {third} is left out: it does not follow within the clip")
    return replace(sample, note="; ".join(notes))


def _vis(root: Path, tree: Tree) -> Vis:
    """The VIS sheet, the one without LastF: HS formulas refer to it."""
    listed, _ = tables(root, tree.files)
    found: dict[str, tuple[int, int]] = {}
    for table in listed:
        sheet = None if headed(table, HS, OPTIONAL) else headed(table, VIS)
        for _, cells in sheet.rows if sheet else ():
            clip = name_of(cells["clip"])
            onset, first, total = (_number(cells[name]) for name in ("onset", "first", "total"))
            if clip and onset is not None and first is not None and total is not None:
                found[clip] = (onset - first, total)
    return found


def _last_frame(cells: Cells, k: str) -> int | None:
    """OffsetF, or what its formula gives; None if neither can be had."""
    written, onset, length = (_number(cells[f"{n}{k}"]) for n in ("offset", "onset", "length"))
    if cells[f"offset{k}"] or onset is None or length is None:
        return written
    return onset + length - 1


def _range(cells: Cells, vis: Vis) -> tuple[int, int] | None:
    """FirstF and LastF, or what their formulas give; None if they cannot be had."""
    onset, first, last, total = (_number(cells[n]) for n in ("onset", "first", "last", "total"))
    beside = vis.get(name_of(cells["clip"]) or "")
    if beside is not None:
        if not cells["first"] and onset is not None:
            first = onset - TIMES * beside[0]
        if total is None:
            total = TIMES * beside[1]
    if not cells["last"] and first is not None and total is not None:
        last = first + total - 1
    return None if first is None or last is None else (first, last)


def _number(text: str) -> int | None:
    """A frame number, or None: in some columns left-overs and words stand."""
    try:
        return annotations.frame_or_none(text, "")
    except ValueError:
        return None


DATASET = Dataset(read, about="SMIC-E HS (157 long clips, 166 micro-expressions, 100 fps)")
