"""The contract of every feature there is, and of the keys that name results."""

from copy import copy
from dataclasses import fields
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from features import base
from features.base import content_key
from features.console import MerError

SIDE = 48


@cache
def given(name: str) -> tuple[np.ndarray, ...]:
    """What a feature needs: sources drawn here, other features computed from them."""
    rng = np.random.default_rng(0)
    scene = gaussian_filter(rng.normal(128, 400, (SIDE, SIDE, 3)), (2, 2, 0))
    clip = np.stack([shift(scene, (0.1 * t, -0.2 * t, 0), mode="nearest") for t in range(9)])
    clip = (clip + rng.normal(0, 1, clip.shape)).clip(0, 255).astype(np.uint8)
    x, y = np.array([[15, 33, 24, 15, 33, 18, 30, 24], [17, 17, 25, 12, 12, 36, 36, 36.0]])
    sources = {
        "onset_apex": clip[[0, 4]],
        "apex_offset": clip[[4, 8]],
        "phases": clip[[0, 4, 8]],
        "clip": clip,
        "rise": clip[:5],
        "fall": clip[4:],
        "fps": np.array(100.0),
        "places": np.stack([x, y], axis=-1),
    }
    assert sources.keys() == base.SOURCES.keys()
    needs = [sources[need] if need in sources else computed(need) for need in base.load(name).needs]
    return tuple(needs)


def weights() -> dict[str, np.ndarray]:
    """Of the one feature that wants some: small, so that nothing saturates."""
    from features.learned import shapes

    rng = np.random.default_rng(1)
    return {n: rng.normal(0, 0.03, shape).astype(np.float32) for n, shape in shapes().items()}


def computed(name: str) -> np.ndarray:
    feature = base.load(name)
    brought = [weights()] if feature.read else []
    return feature.function(*given(name), *brought, feature.config())


@pytest.mark.parametrize("name", base.names())
def test_a_feature_is_float32_finite_repeatable_and_leaves_its_input_alone(name):
    before = [array.copy() for array in given(name)]
    once, twice = computed(name), computed(name)
    assert once.dtype == np.float32
    assert once.size
    assert np.isfinite(once).all()
    assert once.tobytes() == twice.tobytes()
    assert all((a == b).all() for a, b in zip(before, given(name), strict=True))


@pytest.mark.parametrize("name", base.names())
def test_every_setting_of_a_feature_changes_its_key(name):
    usual = base.load(name).config()
    keys = {content_key(name, 1, usual, ["a"])}
    for field in fields(usual):
        other = copy(usual)
        object.__setattr__(other, field.name, "another")  # past the checks of what is possible
        keys.add(content_key(name, 1, other, ["a"]))
    assert len(keys) == 1 + len(fields(usual))


def test_a_key_follows_from_stage_revision_and_inputs_in_their_order():
    config = base.load("strain").config()
    keys = [
        content_key("strain", 1, config, ["a", "b"]),
        content_key("strain", 1, config, ["b", "a"]),
        content_key("strain", 2, config, ["a", "b"]),
        content_key("other", 1, config, ["a", "b"]),
    ]
    assert len(set(keys)) == 4


def test_keys_stay_what_they_were_or_every_cache_in_the_world_is_lost():
    flow, strain = (base.load(name) for name in ("flow", "strain"))
    assert content_key("flow", flow.revision, flow.config(), ["0" * 32]) == GOLDEN["flow"]
    assert content_key("strain", strain.revision, strain.config(), ["0" * 32]) == GOLDEN["strain"]


GOLDEN = {"flow": "f34624c293c1d9d7f38e7cb0aa5af838", "strain": "b3f14584db0a907053c93cb7da4e521c"}


def test_an_unknown_feature_is_refused_with_the_known_ones():
    with pytest.raises(MerError, match="no feature 'flwo'; did you mean 'flow'"):
        base.load("flwo")
