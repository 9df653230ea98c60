"""Clips: which files a sample's frames are in, and those frames as an array.

Frames are listed, never built from numbers; BGR never leaves a decoder; a frame is decoded
whole or not at all.
"""

import io
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from features.base import Array, digest, file_digest
from pipeline.errors import SampleError
from pipeline.listing import VIDEOS, frames, inside
from pipeline.manifest import Sample

DEEP_GREY = ("I", "I;16", "I;16B", "I;16L")  # as Pillow calls 16 bits of grey
MOST_PIXELS = 2**26  # of a video's frame: twice 8K. For images Pillow has a bound much like it.

EMPTY: Mapping[int, str] = MappingProxyType({})

# Formats whose files hold their own pictures: FFmpeg also knows lists of other files, and opens
# whatever such a list names.
CONTAINERS = "asf,avi,flv,h264,m4v,matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,ogg"


@dataclass(frozen=True, slots=True)
class ClipConfig:
    """How long a clip is."""

    window_ms: float = 0.0  # around the apex, within onset … offset; 0 = all of it

    def __post_init__(self) -> None:
        if not 0 <= self.window_ms < 60_000:
            raise ValueError(f"window_ms is {self.window_ms}; expected 0 to 60000")


def window(sample: Sample, config: ClipConfig) -> tuple[int, int]:
    """First and last frame of a sample's clip: the annotators', or a time about the apex."""
    if not config.window_ms:
        return sample.onset, sample.offset
    half = max(1, round(config.window_ms / 2000 * sample.fps))
    return max(sample.onset, sample.apex - half), min(sample.offset, sample.apex + half)


@dataclass(frozen=True, slots=True)
class Source:
    """The files of a sample's clip, onset … offset.

    `files` holds a frame each, by its number; for a video it holds the video alone, under the
    number of its first frame.
    """

    files: dict[int, Path]
    video: bool


def find(root: Path, sample: Sample) -> Source:
    """Look up a sample's files; every frame onset … offset must be there, or one if holes may be.

    Raises
    ------
    SampleError
        bad_path, missing_file or missing_frame.
    """
    try:
        path = inside(root, sample.path)
        if path.is_file() and path.suffix.lower() in VIDEOS:
            if sample.onset < sample.first_frame:
                first = f"the video's first frame, {sample.first_frame}"
                raise SampleError("missing_frame", f"onset {sample.onset} lies before {first}")
            return Source({sample.first_frame: path}, video=True)
        if not path.is_dir():
            what = "no video" if path.exists() else "no such folder or video"
            raise SampleError("missing_file", f"{sample.path}: {what}")
        listed = frames(path, root)
    except ValueError as error:
        raise SampleError("bad_path", str(error)) from error
    except OSError as error:
        name = Path(error.filename or "").name
        where = sample.path if name in ("", path.name) else f"{sample.path}/{name}"
        raise SampleError("missing_file", f"{where}: {error.strerror}") from error
    wanted = range(sample.onset, sample.offset + 1)
    missing = [number for number in wanted if number not in listed]
    holes_are_known = sample.missing_frames == "nearest" and len(missing) < len(wanted)
    if missing and not holes_are_known:
        raise SampleError("missing_frame", f"{sample.path}: {_lacking(sample, missing, listed)}")
    return Source({n: listed[n] for n in wanted if n in listed}, video=False)


def _lacking(sample: Sample, missing: Sequence[int], listed: Mapping[int, Path]) -> str:
    """Which frames of a sample a folder lacks: those beyond its ends by their column, or holes."""
    if not listed:
        return "the folder holds no images"
    if told := outside(marks(sample), min(listed), max(listed)):
        return f"{told}: the folder holds frames {min(listed)} … {max(listed)}"
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return (
        f"frame {missing[0]} is missing{more} between onset {sample.onset} and offset"
        f" {sample.offset}; with missing_frames = nearest its neighbour stands in"
    )


def marks(sample: Sample) -> dict[int, str]:
    """Numbers of frames that the manifest names -> the column that does."""
    return {sample.onset: "onset", sample.apex: "apex", sample.offset: "offset"}


def outside(named: Mapping[int, str], first: int, last: int) -> str:
    """The columns whose frame lies before the first there is, or after the last; or nothing."""
    return ", ".join(f"{name} {n}" for n, name in named.items() if not first <= n <= last)


def nearest(number: int, there: Iterable[int]) -> int:
    """The frame that stands in for one that is missing: the nearest, the smaller of two."""
    return min(there, key=lambda n: (abs(n - number), n))


def check_whole(path: Path, data: bytes) -> None:
    """Refuse an image that ends before its end mark, as half a download does.

    Decoders fill the rest of a cut JPEG with grey and say nothing. What kind it is, its first
    bytes tell: a name may be wrong.

    Raises
    ------
    SampleError
        empty_file, truncated or undecodable.
    """
    if not data:
        raise SampleError("empty_file", f"{path.name}: the file is empty")
    if data.startswith(b"\xff\xd8"):
        whole = data.rfind(b"\xff\xd9", max(0, len(data) - 4096)) >= 0
    elif data.startswith(b"\x89PNG"):
        whole = b"IEND" in data[-64:]
    elif data.startswith(b"BM"):
        whole = len(data) >= int.from_bytes(data[2:6], "little")
    else:
        raise SampleError("undecodable", f"{path.name}: cannot identify it as JPEG, PNG or BMP")
    if not whole:
        raise SampleError("truncated", f"{path.name}: the image is truncated")


def read_images(
    files: Mapping[int, Path], digests: Mapping[Path, str], wanted: Iterable[int]
) -> Iterator[tuple[int, Array]]:
    """Decode images one after another; each must still have the digest it was scanned with.

    Parameters
    ----------
    files : number of a frame -> its file

    Yields
    ------
    number, (H, W, 3) uint8 RGB

    Raises
    ------
    SampleError
        changed, truncated, undecodable or unsupported.
    """
    size = None
    for number in wanted:
        path = files[number]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _gone(path) from error
        if digest(data) != digests[path]:
            raise _changed(path)
        check_whole(path, data)
        picture = decode(data, path.name)
        size = size or picture.shape
        if picture.shape != size:
            sizes = ", ".join(f"{w}×{h}" for h, w, _ in (size, picture.shape))
            raise SampleError("undecodable", f"frames of one clip differ in size: {sizes}")
        yield number, picture


def decode(data: bytes, name: str) -> Array:
    """One image -> (H, W, 3) uint8 RGB.

    Grey is repeated over the channels, EXIF turns obeyed, 16 bits of grey become 8 by the same
    factor in every picture: a factor of its own for each would flicker.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "BMP")) as image:
                if image.mode not in ("L", "RGB", *DEEP_GREY):
                    raise SampleError(
                        "unsupported", f"{name}: {image.mode} pixels; expected grey or 8-bit RGB"
                    )
                if getattr(image, "n_frames", 1) > 1:
                    raise SampleError("unsupported", f"{name}: an animation, not one frame")
                upright = ImageOps.exif_transpose(image)
                if image.mode in DEEP_GREY:
                    deep = np.asarray(upright).clip(0, 65535)
                    grey = np.rint(deep * (255 / 65535)).astype(np.uint8)
                    return np.repeat(grey[..., None], 3, axis=-1)
                return np.asarray(upright.convert("RGB"))
    except SampleError:
        raise
    except Exception as error:  # Pillow raises whatever its many decoders raise
        code = "truncated" if "truncated" in str(error) else "undecodable"
        raise SampleError(code, f"{name}: {error}") from error


def open_video(path: Path) -> Any:
    """A video's container, to be closed by whoever asked; titles in any encoding do no harm.

    Raises
    ------
    av.FFmpegError
        If it is no video, or a list of other files under a video's name.
    """
    import av

    return av.open(
        str(path), options={"format_whitelist": CONTAINERS}, metadata_errors="backslashreplace"
    )


def read_video(
    path: Path,
    known: str,
    first_frame: int,
    wanted: Collection[int],
    count: bool = True,
    named: Mapping[int, str] = EMPTY,
) -> Iterator[tuple[int, Array]]:
    """Decode the wanted frames of a video one after another, holding no others in memory.

    Only when all are asked for is it known whether they are those of the scan: a result made of
    them must wait until the iterator ends.

    Parameters
    ----------
    known : digest that the file was scanned with
    wanted : numbers of frames; they come in the video's order
    count : decode on to the end and count. A header that promises more than there is means a
        broken copy, whose frame numbers cannot be trusted.
    named : number -> column of the manifest that names it, for the message if it lies beyond

    Yields
    ------
    number, (H, W, 3) uint8 RGB

    Raises
    ------
    SampleError
        changed, undecodable, unsupported, short_video or missing_frame.
    """
    try:
        yield from _video_frames(path, first_frame, wanted, count, named)
    except SampleError:
        _unchanged(path, known)  # a broken video in the place of a whole one is a change first
        raise
    _unchanged(path, known)


def _video_frames(
    path: Path, first_frame: int, wanted: Collection[int], count: bool, named: Mapping[int, str]
) -> Iterator[tuple[int, Array]]:
    import av

    left = set(wanted)
    number = first_frame - 1
    try:
        with open_video(path) as container:
            if not container.streams.video:
                raise SampleError("undecodable", f"{path.name}: holds no video stream")
            stream = container.streams.video[0]
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > MOST_PIXELS:
                size = f"frames of {width}×{height} px, larger than any camera's"
                raise SampleError("unsupported", f"{path.name}: {size}")
            promised = stream.frames
            for number, frame in enumerate(_decoded(container, stream), start=first_frame):
                if number in left:
                    left.remove(number)
                    turns = round(frame.rotation / 90)  # a phone held upright films lying down
                    yield number, np.rot90(frame.to_ndarray(format="rgb24"), turns).copy()
                if not left and not count:
                    return
    except av.FFmpegError as error:  # its text names the path, and a store may not
        reason = f"not a readable video ({error.strerror})"
        raise SampleError("undecodable", f"{path.name}: {reason}") from error
    there = number - first_frame + 1
    if there < promised:
        raise SampleError(
            "short_video", f"{path.name}: its header promises {promised} frames, {there} decode"
        )
    if left:
        told = outside(named, first_frame, number) or f"frame {min(left)}"
        span = f"the video holds frames {first_frame} … {number}"
        raise SampleError("missing_frame", f"{path.name}: {told}: {span}")


def _unchanged(path: Path, known: str) -> None:
    """Refuse a file whose bytes are not those that the scan has seen."""
    try:
        now = file_digest(path)
    except OSError as error:
        raise _gone(path) from error
    if now != known:
        raise _changed(path)


def _gone(path: Path) -> SampleError:
    return SampleError("changed", f"{path.name}: gone since the run began")


def _changed(path: Path) -> SampleError:
    return SampleError("changed", f"{path.name}: changed since the run began")


def _decoded(container, stream) -> Iterator:  # type: ignore[no-untyped-def, type-arg]
    """Frames until the end, or until the data breaks off: the count tells."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            yield from packet.decode()
        except (StopIteration, av.FFmpegError):
            return
