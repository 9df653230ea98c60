"""DFME, the part described in public (CCAC 2024): 2629 micro-expressions of 259 people, colour.

Zhao et al., "DFME: A New Benchmark for Dynamic Facial Micro-Expression Recognition", IEEE
Transactions on Affective Computing, 2023. Three sheets, of training, test A and test B, are read
together, whichever are there; the frames per second stand in each row (200, 300 or 500) and
images are numbered from 0.
"""

import re
from collections.abc import Mapping
from functools import partial
from itertools import combinations
from pathlib import Path

from features.console import MerError
from pipeline import errata
from pipeline.annotations import emotion, frame, frame_or_none, noted_units
from pipeline.datasets.base import Dataset
from pipeline.listing import Tree, by_key, pick, survey
from pipeline.manifest import Manifest, Sample, gather, remark
from pipeline.sheets import Cells, Sheet, headed, tables

TREE = (
    "expected below the root: training_full_with_AU.xlsx, testA_full_with_AU.xlsx and "
    "testB_full_with_AU.xlsx, and folders of images such as train_data/sub0003_01/00000.png"
)
HEADINGS = {
    "subject": ("Subject",),
    "filename": ("Filename",),
    "onset": ("OnsetFrame", "Onset"),
    "apex": ("ApexFrame", "Apex"),
    "offset": ("OffsetFrame", "Offset"),
    "emotion": ("Emotion",),
    "fps": ("Fps",),
    "action_units": ("AU", "AUs", "Action Units"),
}
EMOTIONS = frozenset({"anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"})
CLIP = re.compile(r"(sub[0-9]+)_[0-9]+", re.IGNORECASE)


def read(root: Path) -> Manifest:
    """Read every sheet of the release below a root.

    Raises
    ------
    MerError
        If the root holds no such sheet, two of one part that differ, or none of the clips.
    """
    tree, known = survey(root), errata.load("dfme")
    sheets = _sheets(tree)
    clips = by_key(tree, lambda parts: parts[-1] if CLIP.fullmatch(parts[-1]) else None)
    named = {cells["filename"].lower() for sheet in sheets for _, cells in sheet.rows}
    if not named & clips.keys():
        raise MerError(f"{root}: no folder of images is named after a row of the sheets", TREE)
    manifest = gather(
        (sheet.name(number, cells, "filename"), partial(_sample, tree, cells, clips, known))
        for sheet in sheets
        for number, cells in sheet.rows
    )
    spare = sorted(place for clip in clips.keys() - named for place in clips[clip])
    told = [(place, "no sheet below the root has a row of this clip") for place in spare]
    return Manifest(manifest.samples, manifest.bad, remark(told, tree.troubles))


def _sheets(tree: Tree) -> list[Sheet]:
    """Every sheet with our header, each once: copies that say the same are no matter."""
    listed, refused = tables(tree.root, tree.files)
    found: list[Sheet] = []
    for table in listed:
        sheet = headed(table, HEADINGS)
        if sheet and all(_said(sheet) != _said(other) for other in found):
            found.append(sheet)
    if not found:
        titles = ", ".join(theirs[0] for theirs in HEADINGS.values())
        cause = f"{tree.root}: no sheet with the columns {titles}"
        raise MerError("; ".join([cause, *refused]), TREE)
    for one, other in combinations(found, 2):
        if {cells["filename"] for _, cells in one.rows} & {c["filename"] for _, c in other.rows}:
            both = f"{one.file} [{one.title}] and {other.file} [{other.title}]"
            cause = f"{tree.root}: several sheets of the same clips that differ: {both}"
            raise MerError(cause, "keep the one that is meant")
    return found


def _said(sheet: Sheet) -> list[dict[str, str]]:
    return [dict(cells) for _, cells in sheet.rows]


def _sample(
    tree: Tree,
    cells: Cells,
    clips: Mapping[str, list[str]],
    known: Mapping[str, errata.Erratum],
) -> Sample:
    clip = cells["filename"]
    named = CLIP.fullmatch(clip)
    if not named:
        raise ValueError(f"Filename is {clip!r}; expected one like 'sub0003_01'")
    subject = named[1].lower()
    if cells["subject"] and cells["subject"].lower() != subject:
        raise ValueError(f"Subject {cells['subject']!r} is not the one of Filename {clip!r}")
    felt = emotion(cells["emotion"], EMOTIONS)
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", cells["fps"]):
        raise ValueError(f"Fps is {cells['fps']!r}; expected a number")
    units, note = noted_units(cells["action_units"])
    row = errata.Row(
        sample_id=f"dfme_{clip}",
        dataset="dfme",
        subject=subject,
        clip=clip,
        onset=frame(cells["onset"], "onset"),
        apex=frame_or_none(cells["apex"], "apex"),
        offset=frame(cells["offset"], "offset"),
        fps=float(cells["fps"]),
        emotion=felt,
        action_units=units,
        note=note,
    )
    folder = pick(clips.get(clip.lower(), []))
    return errata.settle(row, folder, tree.clips[folder], known)


DATASET = Dataset(read, about="DFME, public part (2629 clips, 259 subjects, 200 to 500 fps)")
