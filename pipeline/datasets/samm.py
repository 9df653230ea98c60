"""SAMM: 159 micro-movements of 29 people, grey, 200 frames a second.

Davison et al., "SAMM: A Spontaneous Micro-Facial Movement Dataset", IEEE Transactions on
Affective Computing 9(1), 2018. The sheet is known by its header and the clips by their folders'
names, so that renamed, stripped and twice unpacked copies are read too.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pipeline import errata
from pipeline.annotations import emotion, frame, frame_or_none, noted_units, objective_class
from pipeline.datasets.base import Dataset, by_rows
from pipeline.listing import Tree, by_key, pick, survey
from pipeline.manifest import Manifest, Sample
from pipeline.sheets import Cells, find

FPS = 200.0
TREE = (
    "expected below the root: SAMM_Micro_FACS_Codes_v2.xlsx, and folders of images such as "
    "SAMM/006/006_1_2/006_05562.jpg"
)
HEADINGS = {  # ours -> theirs, in the release and in the copies that go round
    "subject": ("Subject",),
    "filename": ("Filename",),
    "onset": ("Onset Frame", "OnsetF", "Onset"),
    "apex": ("Apex Frame", "ApexF1", "ApexF", "Apex"),
    "offset": ("Offset Frame", "OffsetF", "Offset"),
    "emotion": ("Estimated Emotion", "Emotion"),
    "action_units": ("Action Units", "AUs", "AU"),
    "objective_class": ("Objective Classes", "Objective Class"),
}
OPTIONAL = ("objective_class",)  # not in every copy
EMOTIONS = frozenset(
    {"anger", "contempt", "disgust", "fear", "happiness", "others", "sadness", "surprise"}
)
CLIP = re.compile(r"[0-9]{3}_[0-9]+_[0-9]+")  # subject, inducement, sample


def read(root: Path) -> Manifest:
    """Read the official release below a root.

    Raises
    ------
    MerError
        If the root holds no such sheet, two that differ, or none of its clips.
    """
    tree = survey(root)
    sheet = find(root, tree.files, HEADINGS, TREE, OPTIONAL)
    clips = by_key(tree, lambda parts: parts[-1] if CLIP.fullmatch(parts[-1]) else None)
    return by_rows(
        tree,
        sheet,
        ["filename"],
        clips,
        key=lambda cells: cells["filename"].lower(),
        sample=partial(_sample, tree, clips, errata.load("samm")),
        expected=TREE,
    )


def _sample(
    tree: Tree,
    clips: Mapping[str, list[str]],
    known: Mapping[str, errata.Erratum],
    cells: Cells,
) -> Sample:
    clip = cells["filename"]
    if not CLIP.fullmatch(clip):
        raise ValueError(f"Filename is {clip!r}; expected one like '006_1_2'")
    subject = clip[:3]  # the column itself loses its zeros in spreadsheets
    if cells["subject"] and cells["subject"].zfill(3) != subject:
        raise ValueError(f"Subject {cells['subject']!r} is not the one of Filename {clip!r}")
    for name in ("onset", "apex", "offset"):
        if "." in cells[name]:  # other releases keep fractions, this one does not
            raise ValueError(f"{name} is {cells[name]!r}; expected a whole frame number")
    felt = emotion(cells["emotion"], EMOTIONS)
    units, note = noted_units(cells["action_units"])
    row = errata.Row(
        sample_id=f"samm_{clip}",
        dataset="samm",
        subject=subject,
        clip=clip,
        onset=frame(cells["onset"], "onset"),
        apex=frame_or_none(cells["apex"], "apex"),
        offset=frame(cells["offset"], "offset"),
        fps=FPS,
        emotion=felt,
        action_units=units,
        objective_class=objective_class(cells["objective_class"]),
        note=note,
    )
    folder = pick(clips.get(clip.lower(), []))
    return errata.settle(row, folder, tree.clips[folder], known)


DATASET = Dataset(read, about="SAMM (159 clips, 29 subjects, 200 fps, grey)")
