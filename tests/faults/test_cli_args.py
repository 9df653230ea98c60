"""What people type by mistake: a code, a line of cause, a line of remedy, nothing half done."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from features.store import Store
from pipeline.cli import cli
from tests.movies import write_images

RECIPE = """
features = ["flow"]
[landmarks]
landmarker = "none"
[crop]
size = 32
[steady]
motion = "none"
"""
SHEET = "sample_id,subject,path,onset,offset,fps\n-s,p,a,1,4,25\n"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder to work in, with a clip of one's own, a recipe, and what is neither."""
    frames = np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3)).astype(np.uint8)
    write_images(tmp_path / "clips" / "a", frames)
    (tmp_path / "clips" / "own.csv").write_text(SHEET)
    (tmp_path / "r.toml").write_text(RECIPE)
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "latin.toml").write_bytes("about = 'Gül'".encode("latin-1"))
    (tmp_path / "file").write_text("a file")
    (tmp_path / "within").symlink_to("clips/a")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mer(*words: str):
    return CliRunner().invoke(cli, words)


def run(*words: str, recipe: str = "r.toml"):
    return mer("run", *words, "--recipe", recipe, "--workers", "0")


def told(done) -> tuple[str, str]:
    """The line of cause and that of remedy, with which it ends."""
    before, found, last = done.stderr.rpartition("error: ")
    assert found
    assert "error" not in before
    cause, remedy = last.splitlines()
    assert remedy.startswith("  ")
    assert "defect" not in remedy
    return cause, remedy


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["run", "demo", "--wrokers", "1"], "No such option '--wrokers'"),
        (["run", "-x.csv"], "No such option"),
        (["run", "demo", "--workers", "two"], "'two' is not a valid integer range"),
        (["run", "demo", "--workers", "1.5"], "'1.5' is not a valid integer range"),
        (["run", "samm", "--workers", "99999999999"], "not in the range 0<=x<=1024"),
        (["run", "demo", "--out", "file"], "Directory 'file' is a file"),
        (["report", "s.h5", "-o", "clips"], "File 'clips' is a directory"),
        (["rnu", "demo"], "No such command 'rnu'"),
        (["verify"], "Missing argument"),
    ],
)
def test_a_word_that_cannot_be_understood_ends_with_2_and_points_to_the_help(here, words, cause):
    done = mer(*words)
    assert done.exit_code == 2
    assert cause in done.stderr.splitlines()[-1]
    assert "--help" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "cause"),
    [
        (["clips/own.csv", "--root", "nowhere"], 1, "nowhere: no such folder"),
        (["clips/own.csv", "--root", "file"], 1, "file: no such folder"),
        (["clips/own.csv", "--root", ""], 2, "--root : names no folder"),
        (["clips/own.csv", "--root", "own="], 2, "--root own=: names no folder"),
        (["samm"], 1, "data/samm: no such folder"),
        (["clips"], 2, "no dataset 'clips'"),
        (["clips/b\udcff.csv"], 2, r"b\udcff.csv: its name is not UTF-8"),
        (["clips/\x1b[2J.csv"], 1, r"clips/\x1b[2J.csv: no such manifest"),
        (["folder.csv"], 1, "Is a directory: 'folder.csv'"),
        (["clips/own.csv", "--out", "file/below"], 1, "'file'"),
        (["clips/own.csv", "--out", "/proc/nowhere"], 1, "'/proc/nowhere'"),
    ],
)
def test_a_place_that_is_not_there_or_of_another_kind_is_named(here, words, code, cause):
    done = run(*words)
    assert done.exit_code == code
    assert cause in told(done)[0]


@pytest.mark.parametrize(
    ("recipe", "code", "cause"),
    [
        ("folder.toml", 1, "Is a directory: 'folder.toml'"),
        ("clips", 2, "no recipe 'clips'"),
        ("latin.toml", 1, "latin.toml: not TOML"),
        ("file.toml", 1, "file.toml: no such recipe"),
        ("", 2, "no recipe ''"),
    ],
)
def test_what_is_no_recipe_is_named(here, recipe, code, cause):
    done = run("clips/own.csv", recipe=recipe)
    assert done.exit_code == code
    assert cause in told(done)[0]


@pytest.mark.parametrize("cache", ["file", "/proc/nowhere"])
def test_a_cache_that_is_a_file_or_cannot_be_written_is_named(here, monkeypatch, cache):
    monkeypatch.setenv("MER_CACHE", cache)
    done = run("clips/own.csv")
    assert done.exit_code == 1
    assert cache in told(done)[0]
    assert not list(here.rglob("*.h5"))


@pytest.mark.parametrize("out", ["clips", "clips/stores", "clips/../clips/s", "within", "within/s"])
def test_a_store_in_the_datasets_own_folder_is_refused_and_nothing_is_written(here, out):
    before = sorted((here / "clips").rglob("*"))
    for root in ("clips", "own=clips", f"{here}/clips/a/.."):
        done = run("clips/own.csv", "--root", root, "--out", out)
        assert done.exit_code == 2
        cause, remedy = told(done)
        assert f"--out {out} lies inside the dataset's folder" in cause
        assert "elsewhere" in remedy
    assert sorted((here / "clips").rglob("*")) == before


def test_a_known_dataset_in_its_usual_place_gets_no_store_either(here):
    done = mer("run", "samm", "--out", "data/samm/stores")
    assert done.exit_code == 2
    assert "lies inside the dataset's folder data/samm" in told(done)[0]


def test_a_folder_that_only_begins_like_the_datasets_may_hold_stores(here):
    assert run("clips/own.csv", "--root", "clips", "--out", "clips-stores").exit_code == 0


def test_clips_manifest_and_stores_of_ones_own_may_share_a_folder(here):
    os.chdir(here / "clips")
    assert run("own.csv", recipe="../r.toml").exit_code == 0
    assert (here / "clips" / "stores" / "own" / "r.h5").is_file()


def test_paths_may_be_relative_and_roundabout(here):
    done = run("clips/a/../own.csv", "--root", "./clips/a/..", "--out", "x/../stores")
    assert done.exit_code == 0, done.stderr
    assert (here / "stores" / "own" / "r.h5").is_file()


def test_a_folder_may_have_an_equals_sign_in_its_name(here):
    (here / "clips").rename(here / "x=")
    assert run("x=/own.csv", "--root", "./x=").exit_code == 0


def test_names_may_be_of_any_alphabet_and_may_begin_with_a_dash(here):
    (here / "clips" / "-Gül 表情.csv").write_text(SHEET)
    os.chdir(here / "clips")
    words = ["run", "--recipe", "../r.toml", "--workers", "0", "--out", "../-ü"]
    done = mer(*words, "--", "-Gül 表情.csv")
    assert done.exit_code == 0, done.stderr
    with Store(here / "-ü" / "-Gül 表情" / "r.h5") as store:
        assert list(store.index["sample_id"]) == ["-s"]
        assert store.attrs["dataset"] == "-Gül 表情"


def test_a_mistake_typed_at_a_real_terminal_is_two_lines_and_no_traceback(here):
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import cli; cli()", "run", b"clips/b\xff.csv"],
        capture_output=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().splitlines() == [
        r"error: clips/b\udcff.csv: its name is not UTF-8",
        "  rename it",
    ]
