"""CAS(ME)³ part C, a mock crime: 165 micro-expressions of 30 people, colour, 30 frames a second.

Li et al., "CAS(ME)³: A Third Generation Facial Spontaneous Micro-Expression Database with Depth
Information and High Ecological Validity", IEEE Transactions on Pattern Analysis and Machine
Intelligence, 2022. Nobody annotated an apex: the midpoint stands for it. The sheet ``organize``
of the same part counts 160 in another form and is not read.
"""

import re
from collections.abc import Hashable, Mapping
from functools import partial
from pathlib import Path

from features.console import MerError
from pipeline import errata, sheets
from pipeline.annotations import emotion, frame, noted_units
from pipeline.datasets.base import Dataset
from pipeline.listing import Tree, by_key, pick, survey
from pipeline.manifest import Manifest, Sample, gather, remark

FPS = 30.0
TREE = (
    "expected below the root: CAS(ME)3_part_C_ME.xlsx, and folders of images such as "
    "ME_C/01/1/color"
)
HEADINGS = {
    "subject": ("sub",),
    "clip": ("count",),
    "onset": ("onset",),
    "offset": ("offset",),
    "action_units": ("au",),
    "emotion": ("emotion",),
}
EMOTIONS = frozenset({"negative", "others", "positive", "surprise"})


def read(root: Path) -> Manifest:
    """Read the colour frames of part C below a root.

    Raises
    ------
    MerError
        If the root holds no such sheet, two that differ, or no clip.
    """
    tree = survey(root)
    sheet = sheets.find(root, tree.files, HEADINGS, TREE)
    places = by_key(tree, _key)
    if not places:
        raise MerError(f"{root}: no folder like 01/1/color holds images", TREE)
    known = errata.load("casme3_c")
    manifest = gather(
        (
            sheet.name(number, cells, "subject", "clip"),
            partial(_sample, tree, places, known, cells),
        )
        for number, cells in sheet.rows
    )
    return Manifest(manifest.samples, manifest.bad, remark(tree.troubles))


def _key(parts: tuple[str, ...]) -> Hashable | None:
    """(person, count) of a folder; depth lies beside color."""
    path = re.search(r"(?:^|/)(\d+)/(\d+)/color(?:/color)?$", "/".join(parts))
    return (int(path[1]), int(path[2])) if path else None


def _sample(
    tree: Tree,
    places: Mapping[Hashable, list[str]],
    known: Mapping[str, errata.Erratum],
    cells: sheets.Cells,
) -> Sample:
    subject, count = cells["subject"], cells["clip"]
    if not (re.fullmatch(r"[0-9]+", subject) and re.fullmatch(r"[0-9]+", count)):
        raise ValueError(f"sub is {subject!r} and count {count!r}; expected two numbers")
    feeling = emotion(cells["emotion"], EMOTIONS)
    # "4，7," is 4+7: commas of two scripts, some of them at the end.
    tokens = (token.strip() for token in re.split(r"[，,+]", cells["action_units"]))
    units, trouble = noted_units("+".join(filter(None, tokens)))
    row = errata.Row(
        sample_id=f"casme3_c_{subject.zfill(2)}_{count}",
        dataset="casme3_c",
        subject=subject.zfill(2),
        clip=count,
        onset=frame(cells["onset"], "onset"),
        apex=None,
        offset=frame(cells["offset"], "offset"),
        fps=FPS,
        emotion=feeling,
        action_units=units,
        note=trouble,
    )
    folder = pick(places.get((int(subject), int(count)), ()))
    return errata.settle(row, folder, tree.clips[folder], known)


DATASET = Dataset(read, about="CAS(ME)³ part C (165 clips, 30 subjects, 30 fps, colour)")
