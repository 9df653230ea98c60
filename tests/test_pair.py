"""One feature of two images: the same numbers as a run's, or a line that says why not."""

import sys

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from features.base import file_digest
from features.flow import FlowConfig, flow
from pipeline import graph, recipe
from pipeline.cache import Cache
from pipeline.cli import cli
from pipeline.clips import find
from pipeline.datasets import demo
from tests.movies import cut_in_half
from tests.moving import filmed, picture

SHIFT = (1.5, -0.7)


def mer(*words: object):
    return CliRunner().invoke(cli, ["pair", *(str(word) for word in words)])


def saved(array: np.ndarray, path):
    Image.fromarray(array).save(path)
    return path


@pytest.fixture
def images(tmp_path):
    """A texture, and the same moved by SHIFT; wider than high, so that axes cannot be mixed up."""
    frames = filmed(np.stack([picture(0, 0)[:80], picture(*SHIFT)[:80]]))
    return [saved(f, tmp_path / n) for f, n in zip(frames, ("on.png", "ap.png"), strict=True)]


def demo_pair(root):
    sample = demo.read(root).samples[0]
    folder = root / sample.path
    return sample, folder / f"img{sample.onset}.jpg", folder / f"img{sample.apex}.jpg"


def test_a_known_shift_is_written_as_it_is(images, tmp_path):
    done = mer(*images, "-o", tmp_path / "flow.npy")
    assert done.exit_code == 0, done.stderr
    found = np.load(tmp_path / "flow.npy")
    assert (found.dtype, found.shape) == (np.float32, (2, 80, 96))
    assert found[:, 16:-16, 16:-16].mean(axis=(1, 2)) == pytest.approx(SHIFT, abs=0.05)
    assert "flow, (2, 80, 96) px" in done.stdout


def test_a_flo_file_holds_the_same_as_others_read_it(images, tmp_path):
    for name in ("flow.npy", "flow.flo"):
        assert mer(*images, "-o", tmp_path / name).exit_code == 0
    found = np.load(tmp_path / "flow.npy")
    read = cv2.readOpticalFlow(str(tmp_path / "flow.flo"))
    np.testing.assert_array_equal(np.moveaxis(read, -1, 0), found)
    data = (tmp_path / "flow.flo").read_bytes()
    assert data[:4] == b"PIEH"
    assert np.frombuffer(data, "<i4", 2, 4).tolist() == [96, 80]  # width, height
    assert len(data) == 12 + 8 * 96 * 80


def test_the_picture_comes_besides_or_alone(images, tmp_path):
    both = mer(*images, "-o", tmp_path / "flow.npy", "--png", tmp_path / "shown.png")
    alone = mer(*images, "-o", tmp_path / "flow.png")
    assert (both.exit_code, alone.exit_code) == (0, 0)
    assert (tmp_path / "shown.png").read_bytes() == (tmp_path / "flow.png").read_bytes()
    with Image.open(tmp_path / "flow.png") as image:
        assert image.format == "PNG"


def test_what_a_feature_needs_is_computed_by_default(images, tmp_path):
    assert mer(*images, "--feature", "strain", "-o", tmp_path / "s.npy").exit_code == 0
    from features.strain import StrainConfig, strain

    frames = np.stack([np.asarray(Image.open(path)) for path in images])
    expected = strain(flow(frames, FlowConfig()), StrainConfig())
    np.testing.assert_allclose(np.load(tmp_path / "s.npy"), expected, atol=1e-6)


def test_a_dynamic_image_of_two_frames_is_half_their_difference(images, tmp_path):
    words = ["--feature", "dynamic_image", "-o", tmp_path / "d.npy"]
    done = mer(*images, *words)
    assert done.exit_code == 0, done.stderr
    assert "a person can be recognised in it" in done.stdout
    onset, apex = (np.asarray(Image.open(path), float) for path in images)
    np.testing.assert_allclose(
        np.load(tmp_path / "d.npy"), np.moveaxis((apex - onset) / 2, -1, 0), atol=1e-4
    )


def test_a_recipe_gives_the_settings_of_its_stage(images, tmp_path):
    (tmp_path / "mine.toml").write_text(
        'features = ["far"]\nsensitive = true\n'
        '[far]\nfeature = "two_frame"\nmethod = "linear"\ngains = [1.0, 3.0]\n'
    )
    words = ["--feature", "far", "--recipe", tmp_path / "mine.toml", "-o", tmp_path / "far.npy"]
    done = mer(*images, *words)
    assert done.exit_code == 0, done.stderr
    onset, apex = (np.asarray(Image.open(path), float)[..., 0] for path in images)
    far = np.load(tmp_path / "far.npy")
    np.testing.assert_allclose(far[0], apex, atol=0.01)
    np.testing.assert_allclose(far[1], (onset + 3 * (apex - onset)).clip(0, 255), atol=0.01)


def test_a_cropped_pair_is_what_a_store_would_hold(demo_root, tmp_path):
    sample, onset, apex = demo_pair(demo_root)
    words = ["--crop", "--feature", "regions", "-o", tmp_path / "r.npy"]
    done = mer(onset, apex, *words)
    assert done.exit_code == 0, done.stderr
    using = recipe.parse("r", {"features": ["regions"]}, "r")
    source = find(demo_root, sample)
    digests = {path: file_digest(path) for path in source.files.values()}
    task = graph.task(sample, source, digests, using, None, Cache(tmp_path))
    assert graph.compute(task).failure is None
    kept = Cache(tmp_path).get(graph.keys(task)["regions"])
    np.testing.assert_array_equal(np.load(tmp_path / "r.npy"), kept.array)


def test_without_crop_a_picture_keeps_its_size_and_needs_no_face(images, tmp_path):
    done = mer(*images, "--crop", "-o", tmp_path / "flow.npy")
    assert (done.exit_code, "no face found on the onset frame (96×80)" in done.stderr) == (1, True)
    assert not (tmp_path / "flow.npy").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--feature", "flaw"], "no feature 'flaw'; did you mean 'flow'?"),
        (["--feature", "riesz"], "riesz needs fps, a frame rate: two images do not give it"),
        (["--feature", "regions"], "regions needs places, a face found on the onset"),
        (["--feature", "mm_cof"], "mm_cof needs flow of two phases"),
        (["--recipe", "flow", "--feature", "polar"], "flow: has no stage 'polar'"),
        (["--png", "shown.jpg"], "shown.jpg: a picture is a PNG"),
        (["-o", "flow.mat"], "flow.mat: no such kind of output"),
        (["-o", "flow"], "flow: no such kind of output"),
        (["-o", __file__], "is there already"),
        (["--feature", "flaw", "-o", __file__], "no feature 'flaw'; did you mean 'flow'?"),
        (["--feature", "polar", "-o", "p.flo"], "polar is (2, 80, 96) in px, rad: .flo holds"),
        (["--feature", "strain", "-o", "s.flo"], "strain is (1, 80, 96) in px/px: .flo holds"),
    ],
)
def test_what_two_images_cannot_give_is_refused_as_usage(
    words, told, images, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    done = mer(*images, "-o", "never.npy", *words)
    assert told in done.stderr
    assert done.exit_code == 2
    assert sorted(tmp_path.iterdir()) == before


def test_a_third_frame_is_not_made_up(images, tmp_path):
    (tmp_path / "fall.toml").write_text('features = ["flow"]\n[flow]\nof = ["apex_offset"]\n')
    done = mer(*images, "--recipe", tmp_path / "fall.toml", "-o", tmp_path / "f.npy")
    assert done.exit_code == 2
    assert "flow needs apex_offset, a frame at the offset" in done.stderr


def test_what_a_feature_itself_refuses_is_told_in_its_words(images, tmp_path):
    done = mer(*images, "--feature", "lbp_top", "-o", tmp_path / "l.npy")
    assert done.exit_code == 1
    assert "lbp_top: clip is (2, 80, 96, 3); expected (T, H, W, 3) of three frames" in done.stderr


def test_a_file_that_is_there_is_replaced_by_force_alone(images, tmp_path):
    output = tmp_path / "flow.npy"
    output.write_bytes(b"by hand")
    assert mer(*images, "-o", output).exit_code == 2
    assert output.read_bytes() == b"by hand"
    assert mer(*images, "-o", output, "--force").exit_code == 0
    assert np.load(output).shape == (2, 80, 96)


def test_images_that_cannot_be_used_are_named(images, tmp_path):
    small = saved(np.zeros((40, 50, 3), np.uint8), tmp_path / "small.png")
    broken = saved(np.asarray(Image.open(images[0])), tmp_path / "broken.png")
    cut_in_half(broken)
    text = tmp_path / "text.png"
    text.write_bytes(b"not an image, but IEND")
    for apex, told in [
        (tmp_path / "no.png", f"{tmp_path / 'no.png'}: No such file"),
        (tmp_path, f"{tmp_path}: Is a directory"),
        (broken, "broken.png: the image is truncated"),
        (text, "text.png: cannot identify"),
        (small, "small.png has 50×40 px"),
    ]:
        done = mer(images[0], apex, "-o", tmp_path / "flow.npy")
        assert (done.exit_code, told in done.stderr) == (1, True), done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "flow.npy").exists()


def test_tiny_images_are_refused_in_words(tmp_path):
    tiny = saved(np.zeros((4, 4, 3), np.uint8), tmp_path / "tiny.png")
    done = mer(tiny, tiny, "--feature", "stack", "-o", tmp_path / "stack.npy")
    assert done.exit_code == 1
    assert "stack: a crop of 4 × 4 px cannot be averaged to 28 × 28" in done.stderr


def test_an_npy_needs_no_matplotlib_and_a_picture_says_that_it_does(images, tmp_path, monkeypatch):
    for module in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "pipeline.pictures", raising=False)
    assert mer(*images, "-o", tmp_path / "flow.npy").exit_code == 0
    done = mer(*images, "-o", tmp_path / "flow.png")
    assert done.exit_code == 1
    assert "matplotlib" in done.stderr
    assert not (tmp_path / "flow.png").exists()
