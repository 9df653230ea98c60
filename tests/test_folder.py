import os
from fractions import Fraction

import av
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from features.console import MerError
from pipeline.cli import cli
from pipeline.datasets.folder import count_frames, read
from pipeline.manifest import read_manifest, write_manifest


def write_images(folder, numbers, name="img{}.png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.new("L", (2, 2), number % 256).save(folder / name.format(number))


def write_video(path, frames=7, fps=Fraction(30), codec="mpeg4"):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (frames, 48, 64, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "my clips"
    write_images(root / "S1/smile", [12, 9, 10], "reg_img{}.jpg")
    write_video(root / "S2/frown.avi")
    write_images(root / "alone", range(5))
    write_video(root / "single.mp4", fps=Fraction(30000, 1001))
    (root / "fps.txt").write_text("200\n")
    return root


def by_clip(manifest):
    return {sample.clip: sample for sample in manifest.samples}


def test_every_folder_of_images_and_every_video_is_a_clip(root):
    manifest = read(root)
    assert manifest.bad == ()
    assert sorted(by_clip(manifest)) == ["S1/smile", "S2/frown.avi", "alone", "single.mp4"]
    assert all(sample.clip == sample.path for sample in manifest.samples)
    assert {sample.dataset for sample in manifest.samples} == {"my-clips"}


def test_the_subject_is_the_first_folder_or_the_clip_itself(root):
    subjects = {sample.clip: sample.subject for sample in read(root).samples}
    assert subjects == {
        "S1/smile": "S1",
        "S2/frown.avi": "S2",
        "alone": "alone",
        "single.mp4": "single",
    }


def test_a_draft_spans_the_clip_and_owns_up_to_its_midpoint(root):
    sample = by_clip(read(root))["S1/smile"]
    assert (sample.first_frame, sample.onset, sample.apex, sample.offset) == (9, 9, 10, 12)
    assert (sample.apex_source, sample.emotion, sample.action_units) == ("midpoint", "", "")


def test_a_video_has_the_frames_that_decode_and_its_headers_rate(root):
    samples = by_clip(read(root))
    video = samples["S2/frown.avi"]
    assert (video.first_frame, video.onset, video.offset, video.fps) == (1, 1, 7, 30.0)
    assert samples["single.mp4"].fps == pytest.approx(30000 / 1001)


def test_the_draft_can_be_written_and_read_again(root, tmp_path):
    drafted = read(root)
    write_manifest(drafted.samples, tmp_path / "manifest.csv")
    assert read_manifest(tmp_path / "manifest.csv") == drafted


def test_images_without_a_rate_are_no_sample_until_somebody_states_it(root):
    (root / "fps.txt").unlink()
    manifest = read(root)
    assert sorted(by_clip(manifest)) == ["S2/frown.avi", "single.mp4"]
    assert {row.sample_id for row in manifest.bad} == {"S1/smile", "alone"}
    assert all("fps.txt" in row.reason for row in manifest.bad)


@pytest.mark.parametrize(
    ("folder", "fps"),
    [
        ("S1/smile_100fps", 100),
        ("S1 59.94 FPS/smile", 59.94),
        ("S1_100fps/smile_50fps", 50),
        ("S1/smile_0fps", 200),
        ("S1/fpsmile", 200),
    ],
)
def test_a_folder_that_states_its_rate_is_believed_before_the_file(tmp_path, folder, fps):
    write_images(tmp_path / folder, range(3))
    (tmp_path / "fps.txt").write_text("200")
    assert [sample.fps for sample in read(tmp_path).samples] == [fps]


@pytest.mark.parametrize("text", [b"", b"fast", b"0", b"-25", b"nan", b"25\n50", b"\xff\xfe2"])
def test_a_rate_that_is_no_number_is_refused(root, text):
    (root / "fps.txt").write_bytes(text)
    with pytest.raises(MerError, match=r"fps\.txt: .* is not a number above 0"):
        read(root)


def test_what_cannot_be_a_clip_says_why(root):
    write_images(root, [1, 2])
    write_images(root / "S3/one", [1])
    (root / "S3/cover").mkdir()
    Image.new("L", (2, 2)).save(root / "S3/cover/cover.png")
    write_images(root / "S3/twice", [1, 2])
    write_images(root / "S3/twice", [1], "other{}.png")
    (root / "S3/empty.avi").touch()
    (root / "S3/text.mp4").write_text("not a video")
    os.mkfifo(root / "S3/pipe.mkv")
    (root / "S3/link").symlink_to(root / "S1")
    (root / "S3/out.avi").symlink_to(root.parent / "elsewhere.avi")
    reasons = {row.sample_id: row.reason for row in read(root).bad}
    expected = {
        ".": "directly in the root",
        "S3/one": "same frame",
        "S3/cover": "no image has a number",
        "S3/twice": "two images have the number 1",
        "S3/empty.avi": "stops decoding after 0 frames",
        "S3/text.mp4": "stops decoding after 0 frames",
        "S3/pipe.mkv": "not a regular file",
        "S3/link": "a link to a folder",
        "S3/out.avi": "leaves the root",
    }
    assert reasons.keys() == expected.keys()
    for name, words in expected.items():
        assert words in reasons[name], reasons[name]


def test_a_header_that_promises_more_frames_is_not_believed(tmp_path):
    whole = tmp_path / "whole.avi"
    write_video(whole, frames=20)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with av.open(str(cut)) as container:
        promised = container.streams.video[0].frames
    assert promised == 20
    with pytest.raises(ValueError, match=r"its header promises 20 frames, \d+ decode: copy it"):
        count_frames(cut)
    assert count_frames(whole) == (20, 30)


def test_sound_alone_is_no_clip(tmp_path):
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(ValueError, match="no video stream"):
        count_frames(path)


def test_names_with_control_characters_are_shown_and_not_obeyed(root):
    write_images(root / "S4\x1b[2J/clip", [1, 2, 3])
    (row,) = read(root).bad
    assert (row.sample_id + row.reason).isprintable()


def test_an_empty_root_shows_what_is_expected(tmp_path):
    with pytest.raises(MerError, match="neither a folder of images nor a video") as error:
        read(tmp_path)
    assert "SUBJECT/CLIP" in error.value.remedy


def test_a_root_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MerError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")


def manifest(*words: object):
    return CliRunner().invoke(cli, ["manifest", *map(str, words)])


def test_a_draft_that_nobody_changed_is_replaced_when_the_rate_is_known(root):
    output = root / "manifest.csv"
    (root / "fps.txt").unlink()
    first = manifest("folder", "--root", root, "-o", output)
    assert (first.exit_code, "2 samples, 2 rows left out" in first.stdout) == (3, True)
    assert "fps.txt in the folder that --root names" in first.stderr
    (root / "fps.txt").write_text("200")
    second = manifest("folder", "--root", root, "-o", output)
    assert (second.exit_code, "4 samples, 0 rows left out" in second.stdout) == (0, True)


def test_a_draft_that_was_corrected_is_not_replaced(root):
    output = root / "manifest.csv"
    assert manifest("folder", "--root", root, "-o", output).exit_code == 0
    corrected = output.read_text().replace("midpoint", "sheet", 1)
    output.write_text(corrected)
    done = manifest("folder", "--root", root, "-o", output)
    assert (done.exit_code, "perhaps corrected by hand" in done.stderr) == (2, True)
    assert output.read_text() == corrected
    assert manifest("folder", "--root", root, "-o", output, "--force").exit_code == 0


def test_without_a_clip_no_manifest_is_written(tmp_path):
    write_images(tmp_path / "flat", [1, 2, 3])
    done = manifest("folder", "--root", tmp_path / "flat", "-o", tmp_path / "m.csv")
    assert done.exit_code == 1
    assert "put each clip into a folder" in done.stderr
    assert "m.csv: not written, no sample can be used" in done.stderr
    assert not (tmp_path / "m.csv").exists()


def test_a_folder_in_the_place_of_a_dataset_is_answered_by_what_to_type(root):
    output = root / "manifest.csv"
    wrong = manifest(root, "-o", output)
    typed = f"mer-features manifest folder --root {root} -o {output}"
    assert (wrong.exit_code, f"no dataset '{root}': it is a folder" in wrong.stderr) == (2, True)
    assert typed in wrong.stderr
    besides = manifest("folder", root, "-o", output)
    assert (besides.exit_code, typed in besides.stderr) == (2, True)
    assert manifest("folder", "--root", root, "-o", output).exit_code == 0
    again = CliRunner().invoke(cli, ["doctor", str(root)])
    assert (again.exit_code, f"give its manifest: {output}" in again.stderr) == (2, True)
