"""Every command and every snippet of the README, as a newcomer would type it."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from features.store import Store
from pipeline.datasets import demo
from pipeline.manifest import Sample
from tests.movies import write_video
from tests.releases import workbook

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.S)


COMMANDS = [
    line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines() if line
]


@pytest.fixture
def home(demo_root, tmp_path: Path) -> Path:
    """What the README's user has: the demo, some clips, copies of three datasets, own arrays."""
    shutil.copytree(demo_root, tmp_path / "data" / "demo")
    samples = demo.read(demo_root).samples
    for k, sample in enumerate(samples[:2]):
        (tmp_path / "clips" / f"person{k}").mkdir(parents=True)
        video = tmp_path / "clips" / f"person{k}" / "smile.avi"
        write_video(video, (np.asarray(image) for _, image in pictures(demo_root, sample)))
    samples = samples[1::2]  # happiness and surprise of both people
    samm(tmp_path / "SAMM", demo_root, samples)
    (tmp_path / "data" / "samm").symlink_to(tmp_path / "SAMM")
    casme2(tmp_path / "data" / "casme2", demo_root, samples)
    smic(tmp_path / "data" / "smic", demo_root, samples)
    elsewhere(tmp_path / "mine")
    return tmp_path


def elsewhere(folder: Path) -> None:
    folder.mkdir()
    (folder / "index.csv").write_text("sample_id,subject,emotion\na,p1,joy\nb,p2,fear\n")
    np.save(folder / "flow.npy", np.ones((2, 2, 28, 28)))
    np.save(folder / "strain.npy", np.ones((2, 1, 28, 28)))


def pictures(demo_root: Path, sample: Sample) -> Iterator[tuple[int, Image.Image]]:
    for number in range(sample.onset, sample.offset + 1):
        yield number, Image.open(demo_root / sample.path / f"img{number}.jpg")


def samm(root: Path, demo_root: Path, samples: Sequence[Sample]) -> None:
    titles = "Subject|Filename|Inducement Code|Onset Frame|Apex Frame|Offset Frame|Duration|Micro"
    rows = [(titles + "|Action Units|Estimated Emotion|Objective Classes|Notes").split("|")]
    for k, sample in enumerate(samples):
        subject = f"9{sample.subject}"
        clip = f"{subject}_1_{k}"
        folder = root / "SAMM" / subject / clip
        folder.mkdir(parents=True)
        for number, image in pictures(demo_root, sample):
            image.convert("L").save(folder / f"{subject}_{number:04d}.jpg", quality=97)
        frames = [sample.onset, sample.apex, sample.offset, None, "Micro - 1/2"]
        rows.append([subject, clip, 1, *frames, "12", sample.emotion.capitalize(), 1, None])
    workbook(root / "SAMM_Micro_FACS_Codes_v2.xlsx", {"MICRO_ONLY": rows})


def casme2(root: Path, demo_root: Path, samples: Sequence[Sample]) -> None:
    titles = "Subject|Filename||OnsetFrame|ApexFrame|OffsetFrame||Action Units|Estimated Emotion"
    rows = [[title or None for title in titles.split("|")]]
    for k, sample in enumerate(samples):
        clip = f"EP{k + 1:02d}_01"
        folder = root / "CASME2_RAW_selected" / f"sub{sample.subject}" / clip
        folder.mkdir(parents=True)
        for number, image in pictures(demo_root, sample):
            image.save(folder / f"img{number}.jpg", quality=97)
        frames = [None, sample.onset, sample.apex, sample.offset, None]
        rows.append([sample.subject, clip, *frames, 12, sample.emotion])
    workbook(root / "CASME2-coding-20190701.xlsx", {"Sheet1": rows})


def smic(root: Path, demo_root: Path, samples: Sequence[Sample]) -> None:
    names = {"happiness": ("positive", "po"), "surprise": ("surprise", "sur")}
    for k, sample in enumerate(samples):
        emotion, short = names.get(sample.emotion, ("negative", "ne"))
        person = f"s{int(sample.subject)}"
        folder = root / "HS" / person / "micro" / emotion / f"{person}_{short}_{k + 1:02d}"
        folder.mkdir(parents=True)
        for number, image in pictures(demo_root, sample):
            image.save(folder / f"image{number:06d}.bmp")


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
            short = command.removeprefix(".venv/bin/").replace("/data/SAMM", str(home / "SAMM"))
            if command.startswith("mer-train"):
                short += " --epochs 2 --seeds 1 --workers 1"
            if command.startswith(("mer-features run", "mer-features report")):
                short += " --workers 0" if "--workers" not in command else ""  # no start of Dask
            if "docs/slurm.py" in command:  # Slurm's part is played by this machine
                short = short.replace("docs/slurm.py --jobs 20", f"{ROOT}/docs/slurm.py --jobs 1")
                short = short.replace("run samm", "--kind local --interface lo run samm")
            done = run(short, home)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert (home / "stores" / "samm" / "flow.h5").is_file()
    assert (home / "stores" / "clips" / "flow.h5").is_file()
    assert (home / "mine" / "flow.h5").is_file()
    with Store(home / "stores" / "megc2019" / "flow.h5") as store:
        assert set(store.index["dataset"]) == {"casme2", "samm", "smic"}


def test_the_snippet_reads_a_store_with_h5py_alone(home):
    assert run("mer-features run demo", home).returncode == 0
    (snippet,) = blocks("python")
    (home / "snippet.py").write_text(snippet)
    done = run("python snippet.py", home)
    assert done.stdout.startswith("(8, 2, 224, 224) b'px'"), done.stderr
    assert run("mer-features verify stores/demo/flow.h5", home).returncode == 0


def test_the_recipe_in_the_text_makes_a_store(home):
    (text,) = blocks("toml")
    (home / "mine.toml").write_text(text)
    done = run("mer-features run demo --recipe mine.toml", home)
    assert done.returncode == 0, done.stderr
    with Store(home / "stores" / "demo" / "mine.h5") as store:
        assert store.features["back"]["shape"] == (8, 2, 128, 128)


def test_what_a_feature_can_be_made_of_is_told():
    from features.base import SOURCES

    told = TEXT.partition("can be made `of`:")[2].partition("or another")[0]
    assert set(re.findall(r"`(\w+)`", told)) == set(SOURCES) - {"fps", "places"}


def test_commands_in_the_text_name_real_commands_options_and_targets():
    from pipeline.cli import cli as features
    from train.cli import cli as train

    options = {
        o for c in features.commands.values() for p in c.params for o in p.opts + p.secondary_opts
    }
    options |= {o for p in train.params for o in p.opts}
    options |= set(re.findall(r'"(--[a-z-]+)"', (ROOT / "docs" / "slurm.py").read_text()))
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
