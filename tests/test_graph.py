"""The way of a sample through the stages, in this process: no workers, real files."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from features.base import file_digest
from features.console import MerError
from pipeline import graph, recipe
from pipeline.cache import Cache
from pipeline.clips import find
from pipeline.datasets import demo
from pipeline.manifest import Sample
from tests.movies import write_images, write_video

CLIP = recipe.parse(
    "clip",
    {"features": ["tim", "flow"], "sensitive": True, "crop": {"size": 64}, "tim": {"frames": 4}},
    "clip",
)
PAIR = recipe.parse("pair", {"features": ["flow"], "crop": {"size": 64}}, "pair")


def task(root, sample, using, cache):
    source = find(root, sample)
    digests = {path: file_digest(path) for path in source.files.values()}
    return graph.task(sample, source, digests, using, None, Cache(cache))


def computed(work: graph.Task) -> graph.Outcome:
    outcome = graph.compute(work)
    assert outcome.failure is None, outcome.failure
    return outcome


def shard(work: graph.Task, stage: str) -> np.ndarray:
    kept = Cache(work.cache).get(graph.keys(work)[stage])
    assert kept is not None, stage
    return kept.array


@pytest.fixture
def samples(demo_root):
    return demo.read(demo_root).samples


def test_a_crop_is_the_same_whatever_was_cropped_before_in_this_process(
    samples, demo_root, tmp_path
):
    orders = [samples[:3], samples[2::-1]]
    caches = [tmp_path / "forth", tmp_path / "back"]
    for order, cache in zip(orders, caches, strict=True):
        for sample in order:
            computed(task(demo_root, sample, PAIR, cache))
    for sample in samples[:3]:
        pairs = [shard(task(demo_root, sample, PAIR, cache), "onset_apex") for cache in caches]
        assert pairs[0].tobytes() == pairs[1].tobytes()


def test_onset_and_apex_are_the_same_bytes_alone_and_within_their_clip(
    samples, demo_root, tmp_path
):
    alone = task(demo_root, samples[0], PAIR, tmp_path / "alone")
    within = task(demo_root, samples[0], CLIP, tmp_path / "within")
    for one in (alone, within):
        computed(replace(one, recipe=replace(one.recipe, stored=("flow",))))
    computed(within)
    clip, apex = shard(within, "clip"), samples[0].apex - samples[0].onset
    assert clip.shape == (samples[0].offset - samples[0].onset + 1, 64, 64, 3)
    assert (clip[[0, apex]] == shard(alone, "onset_apex")).all()
    assert graph.keys(alone)["flow"] == graph.keys(within)["flow"]
    assert (shard(alone, "flow") == shard(within, "flow")).all()


def test_what_two_recipes_share_is_computed_once(samples, demo_root, tmp_path):
    first = computed(task(demo_root, samples[0], PAIR, tmp_path))
    assert set(first.seconds) == {"read", "landmarks", "crop", "flow"}
    more = recipe.parse("m", {"features": ["strain"], "crop": {"size": 64}}, "m")
    assert set(computed(task(demo_root, samples[0], more, tmp_path)).seconds) == {"strain"}
    wider = recipe.parse("w", {"features": ["flow"], "crop": {"size": 80}}, "w")
    assert "landmarks" not in computed(task(demo_root, samples[0], wider, tmp_path)).seconds


@pytest.mark.parametrize(
    "table",
    [
        {"steady": {"motion": "none"}},
        {"steady": {"motion": "affine"}},
        {"landmarks": {"frames": 3}},
        {"crop": {"size": 64, "eye_line": 0.4}},
        {"crop": {"size": 64, "region": "mouth"}},
    ],
)
def test_whatever_changes_a_pixel_changes_the_key(samples, demo_root, tmp_path, table):
    other = recipe.parse("o", {"features": ["flow"], "crop": {"size": 64}} | table, "o")
    keys = [graph.keys(task(demo_root, samples[0], r, tmp_path))["flow"] for r in (PAIR, other)]
    assert keys[0] != keys[1]
    assert computed(task(demo_root, samples[0], other, tmp_path)).seconds["crop"] > 0


def test_another_frame_of_the_same_video_is_another_result(demo_root, samples, tmp_path):
    paths = sorted((demo_root / samples[0].path).iterdir(), key=lambda p: int(p.stem[3:]))
    write_video(tmp_path / "v.avi", [np.asarray(Image.open(path)) for path in paths])
    sample = replace(samples[0], path="v.avi", first_frame=1, onset=1, apex=9, offset=14)
    later = replace(sample, apex=10)
    works = [task(tmp_path, one, PAIR, tmp_path / "c") for one in (sample, later)]
    for work in works:
        computed(work)
    first, second = (shard(work, "onset_apex") for work in works)
    assert (first[0] == second[0]).all()
    assert (first[1] != second[1]).any()


def test_a_missing_frame_is_stood_in_for_by_its_neighbour(demo_root, samples, tmp_path):
    sample = replace(samples[0], missing_frames="nearest")
    files = {int(p.stem[3:]): p for p in (demo_root / sample.path).iterdir()}
    folder = tmp_path / sample.path
    folder.mkdir(parents=True)
    for number, path in files.items():
        if number != sample.apex:
            (folder / path.name).write_bytes(path.read_bytes())
    work = task(tmp_path, sample, CLIP, tmp_path / "cache")
    computed(work)
    clip, apex = shard(work, "clip"), sample.apex - sample.onset
    assert (clip[apex] == clip[apex - 1]).all()
    assert len(clip) == sample.offset - sample.onset + 1


def test_a_release_cropped_already_needs_no_landmarks(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (5, 90, 70, 3)).astype(np.uint8)
    write_images(tmp_path / "c", pictures)
    sample = Sample("s", "own", "1", "c", "c", 1, 1, 3, 5, 100.0)
    table = {"features": ["flow"], "landmarks": {"landmarker": "none"}, "crop": {"size": 90}}
    whole = recipe.parse("w", table | {"steady": {"motion": "none"}}, "w")
    work = task(tmp_path, sample, whole, tmp_path / "cache")
    assert "landmarks" not in computed(work).seconds
    crops = shard(work, "onset_apex")
    assert crops.shape == (2, 90, 90, 3)
    assert (crops[:, :, 10:80] == pictures[[0, 2]]).all()  # in the middle, to the pixel


def test_of_several_faces_the_store_tells_which_was_taken(samples, demo_root, tmp_path):
    paths = sorted((demo_root / samples[0].path).iterdir(), key=lambda p: int(p.stem[3:]))
    frames = [np.asarray(Image.open(path)) for path in paths[:12]]
    small = [np.hstack([np.pad(f[::2, ::2], ((90, 90), (0, 0), (0, 0))), f]) for f in frames]
    write_images(tmp_path / "c", small)
    sample = Sample("s", "own", "1", "c", "c", 1, 1, 9, 12, 100.0)
    work = task(tmp_path, sample, PAIR, tmp_path / "cache")
    computed(work)
    kept = Cache(work.cache).get(graph.keys(work)["flow"])
    assert list(kept.notes) == ["2 faces on the first frame; the largest was taken"]


def test_a_frame_that_cannot_be_steadied_is_kept_as_it_was_and_noted(samples, demo_root, tmp_path):
    paths = sorted((demo_root / samples[0].path).iterdir(), key=lambda p: int(p.stem[3:]))
    frames = [np.asarray(Image.open(path)) for path in paths[:12]]
    frames[8] = np.random.default_rng(0).integers(0, 255, frames[8].shape).astype(np.uint8)
    write_images(tmp_path / "c", frames)
    sample = Sample("s", "own", "1", "c", "c", 1, 1, 9, 12, 100.0)
    work = task(tmp_path, sample, PAIR, tmp_path / "cache")
    computed(work)
    (note,) = Cache(work.cache).get(graph.keys(work)["flow"]).notes
    assert note.startswith("frame 9 was not steadied")


@pytest.mark.slow
def test_a_long_clip_is_cropped_in_the_memory_of_its_crops(tmp_path):
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 255, (480, 640, 3)).astype(np.uint8)
    n = 60
    write_video(tmp_path / "v.avi", (np.roll(scene, t, axis=1) for t in range(n)))
    sample = Sample("s", "own", "1", "c", "v.avi", 1, 1, 30, n, 100.0)
    table = {
        "features": ["tim"], "sensitive": True, "landmarks": {"landmarker": "none"},
        "steady": {"motion": "none"}, "crop": {"size": 32}, "tim": {"frames": 2},
    }  # fmt: skip
    work = task(tmp_path, sample, recipe.parse("l", table, "l"), tmp_path / "cache")
    graph.compute(
        replace(work, cache=tmp_path / "warm", mark=Cache(tmp_path / "warm").mark())
    )  # what is imported counts for nobody
    tracemalloc.start()
    computed(work)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25 * scene.nbytes  # the video holds 60


def test_a_digest_tells_pictures_apart_by_their_bytes_alone(samples, demo_root, tmp_path):
    sample = samples[0]
    (tmp_path / sample.path).mkdir(parents=True)
    for path in (demo_root / sample.path).iterdir():
        (tmp_path / sample.path / path.name).write_bytes(path.read_bytes())
    keys = [graph.keys(task(root, sample, PAIR, tmp_path)) for root in (demo_root, tmp_path)]
    assert keys[0] == keys[1]
    relabelled = replace(sample, emotion="contempt", subject="99", note="mended")
    assert graph.keys(task(demo_root, relabelled, PAIR, tmp_path)) == keys[0]


def test_weights_that_a_user_brings_are_known_by_their_bytes(samples, demo_root, tmp_path):
    from safetensors.numpy import save_file

    from tests.test_base import weights

    save_file(weights(), tmp_path / "a.safetensors")
    save_file(weights(), tmp_path / "b.safetensors")
    table = {"features": ["learned"], "sensitive": True, "crop": {"size": 32}}

    def by(name: str) -> recipe.Recipe:
        brought = {"weights": str(tmp_path / name), "gains": [1, 2]}
        return recipe.parse("l", table | {"learned": brought}, "l")

    one, same = (task(demo_root, samples[0], by(f"{n}.safetensors"), tmp_path) for n in "ab")
    computed(one)
    assert shard(same, "learned").shape == (2, 32, 32, 3)
    with pytest.raises(MerError, match="no file of weights"):
        by("none.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"other")
    graph._weights.cache_clear()
    with pytest.raises(MerError, match="no longer the weights of this recipe"):
        graph.compute(replace(same, cache=tmp_path / "new"))


def test_a_disk_that_is_full_ends_the_run_and_is_no_fault_of_the_sample(
    samples, demo_root, tmp_path, monkeypatch
):
    def full(cache: Cache, key: str, kept: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Cache, "put", full)
    with pytest.raises(OSError, match="No space left"):
        graph.compute(task(demo_root, samples[0], PAIR, tmp_path))
