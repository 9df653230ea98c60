import io
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from features.base import digest, file_digest
from pipeline.clips import (
    ClipConfig,
    check_whole,
    decode,
    find,
    marks,
    read_images,
    read_video,
    window,
)
from pipeline.errors import SampleError
from pipeline.manifest import Sample
from tests.movies import cut_in_half, write_images, write_video

SAMPLE = Sample("s", "own", "01", "c", "c", 1, 3, 5, 8, 100.0)


def pictures(n: int, size: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """Each frame says its number: its grey level is 10 × its place."""
    return [np.full((*size, 3), 10 * (i + 1), np.uint8) for i in range(n)]


def video(path: Path, first: int, wanted: Collection[int], count: bool = True):
    """Its frames, read with the digest that it has now."""
    return read_video(path, file_digest(path), first, wanted, count)


def encoded(picture: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


NOISE = np.random.default_rng(0).integers(0, 256, (32, 40, 3)).astype(np.uint8)


def test_frames_are_found_by_the_number_in_their_name(tmp_path):
    write_images(tmp_path / "c", pictures(9))
    source = find(tmp_path, SAMPLE)
    assert list(source.files) == [3, 4, 5, 6, 7, 8]
    assert source.files[5].name == "img5.png"


def test_a_hole_is_named_with_what_there_is(tmp_path):
    write_images(tmp_path / "c", pictures(9))
    (tmp_path / "c" / "img4.png").unlink()
    with pytest.raises(
        SampleError, match=r"c: frame 4 is missing between onset 3 and offset 8; with"
    ) as caught:
        find(tmp_path, SAMPLE)
    assert caught.value.code == "missing_frame"
    assert "missing_frames = nearest" in caught.value.message
    (tmp_path / "c" / "img6.png").unlink()
    with pytest.raises(SampleError, match=r"frame 4 is missing and 1 more between onset 3"):
        find(tmp_path, SAMPLE)
    there = find(tmp_path, replace(SAMPLE, missing_frames="nearest"))
    assert list(there.files) == [3, 5, 7, 8]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"offset": 11}, "offset 11: the folder holds frames 2 … 9"),
        ({"apex": 10, "offset": 11}, "apex 10, offset 11: the folder holds frames 2 … 9"),
        ({"onset": 1}, "onset 1: the folder holds frames 2 … 9"),
    ],
)
def test_a_column_that_points_beyond_a_folder_is_named(tmp_path, changes, words):
    write_images(tmp_path / "c", pictures(8), first=2)
    with pytest.raises(SampleError, match=f"'c: {words}'"):
        find(tmp_path, replace(SAMPLE, **changes))


@pytest.mark.parametrize(
    ("path", "code"),
    [("nowhere", "missing_file"), ("notes.txt", "missing_file"), ("out", "bad_path")],
)
def test_a_path_that_leads_nowhere_or_out_is_refused(tmp_path, path, code):
    root = tmp_path / "root"
    root.mkdir()
    (root / "notes.txt").write_text("hello")
    (root / "out").symlink_to(tmp_path)
    with pytest.raises(SampleError) as caught:
        find(root, replace(SAMPLE, path=path))
    assert caught.value.code == code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_an_image_that_was_cut_is_never_whole(tmp_path, kind, part):
    data = encoded(NOISE, kind)
    path = tmp_path / f"a.{kind.lower()}"
    check_whole(path, data)
    with pytest.raises(SampleError) as caught:
        check_whole(path, data[: int(part * len(data))])
    assert caught.value.code == ("empty_file" if part == 0 else "truncated")


def test_an_image_is_rgb_also_when_it_is_grey():
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert decode(encoded(red, "PNG"), "a")[0, 0].tolist() == [255, 0, 0]
    assert decode(encoded(NOISE[..., 0], "PNG"), "a")[..., 2].tolist() == NOISE[..., 0].tolist()


def test_sixteen_bits_of_grey_become_eight_by_one_factor():
    deep = np.array([[0, 257, 258 * 100, 65535]], np.uint16)
    assert decode(encoded(deep, "PNG"), "a")[0, :, 1].tolist() == [0, 1, 100, 255]


def test_the_turn_in_an_exif_header_is_obeyed():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    picture = decode(encoded(NOISE, "JPEG", exif=exif), "a")
    assert picture.shape == (40, 32, 3)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"no image at all", "undecodable", "cannot identify"),
        (encoded(np.dstack([NOISE, NOISE[..., :1]]), "PNG"), "unsupported", "RGBA pixels"),
        (encoded(NOISE, "GIF"), "undecodable", "cannot identify"),
        (encoded(NOISE, "PNG")[:900], "truncated", "truncated"),
    ],
)
def test_what_is_no_plain_picture_is_refused(data, code, words):
    with pytest.raises(SampleError, match=words) as caught:
        decode(data, "a.png")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("fps", "window_ms", "expected"),
    [
        (200.0, 0.0, (10, 90)),  # the annotated clip
        (200.0, 200.0, (40, 80)),
        (100.0, 200.0, (50, 70)),  # the same time, half as many frames
        (200.0, 400.0, (20, 90)),  # never beyond the annotation
        (200.0, 1.0, (59, 61)),  # never the apex alone
    ],
)
def test_a_window_is_a_time_about_the_apex(fps, window_ms, expected):
    clip = replace(SAMPLE, onset=10, apex=60, offset=90, fps=fps)
    assert window(clip, ClipConfig(window_ms)) == expected


def test_a_file_that_changed_since_the_scan_is_not_used(tmp_path):
    folder = write_images(tmp_path / "c", pictures(2))
    path = folder / "img1.png"
    known = digest(path.read_bytes())
    ((number, picture),) = read_images({1: path}, {path: known}, [1])
    assert (number, picture.shape) == (1, (48, 64, 3))
    Image.fromarray(NOISE).save(path)
    with pytest.raises(SampleError, match=r"img1\.png: changed since the run began"):
        list(read_images({1: path}, {path: known}, [1]))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_what_an_image_is_its_bytes_tell_and_not_its_name(name, kind):
    check_whole(Path(name), encoded(NOISE, kind))
    with pytest.raises(SampleError, match=name + ": the image is truncated"):
        check_whole(Path(name), encoded(NOISE, kind)[:900])


def test_text_under_the_name_of_an_image_is_no_image_and_not_half_of_one():
    with pytest.raises(SampleError, match=r"a\.jpg: cannot identify it") as caught:
        check_whole(Path("a.jpg"), b"no image at all")
    assert caught.value.code == "undecodable"


def test_frames_of_two_sizes_are_no_clip(tmp_path):
    paths = [tmp_path / "1.png", tmp_path / "2.png"]
    for path, size in zip(paths, [(8, 8), (8, 9)], strict=True):
        Image.fromarray(pictures(1, size)[0]).save(path)
    known = {path: digest(path.read_bytes()) for path in paths}
    with pytest.raises(SampleError, match="differ in size: 8×8, 9×8"):
        list(read_images(dict(enumerate(paths)), known, (0, 1)))


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".mov"])
def test_a_video_gives_the_frames_asked_for(tmp_path, suffix):
    path = write_video(tmp_path / f"v{suffix}", pictures(12))
    frames = dict(video(path, 5, (9, 5)))
    assert list(frames) == [5, 9]
    assert frames[5].shape == (48, 64, 3)
    assert [round(frame.mean() / 10) for frame in frames.values()] == [1, 5]


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_a_video_that_breaks_off_before_its_header_says_is_refused(tmp_path, suffix):
    noisy = np.random.default_rng(1).integers(0, 256, (40, 48, 64, 3)).astype(np.uint8)
    path = write_video(tmp_path / f"v{suffix}", noisy)
    if suffix == ".mp4":
        front_loaded(path)
    cut_in_half(path)
    with pytest.raises(SampleError, match=r"promises 40 frames, \d+ decode") as caught:
        list(video(path, 1, (1, 3)))
    assert caught.value.code == "short_video"


def front_loaded(path) -> None:
    """Move an MP4's index before its data, as files made for the web have it."""
    import av

    aside = path.with_name("aside.mp4")
    with (
        av.open(str(path)) as old,
        av.open(str(aside), "w", options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    aside.replace(path)


def test_a_video_of_a_phone_held_upright_is_seen_upright(tmp_path):
    picture = np.full((48, 64, 3), 40, np.uint8)
    picture[:24, :32] = 220  # bright where it is top left as filmed
    path = write_video(tmp_path / "v.mp4", [picture] * 5)
    quarter_clockwise = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44  # the track's display matrix
    assert data[start : start + 4] == (1 << 16).to_bytes(4, "big")
    data[start : start + 36] = b"".join(
        n.to_bytes(4, "big", signed=True) for n in quarter_clockwise
    )
    path.write_bytes(data)
    ((_, frame),) = video(path, 1, (3,))
    assert frame.shape == (64, 48, 3)
    assert frame[:32, 24:].mean() > 200  # now top right
    assert frame[32:, :24].mean() < 60


def test_a_frame_beyond_the_end_of_a_video_is_named(tmp_path):
    path = write_video(tmp_path / "v.avi", pictures(12))
    with pytest.raises(SampleError, match=r"v.avi: frame 13: the video holds frames 1 … 12"):
        list(video(path, 1, (1, 13)))
    named = marks(replace(SAMPLE, onset=2, apex=4, offset=300))
    with pytest.raises(SampleError, match=r"v.avi: offset 300: the video holds frames 1 … 12"):
        list(read_video(path, file_digest(path), 1, range(2, 301), named=named))


def test_a_look_at_the_first_frame_does_not_read_the_whole_video(tmp_path):
    noisy = np.random.default_rng(1).integers(0, 256, (40, 48, 64, 3)).astype(np.uint8)
    path = write_video(tmp_path / "v.avi", noisy)
    cut_in_half(path)  # it cannot be read to the end
    ((number, _),) = video(path, 1, (1,), count=False)
    assert number == 1


@pytest.mark.parametrize("data", [b"", b"not a video" * 50])
def test_what_is_no_video_is_refused(tmp_path, data):
    (tmp_path / "v.avi").write_bytes(data)
    with pytest.raises(SampleError, match="not a readable video"):
        list(video(tmp_path / "v.avi", 1, (1, 2)))


@pytest.mark.parametrize("count", [True, False])
def test_a_video_that_changed_since_the_scan_is_not_used(tmp_path, count):
    path = write_video(tmp_path / "v.avi", pictures(12))
    known = file_digest(path)
    assert len(list(read_video(path, known, 1, (1, 3), count))) == 2
    write_video(path, pictures(12)[::-1])
    with pytest.raises(SampleError, match=r"v\.avi: changed since the run began") as caught:
        list(read_video(path, known, 1, (1, 3), count))
    assert caught.value.code == "changed"
    cut_in_half(path)  # a change comes first: whoever mends the copy must not look for a defect
    with pytest.raises(SampleError, match=r"v\.avi: changed since the run began"):
        list(read_video(path, known, 1, (1, 20), count))
    path.unlink()
    with pytest.raises(SampleError, match=r"v\.avi: gone since the run began") as caught:
        list(read_video(path, known, 1, (1, 3), count))
    assert caught.value.code == "changed"


def test_a_video_that_changes_while_it_is_read_is_not_used(tmp_path):
    path = write_video(tmp_path / "v.avi", pictures(12))
    reading = read_video(path, file_digest(path), 1, (1, 12))
    assert next(reading)[0] == 1
    write_video(tmp_path / "new.avi", pictures(11)).replace(path)  # the old one stays open
    with pytest.raises(SampleError, match="changed since the run began"):
        list(reading)


def test_a_list_of_other_files_is_no_video_and_none_of_them_is_opened(tmp_path):
    write_video(tmp_path / "other.avi", pictures(12))
    (tmp_path / "v.avi").write_text("ffconcat version 1.0\nfile other.avi\n")
    with pytest.raises(SampleError, match="not a readable video"):
        list(video(tmp_path / "v.avi", 1, (1, 2)))


def test_a_video_whose_title_is_not_utf8_is_read(tmp_path):
    path = write_video(tmp_path / "v.avi", pictures(12))
    data = path.read_bytes()
    assert b"ISFT" in data  # the name of the software, among a file's titles
    path.write_bytes(data.replace(b"Lavf", "Lävf".encode("latin-1")))
    assert list(dict(video(path, 1, (1, 2)))) == [1, 2]


def test_a_message_about_a_video_does_not_tell_where_it_lies(tmp_path):
    (tmp_path / "v.avi").write_bytes(b"not a video" * 50)
    with pytest.raises(SampleError) as caught:
        list(video(tmp_path / "v.avi", 1, (1, 2)))
    assert str(tmp_path) not in caught.value.message
    assert caught.value.message.startswith("v.avi: not a readable video (Invalid data found")


def test_a_small_file_of_huge_frames_is_refused_before_one_is_made(tmp_path):
    import av

    path = tmp_path / "v.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=100)
        stream.width, stream.height, stream.pix_fmt = 9000, 8000, "gray"
        frame = av.VideoFrame(9000, 8000, "gray")
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert path.stat().st_size < 200_000
    with pytest.raises(SampleError, match="frames of 9000×8000 px") as caught:
        list(video(path, 1, (1, 1)))
    assert caught.value.code == "unsupported"


def test_a_long_video_is_read_in_the_memory_of_a_few_frames(tmp_path):
    import tracemalloc

    path = write_video(tmp_path / "v.avi", (pictures(1, (240, 320))[0] for _ in range(300)))
    tracemalloc.start()
    for _ in video(path, 1, range(1, 251)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 240 * 320 * 3
