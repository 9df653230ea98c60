"""Where a store's clips are looked for when nobody says where they lie."""

import pytest

from features.console import MerError
from features.store import Store
from pipeline import copies, origin
from pipeline.datasets import base
from tests.reported import moving, reported, row


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / "made").mkdir()
    path = tmp_path / "made" / "manifest.csv"
    path.write_text("subject,path,onset,offset,fps\np1,c,10,29,100\n")
    return path


@pytest.fixture
def store(tmp_path):
    path = reported(tmp_path / "s.h5", [row()], {"flow": lambda _: moving(1)})
    with Store(path) as store:
        yield store


def remembered(manifest, key="c0ffee"):
    return {"key": key, "copies": origin.told(copies.find([str(manifest)], []))}


def test_the_manifest_of_the_last_run_is_found_again(store, manifest):
    (found,) = origin.of_store(store, [], [], remembered(manifest))
    assert (found.name, found.root, found.sheet) == ("made", manifest.parent, manifest)


def test_a_root_that_was_named_is_remembered_too(store, tmp_path):
    run = {"key": "c0ffee", "copies": origin.told(copies.find(["samm"], [str(tmp_path)]))}
    (found,) = origin.of_store(store, [], [], run)
    assert (found.name, found.root) == ("samm", tmp_path)


@pytest.mark.parametrize("gone", ["key", "manifest", "folder", "copies", "run"])
def test_a_run_of_another_store_or_of_clips_that_are_gone_does_not_count(store, manifest, gone):
    run = remembered(manifest, "another" if gone == "key" else "c0ffee")
    if gone == "copies":  # a run of an older merkit
        del run["copies"]
    if gone in ("manifest", "folder"):
        manifest.unlink()
    if gone == "folder":
        manifest.parent.rmdir()
    with pytest.raises(MerError, match="dataset 'made' is none that is known by name") as caught:
        origin.of_store(store, [], [], None if gone == "run" else run)
    assert caught.value.remedy == "name that manifest: --dataset FOLDER/manifest.csv"


def test_what_is_named_counts_before_what_is_remembered(store, manifest, tmp_path):
    run = remembered(manifest)
    (named,) = origin.of_store(store, ["samm"], [str(tmp_path)], run)
    assert named.name == "samm"
    assert "samm" in base.names()
    other = manifest.with_name("other.csv")
    (given,) = origin.of_store(store, [], [str(other)], run)
    assert given.sheet == other


def test_a_folder_that_is_named_counts_before_the_one_remembered(tmp_path):
    path = reported(tmp_path / "s.h5", [row(dataset="samm")], {"flow": lambda _: moving(1)})
    for name in ("then", "now"):
        (tmp_path / name).mkdir()
    then = origin.told(copies.find(["samm"], [str(tmp_path / "then")]))
    with Store(path) as store:
        (found,) = origin.of_store(
            store, [], [str(tmp_path / "now")], {"key": "c0ffee", "copies": then}
        )
    assert found.root == tmp_path / "now"
