"""The recipes that come with merkit, on real clips: what each paper's network will be given."""

import numpy as np
import pytest

from features import base
from features.base import file_digest
from pipeline import graph, recipe
from pipeline.cache import Cache
from pipeline.clips import find
from pipeline.datasets import demo

SHAPES = {
    "flow": {"flow": (2, 224, 224), "strain": (1, 224, 224)},
    "dynamic": dict.fromkeys(("dynamic_image", "rise_image", "fall_image"), (3, 224, 224)),
    "magnified": {"flows": (4, 2, 224, 224), "strains": (4, 1, 224, 224)},
    "artnet": {"tokens": (4, 3, 56, 56)},
    "fr": {"flow": (2, 224, 224)},
    "mmnet": {"frames": (2, 3, 224, 224)},
    "fdp": {"eight": (8, 1, 64, 64), "target": (1, 64, 64)},
    "afn": {"trdi": (3, 224, 224), "midi": (3, 224, 224)},
    "dianet": {"rise_image": (3, 224, 224), "fall_image": (3, 224, 224)},
    "fmanet": {
        "rise_flow": (2, 224, 224), "fall_flow": (2, 224, 224), "mm_cof": (3, 224, 224),
    },
    "ststnet": {"stack": (3, 28, 28)},
    "htnet": {"stack": (3, 28, 28), "regions": (5, 3, 14, 14)},
    "classical": {"hoof": (5, 5, 8), "mdmo": None, "lbp_top": None},
}  # fmt: skip


@pytest.fixture(scope="module")
def computed(demo_root, tmp_path_factory):
    """Recipe -> stage -> its arrays of two clips of different length; one cache for all."""
    cache = Cache(tmp_path_factory.mktemp("cache"))
    samples = sorted(demo.read(demo_root).samples, key=lambda s: s.offset - s.onset)
    samples = (samples[0], samples[-1])
    assert samples[0].offset - samples[0].onset < samples[1].offset - samples[1].onset

    def arrays(name: str) -> tuple[dict[str, list[np.ndarray]], set[str]]:
        one, spent = recipe.load(name), set()
        found = {stage: [] for stage in one.stored}
        for sample in samples:
            source = find(demo_root, sample)
            digests = {path: file_digest(path) for path in source.files.values()}
            task = graph.task(sample, source, digests, one, None, cache)
            outcome = graph.compute(task)
            assert outcome.failure is None, outcome.failure
            spent |= outcome.seconds.keys()
            for stage in one.stored:
                found[stage].append(cache.get(graph.keys(task)[stage]).array)
        return found, spent

    return arrays


def test_every_recipe_is_told_of_here():
    assert SHAPES.keys() == set(recipe.names())


@pytest.mark.parametrize("name", SHAPES)
def test_a_recipe_gives_its_network_what_it_takes_whatever_the_clip_s_length(name, computed):
    found, _ = computed(name)
    assert found.keys() == SHAPES[name].keys()
    for stage, (short, long) in found.items():
        assert short.shape == long.shape
        assert SHAPES[name][stage] in (None, short.shape), short.shape
        assert np.ptp(short) > 0
        half = short.astype(np.float16).astype(np.float32)
        assert np.abs(half - short).max() <= 2**-11 * np.abs(short).max() + 1e-7


def test_what_recipes_share_is_computed_once(computed):
    computed("dynamic")
    assert computed("dianet")[1] == set()
    computed("magnified")
    assert computed("artnet")[1] <= {"tokens"}
    computed("flow")
    assert computed("ststnet")[1] <= {"stack"}
    assert computed("htnet")[1] <= {"stack", "regions", "landmarks"}


def test_faces_are_only_in_recipes_that_say_so():
    for name in recipe.names():
        one = recipe.load(name)
        faces = any(base.load(one.stages[stage].feature).sensitive for stage in one.stored)
        assert one.sensitive == faces, name
        assert ("shows faces" in one.about) == (faces and name != "classical"), name


def test_magnified_flow_grows_with_the_gain(computed):
    (flows, _) = computed("magnified")[0]["flows"]
    lengths = np.hypot(flows[:, 0], flows[:, 1]).mean(axis=(1, 2))
    assert (np.diff(lengths) > 0).all()
    assert lengths[1] > 1.3 * lengths[0]
