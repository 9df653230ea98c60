"""A dataset in which everything is wrong that can be: each fault costs its own sample alone."""

import csv
import io
import json
import os
import struct
import subprocess
import sys
import tomllib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from features.console import SOME_FAILED
from features.store import Store
from pipeline import recipe
from pipeline.cache import Cache
from pipeline.engine import Engine
from pipeline.manifest import COLUMNS, read_manifest
from pipeline.run import Report, make_store
from pipeline.scan import scan
from tests.movies import cut_in_half, write_images, write_video

RECIPE = """
features = ["flow", "tim"]
sensitive = true
[landmarks]
landmarker = "none"
[crop]
size = 32
[steady]
motion = "none"
[tim]
frames = 2
"""
N = 4  # frames of a clip; the third is the apex, and the one that is spoilt
NOISE = np.random.default_rng(0).integers(0, 256, (N, 24, 32, 3)).astype(np.uint8)


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """The apex frame in another kind of file or of pixels."""
    buffer = io.BytesIO()
    Image.fromarray(NOISE[2]).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, extra: bytes = b"") -> bytes:
    """A PNG of so many grey pixels, and of hardly a byte of data."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels + chunk(b"IEND", b"")


def animated() -> bytes:
    second = Image.fromarray(NOISE[3])
    return encoded("PNG", save_all=True, append_images=[second], duration=40)


def bit_flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        for k in range(4):
            silence = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.rate, frame.pts = 8000, k * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


Spoil = Callable[[Path], object]


@dataclass(frozen=True)
class Bad:
    """How a sample fails, and what makes it so.

    `spoil` is called with the folder that holds the sample's four frames.
    """

    told: str  # stage: code
    words: str
    spoil: Spoil = lambda clip: None
    cells: Mapping[str, object] = field(default_factory=dict)


def instead(data: bytes, name: str = "img3.png") -> Spoil:
    """Put other bytes in the place of the apex frame."""

    def spoil(clip: Path) -> None:
        (clip / "img3.png").unlink()
        (clip / name).write_bytes(data)

    return spoil


def made(make: Callable[[Path], object]) -> Spoil:
    """Put what `make` makes in the place of the apex frame."""

    def spoil(clip: Path) -> None:
        (clip / "img3.png").unlink()
        make(clip / "img3.png")

    return spoil


def outside(path: Path) -> Path:
    """The clip that lies beside the root of this path, and is not ours to read."""
    return next(up for up in path.parents if up.name == "root").parent / "outside"


def unnamed(clip: Path) -> None:
    (clip / "img3.png").unlink()
    Path(os.fsdecode(os.fsencode(clip) + b"/\xff3.png")).write_bytes(encoded("PNG")[:900])


def of_movie(name: str, change: Callable[[Path], object], told: str, words: str, **cells) -> Bad:
    """A video that is whole, and then changed."""

    def spoil(clip: Path) -> None:
        change(write_video(clip / name, np.repeat(NOISE, 10, axis=0)))

    return Bad(told, words, spoil, {"movie": name, **cells})


def of_file(name: str, make: Callable[[Path], object], told: str, words: str) -> Bad:
    """A file that the row names itself."""
    return Bad(told, words, lambda clip: make(clip / name), {"movie": name})


def a_list_of_a_pipe(path: Path) -> None:
    """Who opens what is listed waits for ever."""
    os.mkfifo(path.with_name("pipe"))
    path.write_text("ffconcat version 1.0\nfile pipe\n")


def row(words: str, **cells: object) -> Bad:
    return Bad("manifest: bad_row", words, cells=cells)


MISSING, NO_FRAME = "scan: missing_file", "scan: missing_frame"
CUT, ODD, UNKNOWN = "scan: truncated", "read: unsupported", "scan: undecodable"
PNG, JPEG, BMP = encoded("PNG"), encoded("JPEG"), encoded("BMP")

BAD: dict[str, Bad] = {
    # bytes that are no picture
    "zero_bytes": Bad("scan: empty_file", "img3.png: the file is empty", instead(b"")),
    "cut_png": Bad(CUT, "img3.png: the image is truncated", instead(PNG[:900])),
    "cut_jpeg": Bad(CUT, "img3.jpg: the image is truncated", instead(JPEG[:600], "img3.jpg")),
    "cut_bmp": Bad(CUT, "img3.bmp: the image is truncated", instead(BMP[:900], "img3.bmp")),
    "text_jpg": Bad(UNKNOWN, "img3.jpg: cannot identify", instead(b"a text\n" * 99, "img3.jpg")),
    "zeros": Bad(UNKNOWN, "img3.png: cannot identify", instead(bytes(999))),
    "gif_named_png": Bad(UNKNOWN, "img3.png: cannot identify", instead(encoded("GIF"))),
    "tiff_named_bmp": Bad(UNKNOWN, "img3.bmp: cannot", instead(encoded("TIFF"), "img3.bmp")),
    "gif": Bad(NO_FRAME, "frame 3 is missing", instead(encoded("GIF"), "img3.gif")),
    "hollow_jpeg": Bad("read: undecodable", "img3.png", instead(b"\xff\xd8\xff\xd9")),
    "bad_checksum": Bad("read: undecodable", "img3.png", instead(bit_flipped(PNG, 18))),
    # pictures of another kind
    "rgba": Bad(ODD, "img3.png: RGBA pixels", instead(encoded("PNG", "RGBA"))),
    "palette": Bad(ODD, "img3.png: P pixels", instead(encoded("PNG", "P"))),
    "grey_alpha": Bad(ODD, "img3.png: LA pixels", instead(encoded("PNG", "LA"))),
    "one_bit": Bad(ODD, "img3.png: 1 pixels", instead(encoded("PNG", "1"))),
    "cmyk": Bad(ODD, "img3.jpg: CMYK pixels", instead(encoded("JPEG", "CMYK"), "img3.jpg")),
    "animation": Bad(ODD, "img3.png: an animation", instead(animated())),
    "another_size": Bad("read: undecodable", "differ in size", instead(png(9, 9))),
    # bombs
    "bomb": Bad("read: undecodable", "img3.png: Image size", instead(png(60_000, 60_000))),
    "text_bomb": Bad(
        "read: undecodable",
        "img3.png: Decompressed data too large",
        instead(png(32, 24, chunk(b"zTXt", b"Note\0\0" + zlib.compress(bytes(2**26))))),
    ),
    # no files
    "pipe": Bad(NO_FRAME, "frame 3 is missing", made(os.mkfifo)),
    "folder": Bad(NO_FRAME, "frame 3 is missing", made(Path.mkdir)),
    "device": Bad(NO_FRAME, "frame 3 is missing", made(lambda p: p.symlink_to("/dev/zero"))),
    "loop": Bad(MISSING, "img3.png: Too many", made(lambda p: p.symlink_to(p.name))),
    "dangling": Bad(NO_FRAME, "frame 3 is missing", made(lambda p: p.symlink_to("gone.png"))),
    "link_out": Bad(
        "scan: bad_path",
        "'img3.png' leaves the root",
        made(lambda p: p.symlink_to(outside(p) / "img3.png")),
    ),
    "hole": Bad(
        NO_FRAME,
        "frame 3 is missing between onset 1 and offset 4",
        lambda c: (c / "img3.png").unlink(),
    ),
    "one_number_twice": Bad(
        "scan: bad_path",
        "the number 3: img03.png and img3.png",
        lambda clip: (clip / "img03.png").write_bytes(PNG),
    ),
    "not_utf8_name": Bad(CUT, r"\udcff3.png: the image is truncated", unnamed),
    # paths
    "climbing": row("'../outside' is not below the root", path="../outside"),
    "passwd": row("'../../etc/passwd' is not below the root", path="../../etc/passwd"),
    "absolute": row("'/etc' is not below the root", path="/etc"),
    "home": row("'~/clip' is not below the root", path="~/clip"),
    "nul": row("control character", path="a\0b"),
    "no_path": row("'' is not below the root", path="", clip="c"),
    "dot": row("'.' is not below the root", path="."),
    "nowhere": Bad(MISSING, "no/where: no such folder", cells={"path": "no/where"}),
    "300_letters": Bad(MISSING, "x: File name too long", cells={"path": 300 * "x"}),
    "9000_letters": Bad(MISSING, "File name too long", cells={"path": 3000 * "x/y"}),
    "below_a_file": Bad(MISSING, "no such folder", cells={"movie": "img1.png/clip"}),
    "an_image": Bad(MISSING, "img1.png: no video", cells={"movie": "img1.png"}),
    "folder_out": Bad(
        "scan: bad_path",
        "leaves the root by a link",
        lambda clip: (clip / "out").symlink_to(outside(clip)),
        {"movie": "out"},
    ),
    "folder_loop": of_file("l", lambda p: p.symlink_to("l"), MISSING, "no such folder"),
    # videos
    "empty_video": of_file("v.avi", Path.touch, "scan: empty_file", "v.avi: the file is empty"),
    "text_video": of_file(
        "v.avi", lambda p: p.write_text(999 * "a"), "read: undecodable", "v.avi: not a readable"
    ),
    "image_video": of_file(
        "v.avi", lambda p: p.write_bytes(PNG), "read: undecodable", "v.avi: not a readable video"
    ),
    "listing": of_file("v.avi", a_list_of_a_pipe, "read: undecodable", "v.avi: not a readable"),
    "sound": of_file("v.mp4", sound, "read: undecodable", "v.mp4: holds no video stream"),
    "pipe_video": of_file("v.avi", os.mkfifo, MISSING, "v.avi: no video"),
    "folder_video": of_file("v.avi", Path.mkdir, NO_FRAME, "the folder holds no images"),
    "video_out": of_file(
        "v.avi",
        lambda p: p.symlink_to(outside(p) / "v.avi"),
        "scan: bad_path",
        "leaves the root by a link",
    ),
    "cut_video": of_movie("v.avi", cut_in_half, "read: short_video", "v.avi: its header promises"),
    "cut_mp4": of_movie("v.mp4", cut_in_half, "read: undecodable", "v.mp4: not a readable video"),
    "short_video": of_movie(
        "v.avi", Path.stat, "read: missing_frame", "v.avi: offset 41: the video holds", offset=41
    ),
    "before_video": of_movie(
        "v.avi", Path.stat, NO_FRAME, "before the video's first frame, 2", first_frame=2
    ),
    # cells
    "late_apex": row("apex 5 lies outside", apex=5),
    "early_apex": row("apex 1 lies outside", apex=1),
    "backwards": row("onset 4 lies after offset 1", onset=4, offset=1),
    "still": row("the same frame, 4", onset=4, offset=4),
    "endless": row("more than 1000000 frames", offset=2**31 - 1),
    "beyond_int32": row("offset is 2147483648", offset=2**31),
    "negative": row("onset is -1", onset=-1),
    "word": row("onset is 'one'", onset="one"),
    "half_a_frame": row("apex is '2.5'", apex=2.5),
    "nan_apex": row("apex is 'nan'", apex="nan"),
    "no_fps": row("fps is 0.0", fps=0),
    "negative_fps": row("fps is -25.0", fps=-25),
    "nan_fps": row("fps is nan", fps="nan"),
    "infinite_fps": row("fps is inf", fps="inf"),
    "huge_fps": row("fps is 1e+308", fps="1e308"),
    "nobody": row("subject is empty", subject=""),
    "bell": row("emotion 'joy\\x07' holds a control", emotion="joy\x07"),
    "unknown_rule": row("missing_frames is 'maybe'", missing_frames="maybe"),
    "unknown_source": row("apex_source is 'guess'", apex_source="guess"),
    "surplus": row("more cells than the header", surplus="12"),
    "nothing_near": Bad(
        NO_FRAME,
        "the folder holds no images",
        lambda clip: [image.unlink() for image in clip.iterdir()],
        {"missing_frames": "nearest"},
    ),
    "twice": row("stands in more than one row"),
}


def turned(clip: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    (clip / "img3.png").unlink()
    (clip / "img3.jpg").write_bytes(encoded("JPEG", exif=exif))


def deep(path: Path) -> None:
    Image.fromarray(NOISE[2, ..., 0].astype(np.uint16) * 257).save(path)


GOOD: dict[str, tuple[Spoil, dict[str, object]]] = {
    "plain": (lambda clip: None, {}),
    "-dash": (lambda clip: None, {}),
    "jpeg": (instead(JPEG, "img3.jpg"), {}),
    "bmp": (instead(BMP, "img3.bmp"), {}),
    "wrong_name": (instead(PNG, "img3.jpg"), {}),
    "twice_a_suffix": (instead(JPEG, "img3.jpg.jpg"), {}),
    "grey": (instead(encoded("PNG", "L")), {}),
    "sixteen_bits": (made(deep), {}),
    "turned": (turned, {}),
    "link_within": (made(lambda p: p.symlink_to("img2.png")), {}),
    "known_hole": (made(lambda p: None), {"missing_frames": "nearest"}),
    "Gül 表情": (lambda clip: None, {}),
    "video": (lambda clip: write_video(clip / "v.avi", NOISE), {"movie": "v.avi"}),
}


def dataset(root: Path, bad: Mapping[str, Bad]) -> Path:
    """The good samples and some bad ones, in a manifest as a spreadsheet saves it."""
    write_images(root.parent / "outside", NOISE)
    write_video(root.parent / "outside" / "v.avi", NOISE)
    samples = {**GOOD, **{name: (one.spoil, one.cells) for name, one in bad.items()}}
    rows = []
    for k, (name, (spoil, cells)) in enumerate(samples.items()):
        # Frames of its own: results of equal frames are shared, also with a clip that is spoilt.
        spoil(write_images(root / name, NOISE + np.uint8(k)))
        known = {"sample_id": name, "dataset": "own", "subject": f"p{k % 3}", "clip": name}
        known |= {"onset": 1, "apex": 3, "offset": N, "fps": 25}
        known["path"] = f"{name}/{cells['movie']}" if "movie" in cells else name
        merged = {**known, **cells}
        rows.append([merged.get(column, "") for column in (*COLUMNS, "surplus")])
    rows += [one for one in rows if one[0] == "twice"]
    with (root / "own.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return root / "own.csv"


CHILD = """
import json, sys, time

opened = []
sys.addaudithook(
    lambda event, told: opened.append(str(told[0])) if event in ("open", "os.scandir") else None
)
import av, cv2, h5py, PIL.Image, scipy.signal  # their cost is not that of bad inputs
import pipeline.graph, pipeline.run
from pipeline.cli import cli

def mib(line):
    with open("/proc/self/status") as file:
        return next(int(told.split()[1]) >> 10 for told in file if told.startswith(line))

before, start, code = mib("VmRSS"), time.monotonic(), None
try:
    cli(sys.argv[2:])
except SystemExit as end:
    code = end.code
spent = time.monotonic() - start
with open(sys.argv[1], "w") as file:
    json.dump({"code": code, "s": spent, "mib": mib("VmHWM") - before, "opened": opened}, file)
"""


@dataclass(frozen=True)
class Run:
    root: Path
    store: Path
    stderr: str
    code: int
    s: float
    mib: int
    opened: list[str]


def run(root: Path, bad: Mapping[str, Bad]) -> Run:
    """The command on the good samples and some bad ones, in a process and a cache of its own."""
    base = root.parent
    manifest = dataset(root, bad)
    (base / "r.toml").write_text(RECIPE)
    words = ["run", manifest, "--recipe", base / "r.toml", "--out", base / "out", "--workers", "0"]
    words += ["--max-failed", "100%"]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, base / "told.json", *words],
        cwd=Path(__file__).parents[2], env={**os.environ, "MER_CACHE": str(base / "cache")},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    told = json.loads((base / "told.json").read_text())
    return Run(root, base / "out" / "own" / "r.h5", done.stderr, **told)


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory) -> Run:
    return run(tmp_path_factory.mktemp("spoilt") / "root", BAD)


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Run:
    return run(tmp_path_factory.mktemp("clean") / "root", {})


def test_there_are_bad_inputs_of_many_kinds():
    assert len(BAD) >= 30


def test_the_run_ends_with_3_and_no_traceback(spoilt):
    assert spoilt.code == SOME_FAILED, spoilt.stderr
    assert "Traceback" not in spoilt.stderr
    assert "unexpected" not in spoilt.stderr


@pytest.mark.parametrize("name", BAD)
def test_a_bad_sample_is_one_line_with_its_file_and_one_record(spoilt, name):
    (line,) = [told for told in spoilt.stderr.splitlines() if told.startswith(f"{name}: ")]
    assert line.endswith(f" [{BAD[name].told}]")
    assert BAD[name].words in line
    with Store(spoilt.store) as store:
        records = zip(*(store.failures[k] for k in ("sample_id", "stage", "code")), strict=True)
        found = [f"{stage}: {code}" for sample_id, stage, code in records if sample_id == name]
    assert found == [BAD[name].told]


def test_the_others_are_to_the_last_bit_what_they_are_without_the_bad_ones(spoilt, clean):
    assert clean.code == 0, clean.stderr
    with Store(spoilt.store) as store, Store(clean.store) as alone:
        assert store.verify() == []
        assert sorted(store.index["sample_id"]) == sorted(GOOD)
        assert list(store.index["digest"]) == list(alone.index["digest"])
        for name in ("flow", "tim"):
            assert (store.load(name) == alone.load(name)).all()
        assert len(store.failures["sample_id"]) == len(BAD)


def test_bad_samples_do_not_cost_gigabytes(spoilt):
    assert spoilt.mib < 500


def test_nothing_outside_the_root_is_opened(spoilt):
    beside = str(spoilt.root.parent / "outside")
    assert any(path.startswith(str(spoilt.root)) for path in spoilt.opened)  # the hook hears
    assert not [path for path in spoilt.opened if path.startswith((beside, "/etc/passwd"))]
    assert "/dev/zero" not in spoilt.opened


def test_a_store_does_not_tell_where_the_bad_files_lay(spoilt):
    with Store(spoilt.store) as store:
        assert not [told for told in store.failures["message"] if str(spoilt.root.parent) in told]


SMALL = recipe.parse("r", tomllib.loads(RECIPE), "r")


def features(root: Path, cache: Path, scanned=None) -> Report:
    where = Cache(cache)
    found = scanned or scan(read_manifest(root / "own.csv"), root, where.root)
    return make_store("own", found, SMALL, root.parent / "s.h5", where, Engine(workers=0))


def digests(root: Path) -> dict[str, str]:
    with Store(root.parent / "s.h5") as store:
        return dict(zip(store.index["sample_id"], store.index["digest"], strict=True))


def test_of_a_jpeg_with_a_flipped_bit_that_still_decodes_only_its_sample_is_computed_anew(
    tmp_path, own_cache
):
    root = tmp_path / "root"
    dataset(root, {})
    features(root, own_cache)
    before = digests(root)
    image = root / "jpeg" / "img3.jpg"
    image.write_bytes(bit_flipped(JPEG, len(JPEG) * 3 // 4))
    report = features(root, own_cache)
    assert (report.computed, report.failures, report.published) == (1, [], True)
    after = digests(root)
    assert {name for name in before if before[name] != after[name]} == {"jpeg"}


@pytest.mark.parametrize("name", ["video/v.avi", "plain/img3.png"])
def test_a_source_that_is_replaced_while_a_run_is_under_way_costs_its_sample_and_leaves_no_result(
    tmp_path, own_cache, name
):
    root = tmp_path / "root"
    sample, path = Path(name).parts[0], root / name
    dataset(root, {})
    scanned = scan(read_manifest(root / "own.csv"), root, own_cache)
    if path.suffix == ".avi":
        write_video(path, NOISE[::-1])
    else:
        Image.fromarray(NOISE[0]).save(path)
    report = features(root, own_cache, scanned)
    (failure,) = report.failures
    assert (failure.sample_id, failure.stage, failure.code) == (sample, "read", "changed")
    assert failure.message == f"{path.name}: changed since the run began"
    again = features(root, own_cache)  # the file as it is now
    assert (again.failures, again.computed) == ([], 1)
    mended = digests(root)
    features(root, tmp_path / "another")
    assert digests(root) == mended


def test_an_unreadable_frame_and_folder_cost_their_samples(tmp_path, own_cache):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    root = tmp_path / "root"
    dataset(root, {})
    (root / "plain" / "img3.png").chmod(0)
    (root / "video").chmod(0)
    try:
        told = {(f.sample_id, f.code) for f in features(root, own_cache).failures}
    finally:
        (root / "video").chmod(0o700)
    assert told == {("plain", "missing_file"), ("video", "missing_file")}
