"""4DME, grey videos: 267 micro-expressions of 41 people, 60 frames a second.

Li et al., "4DME: A Spontaneous 4D Micro-Expression Dataset with Multimodalities", IEEE
Transactions on Affective Computing 14(4), 2023. It is called ``fourdme`` here, on the command
line and in every sample: a name cannot begin with a digit.

One expression may have several emotions: their names stand in alphabetical order, as in
``positive+surprise``. Where the sheet's 0/1 columns of emotions contradict its column Emotion,
the sample's note says so and Emotion is kept: the labels of two rows are said to be exchanged
(tvaranka/meb swaps them), but only by their position in one copy of the sheet.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pipeline import annotations, errata
from pipeline.annotations import frame, frame_or_none, noted_units
from pipeline.datasets.base import Dataset, by_rows, no_row
from pipeline.listing import Tree, by_key, pick, survey
from pipeline.manifest import Manifest, Sample, slug
from pipeline.sheets import Cells, find

FPS = 60.0
TREE = (
    "expected below the root: 4DME_Labelling_Micro_release v1.xlsx, and folders of images "
    "gray_micro/<sub_ID>/<fold_name>"
)
FLAGS = ("positive", "negative", "surprise", "repression", "others")  # 0/1 columns
HEADINGS = {
    "subject": ("sub_ID",),
    "clip": ("fold_name", "video_number"),
    "onset": ("Onset",),
    "apex": ("Apex",),
    "offset": ("Offset",),
    "emotion": ("Emotion",),
    "action_units": ("AUs",),
    **{flag: (flag,) for flag in FLAGS},
}
ORDER = ("gray_micro/", "gray_micro")  # before gray_micro_crop, made by users


def read(root: Path) -> Manifest:
    """Read the grey videos of the release below a root.

    Raises
    ------
    MerError
        If the root holds no such sheet, two that differ, or none of its clips.
    """
    tree, known = survey(root), errata.load("fourdme")
    sheet = find(root, tree.files, HEADINGS, TREE, optional=FLAGS)
    clips = by_key(tree, lambda parts: (parts[-2], parts[-1]) if len(parts) > 1 else None)
    people = {_key(cells)[0] for _, cells in sheet.rows}
    return by_rows(
        tree,
        sheet,
        ["subject", "clip"],
        clips,
        key=_key,
        sample=partial(_sample, tree, clips, known),
        expected=TREE,
        why=lambda key: no_row(sheet) if key[0] in people else "",
    )


def _sample(
    tree: Tree,
    clips: Mapping[tuple[str, str], list[str]],
    known: Mapping[str, errata.Erratum],
    cells: Cells,
) -> Sample:
    subject, clip = cells["subject"], cells["clip"]
    if not subject or not clip:
        raise ValueError(f"sub_ID is {subject!r} and fold_name {clip!r}; expected both")
    felt = {annotations.emotion(word) for word in cells["emotion"].split("+")}
    if "" in felt:
        raise ValueError(f"emotion is {cells['emotion']!r}; expected one like 'Surprise+Positive'")
    units, wrong = noted_units(cells["action_units"])
    flagged = {flag for flag in FLAGS if cells[flag] == "1"}
    said = f"the sheet's columns of emotions say {'+'.join(sorted(flagged))}"
    row = errata.Row(
        sample_id=slug(f"fourdme_{subject}_{clip}"),
        dataset="fourdme",
        subject=subject,
        clip=clip,
        onset=frame(cells["onset"], "onset"),
        apex=frame_or_none(cells["apex"], "apex"),
        offset=frame(cells["offset"], "offset"),
        fps=FPS,
        emotion="+".join(sorted(felt)),
        action_units=units,
        note="; ".join(filter(None, (wrong, said if flagged and flagged != felt else ""))),
    )
    folder = pick(clips.get(_key(cells), []), ORDER)
    return errata.settle(row, folder, tree.clips[folder], known)


def _key(cells: Cells) -> tuple[str, str]:
    return cells["subject"].lower(), cells["clip"].lower()


DATASET = Dataset(read, about="4DME, grey videos (267 clips, 41 subjects, 60 fps)")
