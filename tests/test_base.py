"""The contract of every feature there is, and of the keys that name results."""

from dataclasses import fields, replace

import numpy as np
import pytest

from features import base
from features.base import content_key
from features.console import MerError

SHAPES = {"flow": (2, 48, 48), "strain": (1, 48, 48)}


def inputs(name: str) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    made = {
        "crop": rng.integers(0, 256, (2, 48, 48, 3)).astype(np.uint8),
        "flow": rng.normal(0, 1, (2, 48, 48)).astype(np.float32),
    }
    return [made[need] for need in base.load(name).needs]


@pytest.mark.parametrize("name", base.names())
def test_a_feature_is_float32_finite_repeatable_and_leaves_its_input_alone(name):
    feature, given = base.load(name), inputs(name)
    before = [array.copy() for array in given]
    once, twice = (feature.function(*given, feature.config()) for _ in range(2))
    assert once.shape == SHAPES[name]
    assert once.dtype == np.float32
    assert np.isfinite(once).all()
    assert once.tobytes() == twice.tobytes()
    assert all((a == b).all() for a, b in zip(before, given, strict=True))


@pytest.mark.parametrize("name", base.names())
def test_every_setting_of_a_feature_changes_its_key(name):
    feature = base.load(name)
    usual = feature.config()
    keys = {content_key(name, 1, usual, ["a"])}
    for field in fields(usual):
        value = getattr(usual, field.name)
        other = replace(usual, **{field.name: value + 1 if value != 4 else 3})
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


GOLDEN = {"flow": "a94e1f332d8ac810530c619659f695ec", "strain": "2426c3b8eb614d13fe5ba9a73724286b"}


def test_an_unknown_feature_is_refused_with_the_known_ones():
    with pytest.raises(MerError, match="no feature 'flwo'; did you mean 'flow'"):
        base.load("flwo")
