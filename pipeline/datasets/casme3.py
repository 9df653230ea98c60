"""CAS(ME)³ part A: 860 micro-expressions of 94 people, colour, 30 frames a second.

Li et al., "CAS(ME)³: A Third Generation Facial Spontaneous Micro-Expression Database with Depth
Information and High Ecological Validity", IEEE Transactions on Pattern Analysis and Machine
Intelligence, 2022. A folder holds a whole video, named after a person and one of 13 films, so
that one folder serves many rows; most videos hold no micro-expression, and no row is missed for
them. About a tenth of the clips have holes in their numbering. Depth is left alone.
"""

import re
from collections.abc import Hashable, Mapping
from functools import partial
from pathlib import Path

from features.console import MerError
from pipeline import errata, sheets
from pipeline.annotations import emotion, frame, frame_or_none, noted_units, objective_class
from pipeline.datasets.base import Dataset
from pipeline.listing import Tree, by_key, pick, survey
from pipeline.manifest import Manifest, Sample, gather, remark

FPS = 30.0
TREE = (
    "expected below the root: cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx, and folders of images "
    "such as part_A/spNO.1/b/color/166.jpg"
)
HEADINGS = {
    "subject": ("Subject",),
    "clip": ("Filename",),
    "onset": ("Onset",),
    "apex": ("Apex",),
    "offset": ("Offset",),
    "action_units": ("AU",),
    "objective_class": ("Objective class",),
    "emotion": ("emotion",),
}
WHOLE_VIDEOS = {"kind": ("Expression type",)}  # macro and micro, not numbered as the images are
EMOTIONS = frozenset({"anger", "disgust", "fear", "happiness", "others", "sadness", "surprise"})
FIRST_VERSION = "of the sheet's first version, 61 of whose 921 rows were withdrawn in the second"


def read(root: Path) -> Manifest:
    """Read the colour frames of part A below a root.

    A row is known by person, video and onset. Its sample keeps the onset of the sheet in its
    name, also where an erratum moves the onset.

    Raises
    ------
    MerError
        If the root holds no sheet of micro-expressions, two that differ, or no clip.
    """
    tree = survey(root)
    sheet, note = _sheet(root, tree.files)
    places = by_key(tree, _key)
    if not places:
        raise MerError(f"{root}: no folder like spNO.1/b/color holds images", TREE)
    known = errata.load("casme3")
    manifest = gather(
        (
            sheet.name(number, cells, "subject", "clip", "onset"),
            partial(_sample, tree, places, known, note, cells),
        )
        for number, cells in sheet.rows
    )
    return Manifest(manifest.samples, manifest.bad, remark(tree.troubles))


def _sheet(root: Path, files: tuple[str, ...]) -> tuple[sheets.Sheet, str]:
    """The sheet of micro-expressions, and a note; the first version only where no other is.

    Beside it lie sheets of macro-expressions, of both in another numbering, and the list of the
    rows that were withdrawn as wrong.
    """
    candidates = [name for name in files if "wrong" not in Path(name).name.lower()]
    listed, _ = sheets.tables(root, candidates)
    labels = [
        table.file
        for table in listed
        if sheets.headed(table, HEADINGS) and not sheets.headed(table, WHOLE_VIDEOS)
    ]
    recent = [name for name in labels if not _first_version(name)]
    unread = set(candidates) - {table.file for table in listed}  # for the message to name
    sheet = sheets.find(root, recent or labels or unread, HEADINGS, TREE)
    return sheet, "" if recent else FIRST_VERSION


def _first_version(name: str) -> bool:
    return Path(name).suffix.lower() == ".xls" or Path(name).stem.lower().endswith("v1")


def _key(parts: tuple[str, ...]) -> Hashable | None:
    """(person, video) of a folder; (person, video, onset) where each clip was cut out.

    Some copies lose a dot: spNO210.
    """
    path = "/".join(parts)
    video = re.search(r"(?:^|/)spno\.?(\d+)/([a-z])(?:/\2)?/color(?:/color)?$", path)
    if video:
        return int(video[1]), video[2]
    clip = re.search(r"(?:^|/)spno\.?(\d+)_([a-z])_(\d+)(?:/color)?$", path)
    return (int(clip[1]), clip[2], int(clip[3])) if clip else None


def _sample(
    tree: Tree,
    places: Mapping[Hashable, list[str]],
    known: Mapping[str, errata.Erratum],
    note: str,
    cells: sheets.Cells,
) -> Sample:
    person = re.fullmatch(r"spno\.?([0-9]+)", cells["subject"], re.IGNORECASE)
    if person is None:
        raise ValueError(f"Subject is {cells['subject']!r}; expected one like 'spNO.1'")
    clip = cells["clip"]
    if not re.fullmatch(r"[A-Za-z]", clip):
        raise ValueError(f"Filename is {clip!r}; expected a letter")
    feeling = emotion(cells["emotion"], EMOTIONS)
    units, trouble = noted_units(cells["action_units"])
    onset = frame(cells["onset"], "onset")
    subject = f"spNO.{int(person[1])}"
    row = errata.Row(
        sample_id=f"casme3_{subject}_{clip}_{onset}",
        dataset="casme3",
        subject=subject,
        clip=clip,
        onset=onset,
        apex=frame_or_none(cells["apex"], "apex"),
        offset=frame(cells["offset"], "offset"),
        fps=FPS,
        emotion=feeling,
        action_units=units,
        objective_class=objective_class(cells["objective_class"]),
        note="; ".join(filter(None, (note, trouble))),
    )
    video = int(person[1]), clip.lower()  # one J in the sheet is a j on the disk
    folder = pick(places.get(video) or places.get((*video, onset)) or ())
    return errata.settle(row, folder, tree.clips[folder], known, missing_frames="nearest")


DATASET = Dataset(read, about="CAS(ME)³ part A (860 clips, 94 subjects, 30 fps, colour)")
