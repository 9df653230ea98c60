"""The gallery: every feature there is, with its picture, and none in the repository."""

import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from docs.gallery import make
from features import base

ROOT = Path(__file__).parents[1]
SHOWN = [name for name in base.names() if base.load(name).read is None]  # no weights to bring


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    assert make(folder, size=64) == SHOWN
    return folder


def sections(folder: Path) -> dict[str, str]:
    _, *parts = re.split(r"^## ", (folder / "README.md").read_text(), flags=re.M)
    return {part.splitlines()[0]: part for part in parts}


def test_every_feature_is_told_with_its_shape_units_and_convention(made):
    found = sections(made)
    assert sorted(found) == SHOWN
    assert "**(2, 64, 64)** channel y x, in px." in found["flow"]
    for name, text in found.items():
        assert base.load(name).convention[1:] in text, name
        assert ("A person can be recognised" in text) == base.load(name).sensitive, name


def test_every_picture_named_is_there_and_every_picture_there_is_named(made):
    named = set(re.findall(r"!\[.*?\]\((.*?)\)", (made / "README.md").read_text()))
    assert named == {path.name for path in made.glob("*.png")}
    assert named == {f"{name}.png" for name in ["onset_apex", *SHOWN]} - {"apex.png"}
    for name in named:
        with Image.open(made / name) as image:
            assert min(image.size) > 200


def test_a_number_is_told_in_words(made):
    assert re.search(r"Here: 1\d\.", sections(made)["apex"])  # true: 11 frames after the onset


def test_what_it_makes_is_ignored_by_git():
    for name in ("docs/gallery/flow.png", "docs/gallery/README.md"):
        done = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False)
        assert done.returncode == 0, name
    done = subprocess.run(["git", "check-ignore", "-q", "docs/gallery.py"], cwd=ROOT, check=False)
    assert done.returncode == 1
