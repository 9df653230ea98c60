"""MMEW: 300 micro-expressions, colour, faces already cropped, 90 frames a second.

Ben et al., "Video-Based Facial Micro-Expression Analysis: A Survey of Datasets, Features and
Algorithms", IEEE TPAMI 44(9), 2022. A clip is named after person, stimulus and sample,
S13-07-001; its frames count from 1. Clips that the sheet calls others lie in the folder
repression. Some rows go on after their clip's last frame, which then is their offset. The
macro-expressions, single stills, are left alone.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pipeline import errata
from pipeline.annotations import emotion, frame, frame_or_none, noted_units
from pipeline.datasets.base import Dataset, by_rows
from pipeline.listing import Tree, by_key, pick, survey
from pipeline.manifest import Manifest, Sample
from pipeline.sheets import Cells, find

FPS = 90.0
TREE = (
    "expected below the root: MMEW_Micro_Exp.xlsx, and folders of images such as "
    "Micro_Expression/anger/S13-07-001/1.jpg"
)
HEADINGS = {  # ours -> theirs, in the release and in the copies that go round
    "filename": ("Filename",),
    "onset": ("OnsetFrame", "OnsetF", "Onset"),
    "apex": ("ApexFrame", "ApexF1", "ApexF", "Apex"),
    "offset": ("OffsetFrame", "OffsetF", "Offset"),
    "action_units": ("Action Units", "AUs", "AU"),
    "emotion": ("Estimated Emotion", "Emotion"),
}
EMOTIONS = frozenset({"anger", "disgust", "fear", "happiness", "others", "sadness", "surprise"})
OTHERS = "repression"  # the folder of what the sheet calls others
CLIP = re.compile(r"S([0-9]{2})-[0-9]{2}-[0-9]{3}")


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
        ["filename"],
        clips,
        key=lambda cells: cells["filename"].upper(),
        sample=partial(_sample, tree, clips),
        expected=TREE,
    )


def _sample(tree: Tree, clips: Mapping[str, list[str]], cells: Cells) -> Sample:
    clip = cells["filename"].upper()
    match = CLIP.fullmatch(clip)
    if match is None:
        raise ValueError(f"Filename is {cells['filename']!r}; expected one like 'S13-07-001'")
    felt = _emotion(cells["emotion"])
    if felt not in EMOTIONS:
        raise ValueError(f"emotion is {cells['emotion']!r}, none of {', '.join(sorted(EMOTIONS))}")
    folder = pick(clips.get(clip, []), (felt, OTHERS) if felt == "others" else (felt,))
    units, note = noted_units(cells["action_units"])
    spelt = {_emotion(part) for part in folder.split("/")} & EMOTIONS
    if spelt and felt not in spelt:
        told = f"the sheet says {felt}, the folder {' '.join(sorted(spelt))}"
        note = f"{note}; {told}" if note else told
    row = errata.Row(
        sample_id=f"mmew_{clip}",
        dataset="mmew",
        subject=match[1],
        clip=clip,
        onset=frame(cells["onset"], "onset"),
        apex=frame_or_none(cells["apex"], "apex"),
        offset=frame(cells["offset"], "offset"),
        fps=FPS,
        emotion=felt,
        action_units=units,
        note=note,
    )
    return errata.settle(row, folder, tree.clips[folder], errata.load("mmew"))


def _emotion(text: str) -> str:
    """An emotion as the sheet calls it; some copies write the folder's repression there."""
    return "others" if emotion(text) == OTHERS else emotion(text)


def _spelt(parts: tuple[str, ...]) -> str | None:
    """Clip that a folder's path spells, below any levels but those of the macro-expressions."""
    clip = parts[-1].upper()
    macro = any(part.startswith("macro") for part in parts)
    return clip if CLIP.fullmatch(clip) and not macro else None


DATASET = Dataset(read, about="MMEW (300 clips, 30 subjects, 90 fps, colour, cropped)")
