"""CASME II: 255 micro-expressions of 26 people, colour, 200 frames a second.

Yan et al., "CASME II: An Improved Spontaneous Micro-Expression Database and the Baseline
Evaluation", PLoS ONE 9(1), 2014. The sheet of 2019 is taken where it lies beside the one of
2014; a lone sheet of 2014 is read as it is. Their frames are the same, three emotions are not:
five classes count 246 samples by the sheet of 2014 and 249 by that of 2019. Objective classes
are those of CASME2-ObjectiveClasses.xlsx, which MEGC2018 was made with, else those of 2019. Where
the release is unpacked whole, clips come from RAW_selected, else from RAW, else from Cropped.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from features.console import MerError
from pipeline import errata, sheets
from pipeline.annotations import emotion, frame, frame_or_none, noted_units, objective_class
from pipeline.datasets.base import Dataset, by_rows, no_row
from pipeline.listing import Tree, by_key, pick, survey
from pipeline.manifest import Manifest, Sample

FPS = 200.0
TREE = (
    "expected below the root: CASME2-coding-20190701.xlsx (or the one of 2014), and folders of "
    "images such as CASME2_RAW_selected/sub01/EP02_01f/img46.jpg"
)
Headings = dict[str, tuple[str, ...]]
KEY: Headings = {"subject": ("Subject",), "filename": ("Filename",)}
CLASS: Headings = {"class": ("Objective Classes", "Objective Class")}
HEADINGS: Headings = KEY | {  # ours -> theirs, in the release and in the copies that go round
    "onset": ("OnsetFrame", "OnsetF", "Onset"),
    "apex": ("ApexFrame", "ApexF1", "ApexF", "Apex"),
    "offset": ("OffsetFrame", "OffsetF", "Offset"),
    "action_units": ("Action Units", "AUs", "AU"),
    "emotion": ("Estimated Emotion", "Emotion"),
}
EMOTIONS = frozenset(
    {"disgust", "fear", "happiness", "others", "repression", "sadness", "surprise"}
)
SUBJECT = re.compile(r"(?:sub)?0*([1-9][0-9]?)", re.IGNORECASE)
CLIP = re.compile(r"EP[0-9]{2}(_[0-9]{1,2}){0,2}f?", re.IGNORECASE)
ORDER = ("selected", "raw", "cropped")


def read(root: Path) -> Manifest:
    """Read the official release below a root.

    Raises
    ------
    MerError
        If the root holds no such sheet, two of one year that differ, or none of its clips.
    """
    tree = survey(root)
    sheet = _sheet(tree)
    clips = by_key(tree, _spelt)
    classes, known = _classes(tree), errata.load("casme2")
    rowless = {name.lower(): one for name, one in known.items() if one.skip}

    def why(key: str) -> str:
        """The release has two clips without a row; the errata know them."""
        one = rowless.get(f"casme2_{key}")
        if one is not None:
            return f"{one.reason} ({one.source})"
        return no_row(sheet) if CLIP.fullmatch(key.partition("_")[2]) else ""

    return by_rows(
        tree,
        sheet,
        ["subject", "filename"],
        clips,
        key=_key,
        sample=partial(_sample, tree, clips, classes, known),
        expected=TREE,
        why=why,
    )


def _sheet(tree: Tree) -> sheets.Sheet:
    """The annotations; only those of 2019 have objective classes."""
    columns = HEADINGS | CLASS
    try:
        return sheets.find(tree.root, tree.files, columns, TREE)
    except MerError:  # none of 2019; or several that differ, which the next line says as well
        return sheets.find(tree.root, tree.files, columns, TREE, optional=CLASS)


def _classes(tree: Tree) -> dict[str, str]:
    """Clip -> objective class by the sheet of its own, which MEGC2018 was made with."""
    listed, _ = sheets.tables(tree.root, tree.files)
    files = {
        table.file
        for table in listed
        if sheets.headed(table, KEY | CLASS) and not sheets.headed(table, HEADINGS)
    }
    if not files:
        return {}
    sheet = sheets.find(tree.root, sorted(files), KEY | CLASS, TREE)
    return {_key(cells): cells["class"] for _, cells in sheet.rows}


def _sample(
    tree: Tree,
    clips: Mapping[str, list[str]],
    classes: Mapping[str, str],
    known: Mapping[str, errata.Erratum],
    cells: sheets.Cells,
) -> Sample:
    subject, clip, key = _person(cells["subject"]), cells["filename"], _key(cells)
    if not subject:
        raise ValueError(f"Subject is {cells['subject']!r}; expected one like '01'")
    if not CLIP.fullmatch(clip):
        raise ValueError(f"Filename is {clip!r}; expected one like 'EP02_01f'")
    felt = emotion(cells["emotion"], EMOTIONS)
    units, note = noted_units(cells["action_units"])
    row = errata.Row(
        sample_id=f"casme2_sub{subject}_{clip}",
        dataset="casme2",
        subject=subject,
        clip=clip,
        onset=frame(cells["onset"], "onset"),
        apex=frame_or_none(cells["apex"], "apex"),
        offset=frame(cells["offset"], "offset"),
        fps=FPS,
        emotion=felt,
        action_units=units,
        objective_class=objective_class(classes.get(key, cells["class"])),
        note=note,
    )
    folder = pick(clips.get(key, []), ORDER)
    return errata.settle(row, folder, tree.clips[folder], known)


def _spelt(parts: tuple[str, ...]) -> str | None:
    """Key that a folder's path spells: ``sub01``, any levels, ``ep02_01f``."""
    people = [person for part in parts[:-1] if part[:3] == "sub" and (person := _person(part))]
    return f"sub{people[-1]}_{parts[-1]}" if people else None


def _key(cells: sheets.Cells) -> str:
    """Person and clip: clips of several people have one name."""
    return f"sub{_person(cells['subject'])}_{cells['filename'].lower()}"


def _person(text: str) -> str:
    """``01`` of 1, 01 or sub01, as spreadsheets drop zeros; blank for anything else."""
    match = SUBJECT.fullmatch(text)
    return match[1].zfill(2) if match else ""


DATASET = Dataset(read, about="CASME II (255 clips, 26 subjects, 200 fps, colour)")
