"""Every command and every snippet of the README, as a newcomer would type it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from PIL import Image

from pipeline.datasets import demo
from tests.movies import write_video

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.S)


COMMANDS = [
    line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines() if line
]


@pytest.fixture
def home(demo_root, tmp_path: Path) -> Path:
    """A folder with what the README's user has: the demo, a copy of SAMM, some clips."""
    shutil.copytree(demo_root, tmp_path / "data" / "demo")
    samm, clips = tmp_path / "SAMM", tmp_path / "clips"
    clips.mkdir()
    sheet = openpyxl.Workbook()
    names = "Subject Filename|Inducement Code|Onset Frame|Apex Frame|Offset Frame|Duration|Micro"
    names += "|Action Units|Estimated Emotion|Objective Classes|Notes"
    sheet.active.append(names.replace(" Filename", "|Filename").split("|"))
    for k, sample in enumerate(demo.read(demo_root).samples):
        subject = f"9{sample.subject}"
        clip = f"{subject}_1_{k}"
        folder = samm / "SAMM" / subject / clip
        folder.mkdir(parents=True)
        frames = sorted((demo_root / sample.path).iterdir(), key=lambda p: int(p.stem[3:]))
        for path in frames:
            number = int(path.stem[3:])
            Image.open(path).convert("L").save(folder / f"{subject}_{number:04d}.jpg", quality=97)
        row = [subject, clip, 1, sample.onset, sample.apex, sample.offset, None, "Micro - 1/2"]
        sheet.active.append([*row, "12", sample.emotion.capitalize(), 1, None])
        if k < 2:
            (clips / f"person{k}").mkdir()
            pictures = (np.asarray(Image.open(path)) for path in frames)
            write_video(clips / f"person{k}" / "smile.avi", pictures)
    sheet.save(samm / "SAMM_Micro_FACS_Codes_v2.xlsx")
    return tmp_path


def run(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, shell=True, cwd=home, capture_output=True, text=True, check=False,
        env={**os.environ, "MER_DATA": str(home / "data")},
    )  # fmt: skip


def test_every_command_runs(home):
    for command in COMMANDS:
        if command.startswith("make "):
            done = run(f"make -n -C {ROOT} {command.removeprefix('make ')}", home)
            assert "mer-" in done.stdout or "pytest" in done.stdout
        else:
            short = command.replace("/data/SAMM", str(home / "SAMM"))
            if command.startswith("mer-train"):
                short += " --epochs 2 --seeds 1"
            done = run(short, home)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert (home / "stores" / "samm" / "flow.h5").is_file()
    assert (home / "stores" / "clips" / "flow.h5").is_file()


def test_the_snippet_reads_a_store_with_h5py_alone(home):
    assert run("mer-features run demo", home).returncode == 0
    (snippet,) = blocks("python")
    (home / "snippet.py").write_text(snippet)
    done = run("python snippet.py", home)
    assert done.stdout.startswith("(8, 2, 224, 224) b'px'"), done.stderr
    assert run("mer-features verify stores/demo/flow.h5", home).returncode == 0


def test_commands_in_the_text_name_real_commands_options_and_targets():
    from pipeline.cli import cli as features
    from train.cli import cli as train

    options = {o for c in features.commands.values() for p in c.params for o in p.opts}
    options |= {o for p in train.params for o in p.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) <= options
    assert set(re.findall(r"mer-features (\w+)", TEXT)) <= set(features.commands)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"`?make ([a-z]+)", TEXT)) <= targets


def test_paths_in_the_text_exist():
    for path in re.findall(r"`((?:pipeline|features|train)/[\w/.]*)`", TEXT):
        assert (ROOT / path).exists(), path
