"""SMIC's clips by their names: ``s3_ne_02`` is of subject 3, negative; no sheet says more.

Li et al., "A Spontaneous Micro-expression Database: Inducement, Collection and Baseline",
FG 2013. One session, three cameras: HS, VIS and NIR hold clips of the same names, each a dataset
of its own. The segmented clips lie below ``micro``, the long ones of SMIC-E do not.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from features.console import MerError
from pipeline.errata import Row, load, settle
from pipeline.listing import Tree, by_key, pick, survey
from pipeline.manifest import Manifest, Sample, gather, remark

CLIP = re.compile(r"s0*([1-9][0-9]*)_(ne|po|sur)_([0-9]{2})", re.IGNORECASE)
EMOTIONS = {"ne": "negative", "po": "positive", "sur": "surprise"}
CAMERAS = ("hs", "vis", "nir")
ORDER = ("raw", "cropped")  # a root may hold both; raw has every clip
TREE = (
    "expected below the root: folders of images such as "
    "SMIC_all_raw/{}/s1/micro/negative/s1_ne_01/image034208.bmp"
)


@dataclass(frozen=True, slots=True)
class Release:
    """The segmented clips of one camera, and whose they are."""

    name: str
    camera: str
    fps: float
    subjects: tuple[int, ...]


def name_of(text: str) -> str | None:
    """A clip's official name, ``s3_ne_02``, or None if the text is none.

    >>> name_of("S03_ne_02"), name_of("s3_ne_2")
    ('s3_ne_02', None)
    """
    match = CLIP.fullmatch(text.strip())
    if match is None:
        return None
    subject, emotion, count = match.groups()
    return f"s{subject}_{emotion.lower()}_{count}"


def meaning(clip: str) -> tuple[str, str]:
    """Subject and emotion of a clip: ``("3", "negative")`` for ``s3_ne_02``."""
    subject, emotion, _ = clip.split("_")
    return subject[1:], EMOTIONS[emotion]


def camera(parts: Iterable[str]) -> str | None:
    """Which camera a path speaks of, the last that it names: ``SMIC-VIS-E/VIS/s11`` is vis."""
    words = [word for part in parts for word in re.split(r"[^a-z0-9]+", part.lower())]
    return next((word for word in reversed(words) if word in CAMERAS), None)


def folders(tree: Tree, wanted: str, *, segmented: bool) -> dict[str, list[str]]:
    """Folders of one camera's clips, by the clip's name; others by their path.

    A path that names no camera belongs to whoever asks: a copy may hold nothing but HS.
    """
    home = tree.root.resolve().name

    def key(parts: tuple[str, ...]) -> str | None:
        if camera((home, *parts)) not in (None, wanted):
            return None
        if "non_micro" in parts or ("micro" in parts) != segmented:
            return None
        return name_of(parts[-1]) or "/".join(parts)

    return {str(clip): places for clip, places in by_key(tree, key).items()}


def read(root: Path, release: Release) -> Manifest:
    """Read the segmented clips of one camera: a clip runs from its first image to its last.

    Raises
    ------
    MerError
        If the root holds none of them.
    """
    tree = survey(root)
    found = folders(tree, release.camera, segmented=True)
    if not any(map(name_of, found)):
        title = release.camera.upper()
        raise MerError(f"{root}: no clip of SMIC {title}", TREE.format(title))
    manifest = gather(
        (f"{release.name} {' and '.join(places)}", partial(_sample, release, tree, clip, places))
        for clip, places in found.items()
    )
    return Manifest(manifest.samples, manifest.bad, remark(tree.troubles))


def _sample(release: Release, tree: Tree, clip: str, places: Sequence[str]) -> Sample:
    if name_of(clip) is None:
        raise ValueError("the folder's name is no clip of SMIC; expected one like 's1_ne_01'")
    subject, emotion = meaning(clip)
    if int(subject) not in release.subjects:
        whom = " ".join(map(str, release.subjects))
        raise ValueError(f"the release has no subject {subject}, only {whom}")
    folder = pick(places, ORDER)
    labels = set(folder.lower().split("/")) & set(EMOTIONS.values())
    if labels - {emotion}:
        raise ValueError(f"lies below {', '.join(sorted(labels))}, but its name says {emotion}")
    numbers = tree.clips[folder]
    row = Row(
        sample_id=f"{release.name}_{clip}",
        dataset=release.name,
        subject=subject,
        clip=clip,
        onset=min(numbers, default=0),
        apex=None,
        offset=max(numbers, default=0),
        fps=release.fps,
        emotion=emotion,
    )
    sample = settle(row, folder, numbers, load(release.name), missing_frames="nearest")
    return replace(sample, note="; ".join(filter(None, (sample.note, _holes(folder, numbers)))))


def _holes(folder: str, numbers: Sequence[int]) -> str:
    """Tell of missing frames; refuse so many that a stray image must have been counted in."""
    lost = numbers[-1] - numbers[0] + 1 - len(numbers)
    held = f"{folder} holds {len(numbers)} of the frames {numbers[0]} … {numbers[-1]}"
    if lost >= len(numbers):
        raise ValueError(f"{held}: the copy is not whole, or an image is none of the clip's")
    return f"{held}, {lost} missing" if lost else ""
