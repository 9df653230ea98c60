"""What lies in a folder: frames by number, never a path built from a number.

SAMM pads to four digits or to five, SMIC has holes, a zip left ``img2977.jpg.jpg``: only the
listing knows.
"""

import os
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from features.console import MerError

Key = TypeVar("Key", bound=Hashable)

IMAGES = frozenset({".jpg", ".jpeg", ".bmp", ".png"})
VIDEOS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})

# What Windows, macOS, Office and network drives leave behind; @eaDir even holds .jpg files.
JUNK = frozenset(
    {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found"}
    | {"system volume information"}
)


def junk(name: str) -> bool:
    """Whether a file or folder was left by a system, not by the people who made the data."""
    return name.startswith((".", "~$")) or name.lower() in JUNK


def frame_number(name: str) -> int | None:
    """Frame number in a file name: the last run of digits before the first dot, or None.

    >>> frame_number("reg_EP12_2_10-017.jpg"), frame_number("img2977.jpg.jpg")
    (17, 2977)
    """
    digits = re.findall(r"[0-9]+", name.split(".")[0])
    return int(digits[-1]) if digits else None


def frames(folder: Path, root: Path | None = None) -> dict[int, Path]:
    """Images of a folder by frame number, in numeric order.

    Junk, folders and images without a number in their name are left out.

    Parameters
    ----------
    folder : where the images lie
    root : where an image that is a link may lead; the folder itself by default

    Raises
    ------
    ValueError
        If two images have the same number, or a link leaves `root`.
    OSError
        If the folder cannot be listed.
    """
    found: dict[int, Path] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            number = _image_number(entry)
            if number is None:
                continue
            if number in found:
                both = " and ".join(sorted((found[number].name, entry.name)))
                raise ValueError(f"two images have the number {number}: {both}")
            if entry.is_symlink():
                _stay(root or folder, Path(entry.path), entry.name)
            found[number] = Path(entry.path)
    return dict(sorted(found.items()))


def folders(
    root: Path, unreadable: Callable[[OSError], object]
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Every folder at or below a root: its path, its files, its links to other folders.

    Paths are relative to the root, with ``/``; ``.`` is the root. Names are sorted, junk is left
    out. Links to folders are named, not followed: inside the root they would list a clip twice,
    outside they leave it.

    Parameters
    ----------
    root : a folder, or a link to one
    unreadable : called with the error of each folder that cannot be listed
    """
    for here, below, files in os.walk(root, onerror=unreadable):
        wanted = sorted(name for name in below if not junk(name))
        links = [name for name in wanted if os.path.islink(os.path.join(here, name))]
        below[:] = [name for name in wanted if name not in links]
        relative = Path(here).relative_to(root).as_posix()
        yield relative, sorted(name for name in files if not junk(name)), links


def inside(root: Path, relative: str) -> Path:
    """Real place of a path below the root; what it names need not exist.

    Parameters
    ----------
    root : the dataset's folder; may itself be a link
    relative : path below it, with ``/``

    Raises
    ------
    ValueError
        If the path is absolute, climbs with ``..``, or leads out of the root by a link.
    """
    pure = PurePosixPath(relative)
    if "\0" in relative:
        raise ValueError(f"path {relative!r} holds a NUL")
    if pure.is_absolute() or relative.startswith("~"):
        raise ValueError(f"path {relative!r} is absolute; expected one below the root")
    if ".." in pure.parts:
        raise ValueError(f"path {relative!r} climbs with '..'; expected one below the root")
    return _stay(root, root / relative, relative)


def _image_number(entry: os.DirEntry[str]) -> int | None:
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix not in IMAGES or junk(entry.name) or not entry.is_file():
        return None
    return frame_number(entry.name)


def _stay(root: Path, path: Path, name: str) -> Path:
    real, home = os.path.realpath(path), os.path.realpath(root)
    if os.path.commonpath((real, home)) != home:
        raise ValueError(f"path {name!r} leaves the root by a link")
    return Path(real)


@dataclass(frozen=True, slots=True)
class Tree:
    """A root, listed once.

    Parameters
    ----------
    files : every file that is no image, relative to the root
    clips : every folder that holds images -> the frame numbers in it, sorted; twice where two
        images have one number
    troubles : (path, why) of what cannot be listed or is a link to a folder
    """

    root: Path
    files: tuple[str, ...]
    clips: dict[str, tuple[int, ...]]
    troubles: tuple[tuple[str, str], ...]


def survey(root: Path) -> Tree:
    """List everything below a root; junk is left out, links to folders are not followed.

    Raises
    ------
    MerError
        If there is no such folder.
    """
    if not root.is_dir():
        raise MerError(f"{root}: no such folder", "give the dataset's folder with --root")
    troubles: list[tuple[str, str]] = []
    files: list[str] = []
    clips: dict[str, tuple[int, ...]] = {}

    def closed(error: OSError) -> None:
        troubles.append((str(error.filename), f"cannot be listed: {error.strerror}"))

    for here, names, links in folders(root, closed):
        where = "" if here == "." else f"{here}/"
        troubles += [(f"{where}{name}", "a link to a folder is not followed") for name in links]
        images = [name for name in names if os.path.splitext(name)[1].lower() in IMAGES]
        files += [f"{where}{name}" for name in names if name not in set(images)]
        if images:
            numbers = [frame_number(name) for name in images]
            clips[here] = tuple(sorted(n for n in numbers if n is not None))
    return Tree(root, tuple(files), clips, tuple(troubles))


def by_key(tree: Tree, key: Callable[[tuple[str, ...]], Key | None]) -> dict[Key, list[str]]:
    """Folders of images by the key that their path spells, lower case; those without are left.

    Parameters
    ----------
    key : called with the parts of a folder's path, lower case, ``("sub01", "ep02_01f")``
    """
    found: dict[Key, list[str]] = {}
    for folder in tree.clips:
        spelt = key(tuple(folder.lower().split("/")))
        if spelt is not None:
            found.setdefault(spelt, []).append(folder)
    return found


def pick(places: Sequence[str], order: Sequence[str] = ()) -> str:
    """One of the folders that hold a clip: whose path has the earliest word of `order` in it.

    Parameters
    ----------
    order : lower case, as ("raw", "cropped"): a release unpacked whole holds a clip twice

    Raises
    ------
    ValueError
        If there is none, or two are alike.
    """
    if not places:
        raise ValueError("no folder with images of this clip below the root")

    def rank(place: str) -> int:
        return next((i for i, word in enumerate(order) if word in place.lower()), len(order))

    best = min(map(rank, places))
    alike = [place for place in places if rank(place) == best]
    if len(alike) > 1:
        raise ValueError(f"several folders hold this clip: {', '.join(alike)}; keep one")
    return alike[0]
