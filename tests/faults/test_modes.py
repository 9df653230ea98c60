"""What we write of people is for its owner alone, and is not told in logs."""

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.faults.scenes import Place
from tests.tiny_store import rows, tiny_store

UMASKS = (0o000, 0o022)
FOLDER, FILE, STORE = 0o700, 0o600, 0o400


def modes(root: Path) -> dict[str, int]:
    """Everything below a folder, and itself -> its permissions."""
    return {
        str(path.relative_to(root.parent)): stat.S_IMODE(path.stat().st_mode)
        for path in [root, *root.rglob("*")]
    }


def too_open(root: Path) -> dict[str, str]:
    """What others may look into, or its owner may change though it is a store."""
    told = {}
    for name, mode in modes(root).items():
        path = root.parent / name
        wanted = FOLDER if path.is_dir() else STORE if path.suffix == ".h5" else FILE
        if mode != wanted:
            told[name] = oct(mode)
    return told


@pytest.mark.parametrize("umask", UMASKS)
def test_folders_shards_and_stores_are_for_their_owner_alone(forks, clips, tmp_path, umask):
    place = Place(tmp_path / "new")
    assert forks.run(clips.run(place.out), place.cache, umask=umask).code == 0
    assert len(modes(place.root)) > 10
    assert too_open(place.root) == {}


def manifest(clips, out: Place) -> list[str]:
    return ["manifest", str(clips.manifest), "-o", str(out.root / "manifest.csv")]


def report(clips, out: Place) -> list[str]:
    (store,) = out.stores()
    page = ["-o", str(out.root / "report.html"), "--workers", "0"]
    return ["report", str(store), "--dataset", str(clips.manifest), *page]


def picture(clips, out: Place) -> list[str]:
    images = [str(clips.manifest.parent / "clip0" / f"img{n}.png") for n in (1, 2)]
    return ["pair", *images, "-o", str(out.root / "flow.npy"), "--png", str(out.root / "f.png")]


@pytest.mark.parametrize(
    ("words", "umask"), [(manifest, 0o000), (manifest, 0o022), (report, 0o022), (picture, 0o000)]
)
def test_other_files_that_commands_write_are_too(forks, clips, tmp_path, words, umask):
    place = Place(tmp_path / "new")
    place.root.mkdir(mode=0o700)
    assert forks.run(clips.run(place.out), place.cache).code == 0
    before = set(modes(place.root))
    end = forks.run(words(clips, place), place.cache, umask=umask)
    assert end.code == 0, end.errors
    assert set(modes(place.root)) - before
    assert too_open(place.root) == {}


@pytest.mark.parametrize("umask", UMASKS)
def test_a_run_of_training_is_too(tmp_path, umask):
    from train.cli import cli

    store = tiny_store(tmp_path / "tiny.h5", rows(subjects=2, clips=1))
    short = ["--seeds", "1", "--epochs", "1", "--batch-size", "2", "--workers", "1"]
    words = ["--features", str(store), *short, "-o", str(tmp_path / "runs" / "one")]
    before = os.umask(umask)
    try:
        for once_more in ([], ["--force"]):
            done = CliRunner().invoke(cli, [*words, *once_more])
            assert done.exit_code == 0, done.output
    finally:
        os.umask(before)
    assert len(modes(tmp_path / "runs")) >= 5
    assert too_open(tmp_path / "runs") == {}


@pytest.mark.parametrize("mode", [0o755, 0o711])
def test_a_folder_that_is_open_would_be_noticed(tmp_path, mode):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    assert too_open(tmp_path / "cache") == {"cache": oct(mode)}


SECRETS = ("joy", "anger", "img1", "clip0")


def test_no_path_of_a_source_and_no_label_is_told_by_a_run(forks, clips, tmp_path):
    place = Place(tmp_path / "new")
    assert secrets_told(forks, clips, place) == []


def test_a_path_and_a_label_in_a_log_would_be_noticed(forks, clips, tmp_path):
    place = Place(tmp_path / "new")
    assert secrets_told(forks, clips, place, "talkative") == ["joy", "anger", "clip0"]


def secrets_told(forks, clips, place: Place, mutant: str = "") -> list[str]:
    """What a run says, at the level INFO, that it should keep to itself."""
    end = forks.run(clips.run(place.out), place.cache, mutant=mutant)
    assert end.code == 0
    told = end.output + end.errors
    assert "small 4/4" in told
    return [word for word in SECRETS if word in told]
