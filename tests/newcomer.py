"""What a newcomer has and types: used by the tests of the README and of the documentation."""

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.datasets import demo
from pipeline.manifest import Sample
from tests.movies import write_video
from tests.releases import workbook

ROOT = Path(__file__).parents[1]


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and content of every fenced block, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.S | re.M)


def commands(block: str) -> list[str]:
    return [line.split(" #")[0].strip() for line in block.splitlines() if line]


def shortened(command: str, home: Path) -> str:
    """The same command, as it can be tried here: a copy of SAMM, two epochs, no start of Dask."""
    if command.startswith("make "):
        return f"make -n -C {ROOT} {command.removeprefix('make ')}"
    short = command.removeprefix(".venv/bin/").replace("/data/SAMM", str(home / "SAMM"))
    if short.startswith("mer-train --features"):
        short += " --seeds 1 --workers 1 --folds-at-once 1"
        short += "" if "svm_" in short else " --epochs 2"  # an SVM has none
    short = short.replace(" --workers 8", "")
    local = "--workers" not in short and "--scheduler" not in short
    if short.startswith(("mer-features run", "mer-features report")) and local:
        short += " --workers 0"
    if short.startswith("dask "):  # a worker is one process, which can be ended
        short = short.replace("--nworkers 8", "--no-nanny")
    if "docs/slurm.py" in short:  # Slurm's part is played by this machine
        short = short.replace("docs/slurm.py --jobs 20", f"{ROOT}/docs/slurm.py --jobs 1")
        short = short.replace("run samm", "--kind local --interface lo run samm")
    return short


def run(command: str, home: Path, code: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """What becomes of a command; `code` is the folder whose merkit it runs."""
    return subprocess.run(
        command, shell=True, executable="/bin/bash", cwd=home, capture_output=True, text=True,
        check=False,
        env={**os.environ, "MER_DATA": str(home / "data"), "PYTHONPATH": str(code)},
    )  # fmt: skip


def furnish(home: Path, demo_root: Path) -> None:
    """What a reader has: the demo, some clips, copies of three datasets, own arrays."""
    shutil.copytree(demo_root, home / "data" / "demo")
    samples = demo.read(demo_root).samples
    for k, sample in enumerate(samples[:2]):
        (home / "clips" / f"person{k}").mkdir(parents=True)
        video = home / "clips" / f"person{k}" / "smile.avi"
        write_video(video, (np.asarray(image) for _, image in pictures(demo_root, sample)))
    ourlab(home / "ourlab", demo_root, samples[:2])
    samples = samples[1::2]  # happiness and surprise of both people
    samm(home / "SAMM", demo_root, samples)
    (home / "data" / "samm").symlink_to(home / "SAMM")
    casme2(home / "data" / "casme2", demo_root, samples)
    smic(home / "data" / "smic", demo_root, samples)
    elsewhere(home / "mine")


def ourlab(root: Path, demo_root: Path, samples: Sequence[Sample]) -> None:
    root.mkdir()
    with (root / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "person", "onset", "apex", "offset", "emotion"])
        for sample in samples:
            shutil.copytree(demo_root / sample.path, root / sample.sample_id)
            frames = [sample.onset, sample.apex, sample.offset]
            writer.writerow([sample.sample_id, sample.subject, *frames, sample.emotion])


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
