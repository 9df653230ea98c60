"""Anyone's own clips, without a sheet: a manifest drafted from the folders, to be corrected.

Every folder that holds images and every video file is a clip. Its subject is the first folder
below the root; a clip that lies directly in the root is its own subject. Onset and offset are
its first and last frame, the apex is half way, the emotion is blank: nobody annotated them.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

from features.console import MerError, printable
from pipeline.clips import open_video
from pipeline.datasets.base import Dataset
from pipeline.listing import IMAGES, VIDEOS, folders, frames, inside
from pipeline.manifest import BadRow, Manifest, Sample, gather, midpoint, slug

RATE = "fps.txt"
REMEDY = "expected below the root: SUBJECT/CLIP/image0001.png … or SUBJECT/CLIP.avi"


def read(root: Path) -> Manifest:
    """List the clips below a root; the samples' dataset is the root's name.

    Frames per second of images cannot be known from them: a folder of the path says so
    (``smile_200fps``), or ``fps.txt`` in the root, one number, does for all the others. A
    video's stand in its header.

    Raises
    ------
    MerError
        If the root holds no clip, or fps.txt is not a number above 0.
    """
    if not root.is_dir():
        raise MerError(f"{root}: no such folder", REMEDY)
    rate = _stated(root / RATE)
    dataset = slug(root.resolve().name) or "folder"
    bad: list[BadRow] = []
    rows: list[tuple[str, Callable[[], Sample]]] = []

    def closed(error: OSError) -> None:
        bad.append(BadRow(printable(error.filename), f"cannot be listed: {error.strerror}"))

    for here, files, links in folders(root, closed):
        if any(_suffix(name) in IMAGES for name in files):
            rows.append((here, partial(_images, root, here, dataset, rate)))
        for name in files:
            if _suffix(name) in VIDEOS:
                path = (PurePosixPath(here) / name).as_posix()
                rows.append((path, partial(_video, root, path, dataset)))
        for name in links:
            path = (PurePosixPath(here) / name).as_posix()
            reason = "a link to a folder: put the folder itself below the root"
            bad.append(BadRow(printable(path), reason))
    if not rows:
        raise MerError(f"{root}: neither a folder of images nor a video below it", REMEDY)
    manifest = gather(rows)
    return Manifest(manifest.samples, manifest.bad + tuple(bad))


def count_frames(path: Path) -> tuple[int, float]:
    """Count the frames of a video that decode, and read its frames per second.

    A header's own count is a guess of whoever wrote it; only decoding tells.

    Raises
    ------
    ValueError
        If the file is no video, stops decoding half way or before its header says, or states no
        rate.
    """
    import av

    if not path.is_file():  # a pipe would be waited for without end
        raise ValueError("not a regular file")
    count = 0
    try:
        with open_video(path) as container:
            if not container.streams.video:
                raise ValueError("holds no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate, promised = stream.average_rate, stream.frames
            for _ in container.decode(stream):
                count += 1
    except av.FFmpegError as error:
        raise ValueError(f"stops decoding after {count} frames ({error.strerror})") from error
    if count < promised:  # a run refuses it too: its frame numbers cannot be trusted
        raise ValueError(f"its header promises {promised} frames, {count} decode: copy it again")
    if not rate:
        raise ValueError("its header states no frames per second")
    return count, float(rate)


def _images(root: Path, path: str, dataset: str, rate: float | None) -> Sample:
    if path == ".":
        raise ValueError("images lie directly in the root: put each clip into a folder")
    numbers = list(frames(inside(root, path), root))
    if not numbers:
        raise ValueError("no image has a number in its name")
    fps = _rate_in(path) or rate
    if fps is None:
        place = f"{RATE} in the folder that --root names"  # a store may keep this, and no path
        raise ValueError(f"frames per second are unknown: put the number into {place}")
    return _draft(path, dataset, numbers[0], numbers[-1], fps)


def _video(root: Path, path: str, dataset: str) -> Sample:
    count, fps = count_frames(inside(root, path))
    return _draft(path, dataset, 1, count, fps)


def _draft(path: str, dataset: str, first: int, last: int, fps: float) -> Sample:
    subject = path.split("/")[0]
    if subject == path and _suffix(path) in VIDEOS:
        subject = PurePosixPath(path).stem
    return Sample(
        sample_id=slug(f"{dataset}_{path}"),
        dataset=dataset,
        subject=subject,
        clip=path,
        path=path,
        first_frame=first,
        onset=first,
        apex=midpoint(first, last),
        offset=last,
        fps=fps,
        apex_source="midpoint",
    )


def _stated(file: Path) -> float | None:
    """Frames per second as fps.txt states them; None without the file."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            text = lines.read(100).strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        text = "no text"
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or float(text) == 0:
        raise MerError(f"{file}: {text!r} is not a number above 0", "write one number, as 200")
    return float(text)


def _rate_in(path: str) -> float | None:
    """Frames per second as a folder's name states them, the innermost first."""
    for name in reversed(path.split("/")):
        found = re.search(r"([0-9]+(?:\.[0-9]+)?)[ _-]?fps(?![a-z])", name, re.IGNORECASE)
        if found and float(found[1]) > 0:
            return float(found[1])
    return None


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


DATASET = Dataset(read, about="your own clips: drafts a manifest to be corrected by hand")
