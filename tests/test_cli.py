"""mer-features as typed: words, codes, speed."""

import re
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from click.testing import CliRunner

from features.console import Rim, RimCommand, words
from pipeline.cli import cli


def mer(*words: str):
    return CliRunner().invoke(cli, words)


def test_a_demo_that_is_there_becomes_a_store_and_the_second_run_is_idle(demo_root, tmp_path):
    words = ["run", "demo", "--root", str(demo_root), "--out", str(tmp_path), "--workers", "0"]
    first = mer(*words)
    assert first.exit_code == 0, first.output
    assert "8 samples, 8 computed" in first.stdout
    assert "workers, flow: read" in first.stdout
    second = mer(*words)
    assert "up to date, nothing to do; 8 samples, 0 computed" in second.stdout
    whole = mer("verify", str(tmp_path / "demo" / "flow.h5"))
    assert whole.exit_code == 0
    assert whole.stdout.endswith("8 samples, flow, strain: whole\n")


def test_a_store_in_which_people_can_be_recognised_says_so(demo_root, tmp_path):
    (tmp_path / "eight.toml").write_text(
        'features = ["tim"]\nsensitive = true\n[crop]\nsize = 32\n[tim]\nframes = 2\n'
    )
    words = ["--root", str(demo_root), "--recipe", str(tmp_path / "eight.toml")]
    done = mer("run", "demo", *words, "--out", str(tmp_path), "--workers", "0")
    assert done.exit_code == 0, done.stderr
    told = mer("verify", str(tmp_path / "demo" / "eight.h5"))
    assert "8 samples, tim: whole; people can be recognised in it" in told.stdout


def test_a_store_that_is_damaged_ends_with_4(tmp_path):
    (tmp_path / "s.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    done = mer("verify", str(tmp_path / "s.h5"))
    assert done.exit_code == 4
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["run", "demmo"], 2, "no dataset 'demmo'; did you mean 'demo'?"),
        (["run", "nowhere.csv"], 1, "nowhere.csv: no such manifest"),
        (["run", "samm", "--root", "/nowhere"], 1, "/nowhere: no such folder"),
        (["run", "demo", "--recipe", "flaw"], 2, "no recipe 'flaw'; did you mean 'flow'?"),
        (["run"], 2, "Missing argument 'DATASET...'"),
        (["run", "demo", "--workers", "-1"], 2, "--workers"),
        (["run", "demo", "--landmark-model", "no.task"], 1, "no.task: No such file"),
        (["manifest", "samm", "-o", __file__], 2, "is there already"),
        (["list", "wonders"], 2, "'wonders' is not one of"),
    ],
)
def test_a_mistake_is_told_in_a_line_with_its_remedy(words, code, told):
    done = mer(*words)
    assert done.exit_code == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_half_an_installation_says_which_half_is_missing():
    cause, remedy, code = words(ModuleNotFoundError("No module named 'cv2'", name="cv2"))
    assert (cause, code) == ("cv2 is not installed here", 1)
    assert "merkit[features]" in remedy


def test_a_traceback_is_shown_only_when_asked_for():
    assert "Traceback" in mer("--debug", "run", "demmo").stderr


@pytest.mark.slow  # ten seconds of patience
def test_a_scheduler_that_does_not_answer_is_named(demo_root, tmp_path):
    words = ["run", "demo", "--root", str(demo_root), "--out", str(tmp_path)]
    done = mer(*words, "--scheduler", "tcp://127.0.0.1:9")
    assert done.exit_code == 1
    assert "tcp://127.0.0.1:9: no Dask scheduler answers" in done.stderr


def test_names_from_a_manifest_cannot_command_the_terminal(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("subject,path,onset,apex,offset,fps\n1,\x1b[31mred,1,2,3,100\n")
    done = mer("run", str(path), "--out", str(tmp_path), "--workers", "0")
    assert done.exit_code == 1
    assert "\x1b" not in done.output
    assert "no sample could be used" in done.stderr


def test_lists_name_what_there_is():
    for what, some in [("datasets", "samm"), ("features", "strain"), ("recipes", "flow")]:
        assert some in mer("list", what).stdout


def test_a_manifest_of_the_demo_can_be_written_and_run(demo_root, tmp_path):
    sheet = tmp_path / "demo.csv"
    assert mer("manifest", "demo", "--root", str(demo_root), "-o", str(sheet)).exit_code == 0
    done = mer(
        "run", str(sheet), "--root", str(demo_root), "--out", str(tmp_path), "--workers", "0"
    )
    assert done.exit_code == 0, done.stderr
    assert "8 samples" in done.stdout


def commands():
    for script in entry_points(group="console_scripts"):
        if script.name.startswith("mer-"):
            command = script.load()
            yield script.name, command
            for name, inner in getattr(command, "commands", {}).items():
                yield f"{script.name} {name}", inner


def test_every_command_ends_its_help_with_an_example_and_its_errors_in_words():
    seen = dict(commands())
    assert {"mer-features run", "mer-train", "mer-report score"} <= seen.keys()
    for name, command in seen.items():
        assert re.search(r"\x08\nExamples?:\n", command.epilog), name
        assert name in command.epilog, name
    for name in ("mer-features", "mer-train", "mer-report"):
        assert isinstance(seen[name], Rim | RimCommand)


@pytest.mark.parametrize("name", ["mer-features", "mer-train", "mer-report"])
def test_help_needs_nothing_heavy(name):
    script = next(s for s in entry_points(group="console_scripts") if s.name == name)
    code = f"import sys, {script.module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    heavy = {
        "cv2", "dask", "distributed", "matplotlib", "mediapipe", "numba", "scipy", "sklearn",
        "torch",
    }  # fmt: skip
    assert not heavy & set(loaded)
    subprocess.run([name, "--help"], check=True, capture_output=True)
