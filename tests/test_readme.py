"""Every command and every snippet of the README, as a newcomer would type it."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from features.store import Store
from tests.newcomer import ROOT, blocks, commands, furnish, run, shortened

TEXT = (ROOT / "README.md").read_text()


def written_in(language: str) -> list[str]:
    return [block for name, block in blocks(TEXT) if name == language]


@pytest.fixture
def home(demo_root, tmp_path: Path) -> Path:
    furnish(tmp_path, demo_root)
    return tmp_path


def test_every_command_runs(home, monkeypatch):
    from pipeline.cli import cli as mer_features
    from train.cli import cli as mer_train
    from train.report import cli as mer_report

    here = {"mer-features": mer_features, "mer-train": mer_train, "mer-report": mer_report}
    monkeypatch.chdir(home)  # in this process: torch and MediaPipe are loaded once for all
    monkeypatch.setenv("MER_DATA", str(home / "data"))
    for command in [line for block in written_in("sh") for line in commands(block)]:
        short = shortened(command, home)
        if (name := short.split()[0]) in here:
            found = CliRunner().invoke(here[name], shlex.split(short)[1:])
            assert found.exit_code == 0, f"{command}\n{found.output}"
            continue
        done = run(short, home)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert (home / "stores" / "samm" / "flow.h5").is_file()
    assert (home / "stores" / "clips" / "flow.h5").is_file()
    with Store(home / "stores" / "megc2019" / "flow.h5") as store:
        assert set(store.index["dataset"]) == {"casme2", "samm", "smic"}


def test_the_snippet_reads_a_store_with_h5py_alone(home):
    assert run("mer-features run demo --workers 0", home).returncode == 0
    (snippet,) = written_in("python")
    (home / "snippet.py").write_text(snippet)
    done = run("python snippet.py", home)
    assert done.stdout.startswith("(8, 2, 224, 224) px {"), done.stderr
    assert run("mer-features verify stores/demo/flow.h5", home).returncode == 0


def test_commands_in_the_text_name_real_commands_options_and_targets():
    from pipeline.cli import cli as features
    from train.cli import cli as train

    options = {
        o for c in features.commands.values() for p in c.params for o in p.opts + p.secondary_opts
    }
    options |= {o for p in train.params for o in p.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) <= options
    assert set(re.findall(r"mer-features (\w+)", TEXT)) <= set(features.commands)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", TEXT, flags=re.M)) <= targets


def test_datasets_and_protocols_in_the_text_are_known():
    from features import protocol
    from pipeline.datasets import base

    known = TEXT.partition("Known by name:")[2].partition("; any")[0]
    assert set(re.findall(r"`(\w+)`", known)) == set(base.names()) - {"demo", "folder"}
    assert set(re.findall(r"--protocol ([\w-]+)", TEXT)) <= set(protocol.names())


def test_paths_in_the_text_exist():
    for path in re.findall(r"`((?:pipeline|features|train)/[\w/.]*)`", TEXT):
        assert (ROOT / path).exists(), path
