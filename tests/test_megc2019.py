"""Copies as large as the releases, read by their adapters, counted by the protocols."""

from collections import Counter

import pytest

from features import protocol
from pipeline.datasets import casme2, samm, smic
from pipeline.manifest import label, taking_part
from tests import test_casme2, test_samm, test_smic
from tests.smic_clips import HS, names


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Every sample of CASME II (by the sheet of 2014), SAMM and SMIC HS."""
    roots = {name: tmp_path_factory.mktemp(name) for name in ("casme2", "samm", "smic")}
    test_casme2.write_whole(roots["casme2"])
    test_samm.write_whole(roots["samm"])
    test_smic.write(roots["smic"], names(HS), frames=(34208, 34209, 34211))
    manifests = [adapter.read(roots[name]) for name, adapter in (
        ("casme2", casme2), ("samm", samm), ("smic", smic),
    )]  # fmt: skip
    assert not any(manifest.bad for manifest in manifests)
    return manifests


def taken(manifests, name):
    loaded = protocol.load(name)
    kept = [s for manifest in manifests for s in taking_part(manifest, loaded).samples]
    return loaded, [(s.dataset, s.subject, label(loaded, s)) for s in kept]


def test_megc2019_is_442_samples_of_68_subjects(samples):
    loaded, rows = taken(samples, "megc2019")
    assert len(rows) == 442
    assert Counter(row[2] for row in rows) == {"negative": 250, "positive": 109, "surprise": 83}
    assert len({row[:2] for row in rows}) == 68
    assert loaded.differences(rows) == []


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("casme2-3", 145), ("casme2-5", 246), ("casme2-7", 255), ("samm-3", 133),
        ("samm-5", 136), ("samm-8", 159), ("smic-3", 164),
    ],
)  # fmt: skip
def test_a_single_dataset_has_its_documented_number(samples, name, total):
    loaded, rows = taken(samples, name)
    assert len(rows) == total
    assert loaded.differences(rows) == []
