"""SAMM Long Videos: 159 micro-movements within 147 long videos, grey, 200 frames a second.

Yap, Kendrick and Yap, "SAMM Long Videos: A Spontaneous Facial Micro- and Macro-Expressions
Dataset", FG 2020. A sample's path is its whole video, and its frame numbers are the video's own.
The sheet's 343 macro-expressions are no samples: they are left out by rule.

The sheet holds no emotion. If the sheet of SAMM lies below the root too, the emotion is taken
from its row of the same Filename, provided that the onsets agree: the long videos begin K frames
after those that SAMM counts, and K, found by matching all 159, is known for each.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from features.console import MerError
from features.facs import NOTHING
from pipeline import errata
from pipeline.annotations import emotion, frame, noted_units
from pipeline.datasets import samm
from pipeline.datasets.base import Dataset
from pipeline.listing import Tree, by_key, pick, survey
from pipeline.manifest import Manifest, Sample, gather, remark
from pipeline.sheets import Cells, find, headed, tables

FPS = 200.0
TREE = (
    "expected below the root: SAMM_LongVideos_V1_Release.xlsx (or V2, V3), and folders of images "
    "such as SAMM_longvideos/006_1/006_1_00001.jpg"
)
HEADINGS = {
    "subject": ("Subject",),
    "filename": ("Filename",),
    "onset": ("Onset",),
    "apex": ("Apex",),
    "offset": ("Offset",),
    "type": ("Type",),
    "action_units": ("Action Units", "AUs", "AU"),
}
VIDEO = re.compile(r"[0-9]{3}_[0-9]+")  # subject, inducement

# Frames cut from the start of a video, n_SAMM - n_LV; 0 for those not named.
CUT = {
    **{"006_1": 2000, "006_2": 100, "006_3": 500, "006_5": 300, "007_3": 1800, "007_4": 5600},
    **{"007_5": 2500, "007_6": 100, "007_7": 300, "009_2": 3000, "009_3": 500, "010_4": 3000},
    **{"011_3": 2000, "012_7": 7000, "014_1": 499, "014_3": 1000, "015_5": 5500, "016_7": 1000},
    **{"017_6": 500, "018_1": 10000, "018_5": 1500, "018_7": 10000, "019_3": 500, "019_4": 4000},
    **{"019_5": 4000, "020_1": 500, "021_7": 2000, "023_1": 4500, "024_2": 3000, "025_4": 1500},
    **{"025_5": 2000, "025_6": 2000, "026_5": 4500, "026_6": 3500, "026_7": 1000, "030_1": 2000},
    **{"030_5": 1500, "031_3": 3500, "032_3": 3000, "032_6": 4000, "033_1": 5000, "034_3": 3000},
    **{"035_1": 9000},
}

Labels = Mapping[str, set[tuple[int, str]]]


def read(root: Path) -> Manifest:
    """Read the micro-movements of the official release below a root.

    Raises
    ------
    MerError
        If the root holds no such sheet, two that differ, or none of its videos.
    """
    tree = survey(root)
    sheet = find(root, tree.files, HEADINGS, TREE)
    videos = by_key(tree, lambda parts: parts[-1] if VIDEO.fullmatch(parts[-1]) else None)
    if not any(cells["filename"].rpartition("_")[0] in videos for _, cells in sheet.rows):
        raise MerError(f"{root}: no folder of images is named after a row of {sheet.file}", TREE)
    labels, known = _labels(tree), errata.load("samm_lv")
    micro = [row for row in sheet.rows if not row[1]["type"].lower().startswith("macro")]
    manifest = gather(
        (sheet.name(n, cells, "filename"), partial(_sample, tree, cells, videos, labels, known))
        for n, cells in micro
    )
    return Manifest(manifest.samples, manifest.bad, remark(tree.troubles))


def _labels(tree: Tree) -> Labels:
    """Filename -> (onset, emotion) of every sheet of SAMM below the root; none if there is none."""
    found: dict[str, set[tuple[int, str]]] = {}
    for table in tables(tree.root, tree.files)[0]:
        sheet = headed(table, samm.HEADINGS, samm.OPTIONAL)
        for _, cells in sheet.rows if sheet else ():
            if cells["onset"].isdecimal() and emotion(cells["emotion"]) in samm.EMOTIONS:
                label = int(cells["onset"]), emotion(cells["emotion"])
                found.setdefault(cells["filename"], set()).add(label)
    return found


def _sample(
    tree: Tree,
    cells: Cells,
    videos: Mapping[str, list[str]],
    labels: Labels,
    known: Mapping[str, errata.Erratum],
) -> Sample:
    clip = cells["filename"]
    if not samm.CLIP.fullmatch(clip):
        raise ValueError(f"Filename is {clip!r}; expected one like '006_1_2'")
    if not cells["type"].lower().startswith("micro"):
        raise ValueError(f"Type is {cells['type']!r}; expected Macro or Micro - 1/2")
    subject, video = clip[:3], clip.rpartition("_")[0]
    if cells["subject"] and cells["subject"].zfill(3) != subject:
        raise ValueError(f"Subject {cells['subject']!r} is not the one of Filename {clip!r}")
    onset, apex = frame(cells["onset"], "onset"), _apex(cells["apex"])
    if onset == 0:  # images are numbered from 1
        raise ValueError("onset is 0: the movement began before the video")
    units, note = noted_units(cells["action_units"])
    row = errata.Row(
        sample_id=f"samm_lv_{clip}",
        dataset="samm_lv",
        subject=subject,
        clip=clip,
        onset=onset,
        apex=apex,
        offset=frame(cells["offset"], "offset") or apex or 0,  # 0: the movement ends at its apex
        fps=FPS,
        action_units=units,
        note=note,
    )
    felt = {label for number, label in labels.get(clip, ()) if number - CUT.get(video, 0) == onset}
    if len(felt) == 1:
        row = replace(row, emotion=felt.pop())
    elif labels:
        why = f"SAMM's sheet has no one emotion for {clip} with this onset"
        row = replace(row, note="; ".join(filter(None, (note, why))))
    folder = pick(videos.get(video, []))
    return errata.settle(row, folder, tree.clips[folder], known)


def _apex(text: str) -> int | None:
    """An apex, which stands below zero in one row of the release."""
    if text.lower() in NOTHING:
        return None
    return -frame(text[1:], "apex") if text.startswith("-") else frame(text, "apex")


DATASET = Dataset(read, about="SAMM Long Videos (159 micro in 147 videos, 29 subjects, 200 fps)")
