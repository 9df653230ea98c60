"""CASME: 193 micro-expressions of 19 people, colour, 60 frames a second.

Yan et al., "CASME Database: A Dataset of Spontaneous Micro-Expressions Collected From
Neutralized Faces", FG 2013. Copies of the sheet with fewer rows go round. A folder holds one
expression, from onset to offset: where its row says otherwise the folder is right, and the
sample's note says so. Where the apex is a plateau its first frame is taken.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pipeline import errata
from pipeline.annotations import emotion, frame, frame_or_none, noted_units
from pipeline.datasets.base import Dataset, by_rows, no_row
from pipeline.listing import Tree, by_key, pick, survey
from pipeline.manifest import Manifest, Sample
from pipeline.sheets import Cells, find

FPS = 60.0
TREE = (
    "expected below the root: CASME-coded-20190721.xls (or .xlsx), and folders of images such as "
    "CASME_raw_selected/sub01/EP01_5/EP01_5-120.jpg"
)
HEADINGS = {  # never Onset alone: here it is a time in ms
    "subject": ("Subject",),
    "filename": ("Filename",),
    "onset": ("OnsetF", "OnsetFrame"),
    "apex": ("ApexF1", "ApexF", "ApexFrame"),
    "offset": ("OffsetF", "OffsetFrame"),
    "action_units": ("AU", "AUs", "Action Units"),
    "emotion": ("Emotion", "Estimated Emotion"),
}
EMOTIONS = frozenset(
    {"contempt", "disgust", "fear", "happiness", "repression", "sadness", "surprise", "tense"}
)
SUBJECT = re.compile(r"(?:sub)?0*([1-9][0-9]?)", re.IGNORECASE)
CLIP = re.compile(r"EP[0-9]{2}(_[0-9]{1,2}){0,2}", re.IGNORECASE)
ORDER = ("selected", "raw", "cropped")


def read(root: Path) -> Manifest:
    """Read the official release below a root.

    Raises
    ------
    MerError
        If the root holds no such sheet, two that differ, or none of its clips.
    """
    tree = survey(root)
    sheet = find(root, tree.files, HEADINGS, TREE)
    clips = by_key(tree, _spelt)
    return by_rows(
        tree,
        sheet,
        ["subject", "filename"],
        clips,
        key=_key,
        sample=partial(_sample, tree, clips),
        expected=TREE,
        why=lambda key: no_row(sheet) if CLIP.fullmatch(key.partition("_")[2]) else "",
    )


def _sample(tree: Tree, clips: Mapping[str, list[str]], cells: Cells) -> Sample:
    subject, clip = _person(cells["subject"]), cells["filename"]
    if not subject:
        raise ValueError(f"Subject is {cells['subject']!r}; expected one like '1'")
    if not CLIP.fullmatch(clip):
        raise ValueError(f"Filename is {clip!r}; expected one like 'EP12_2_10'")
    felt = emotion(cells["emotion"], EMOTIONS)
    onset, offset = frame(cells["onset"], "onset"), frame(cells["offset"], "offset")
    folder = pick(clips.get(_key(cells), []), ORDER)
    numbers = tree.clips[folder] or (onset, offset)  # settle says that there are none
    units, note = noted_units(cells["action_units"])
    moved = [
        f"{name} {sheet} → {there}: the folder holds {numbers[0]} … {numbers[-1]}"
        for name, sheet, there in (("onset", onset, numbers[0]), ("offset", offset, numbers[-1]))
        if sheet != there
    ]
    row = errata.Row(
        sample_id=f"casme_sub{subject}_{clip}",
        dataset="casme",
        subject=subject,
        clip=clip,
        onset=numbers[0],
        apex=frame_or_none(cells["apex"], "apex"),
        offset=numbers[-1],
        fps=FPS,
        emotion=felt,
        action_units=units,
        note="; ".join([note, *moved] if note else moved),
    )
    return errata.settle(row, folder, tree.clips[folder], errata.load("casme"))


def _spelt(parts: tuple[str, ...]) -> str | None:
    """Key that a folder's path spells: ``sub01``, any levels, ``ep01_5``."""
    people = [person for part in parts[:-1] if part[:3] == "sub" and (person := _person(part))]
    return f"sub{people[-1]}_{parts[-1]}" if people else None


def _key(cells: Cells) -> str:
    """Person and clip: clips of several people have one name."""
    return f"sub{_person(cells['subject'])}_{cells['filename'].lower()}"


def _person(text: str) -> str:
    """``01`` of 1, 01 or sub01, as spreadsheets drop zeros; blank for anything else."""
    match = SUBJECT.fullmatch(text)
    return match[1].zfill(2) if match else ""


DATASET = Dataset(read, about="CASME (193 clips, 19 subjects, 60 fps, colour)")
