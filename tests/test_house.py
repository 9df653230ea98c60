"""The walls of the house: who may import whom, what is installed, what the tools say."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def imports(folder: str) -> set[str]:
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    ("folder", "never"),
    [
        ("features", {"pipeline", "train", "dask", "distributed", "torch", "mediapipe"}),
        ("pipeline", {"train", "torch", "sklearn"}),
        ("train", {"pipeline", "dask", "distributed", "mediapipe", "cv2", "av", "scipy"}),
    ],
)
def test_the_halves_meet_only_on_disk(folder, never):
    assert not imports(folder) & never


def test_features_do_not_know_each_other():
    from features import base

    for name in base.names():
        tree = ast.parse((ROOT / "features" / f"{name}.py").read_text())
        ours = [
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("features")
        ]
        others = {f"features.{other}" for other in base.names()}
        assert not set(ours) & others, name


def test_no_kernel_calls_a_kernel_of_another_file():
    """Numba's cache would keep the old one after the other file has changed."""
    files = [*(ROOT / "features").glob("*.py"), *(ROOT / "pipeline").rglob("*.py")]
    kernels, of_others = set(), {}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            if any("kernel" in ast.unparse(decorator) for decorator in node.decorator_list):
                kernels.add((path.stem, node.name))
                called = {n.func.id for n in ast.walk(node) if isinstance(n, ast.Call)
                          and isinstance(n.func, ast.Name)}  # fmt: skip
                of_others[path.stem, node.name] = called
    names = {name for _, name in kernels}
    for (stem, name), called in of_others.items():
        own = {n for s, n in kernels if s == stem}
        assert not (called & names) - own, f"{stem}.{name}"
    assert len(kernels) > 20


def test_what_is_installed_is_what_is_here():
    packages = PROJECT["tool"]["setuptools"]["packages"]
    here = {
        str(path.parent.relative_to(ROOT)).replace("/", ".")
        for top in ("features", "pipeline", "train")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert set(packages) == here


def test_the_three_names_are_ours_in_a_fresh_interpreter(tmp_path):
    code = (
        "import features, pipeline, train\nfor m in (features, pipeline, train): print(m.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(Path(name).is_relative_to(ROOT) for name in done.stdout.split())


def test_every_dependency_has_one_version_in_the_constraints():
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    wanted = [*PROJECT["project"]["dependencies"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        wanted += extra
    names = {spec.split(">")[0].split("<")[0].split("=")[0].strip().lower() for spec in wanted}
    assert names <= pinned


def test_no_dataset_store_or_face_is_in_the_repository():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    kinds = {".jpg", ".jpeg", ".png", ".bmp", ".avi", ".mp4", ".h5", ".xlsx", ".xls", ".npy"}
    assert not [name for name in listed if Path(name).suffix.lower() in kinds]


@pytest.mark.parametrize("tool", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]])
def test_the_tools_are_content(tool):
    done = subprocess.run(
        [sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
