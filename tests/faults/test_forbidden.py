"""What has no place in the code, since other people's files would run it or be overwritten."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scenes import ROOT

FOLDERS = ("features", "pipeline", "train")
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
CALLS = {"eval", "exec", "read_hdf", "read_pickle", "to_pickle", "HDFStore"}
# What runs or trusts a foreign file when it is set so.
SETTINGS = {("allow_pickle", True), ("weights_only", False), ("processes", False)}
TEXTS = ("0.0.0.0",)
WRITES = "opens HDF5 for writing"


def called(node: ast.Call) -> str:
    return ast.unparse(node.func).rsplit(".", 1)[-1]


def opens_for_writing(node: ast.Call) -> bool:
    """Whether it is ``h5py.File(…, "w")``, or of a mode that cannot be read off."""
    if ast.unparse(node.func) not in ("h5py.File", "File"):
        return False
    modes = [word.value for word in node.keywords if word.arg == "mode"] or node.args[1:2]
    return not (modes and isinstance(modes[0], ast.Constant) and modes[0].value == "r")


def sins(source: str) -> Iterator[str]:
    """What a file does that it must not."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (text for text in TEXTS if text in node.value)
        elif isinstance(node, ast.Call):
            yield from sinful(node)


def sinful(node: ast.Call) -> Iterator[str]:
    """What a call does that it must not."""
    name, settings = called(node), {}
    for word in node.keywords:
        if isinstance(word.value, ast.Constant):
            settings[word.arg] = word.value.value
    if name in CALLS and not (name == "eval" and isinstance(node.func, ast.Attribute)):
        yield name  # but net.eval() puts a network into its mode for tests
    if ast.unparse(node.func) == "torch.load" and settings.get("weights_only") is not True:
        yield "torch.load without weights_only=True"
    yield from (f"{key}={value}" for key, value in SETTINGS if settings.get(key) is value)
    if opens_for_writing(node):
        yield WRITES


def files() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def test_nothing_runs_or_overwrites_what_other_people_give():
    assert len(files()) > 80
    found = [
        (path.relative_to(ROOT).parts[0], sin) for path in files() for sin in sins(path.read_text())
    ]
    assert found == [("features", WRITES)]  # the one place that writes a store, aside


def test_settings_of_the_environment_do_not_undo_it():
    words = re.compile("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD|HDF5_PLUGIN_PATH")
    assert [path for path in files() if words.search(path.read_text())] == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import os, marshal",
        "eval('1')",
        "exec(text)",
        "pandas.read_hdf(path)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=trusted)",
        "LocalCluster(processes=False)",
        "host = '0.0.0.0'",
        "address = 'tcp://0.0.0.0:8786'",
        "h5py.File(path, 'w')",
        "h5py.File(path, 'r+')",
        "h5py.File(path, mode='a')",
        "h5py.File(path, chosen)",
        "h5py.File(path)",
    ],
)
def test_it_would_be_noticed(source):
    assert list(sins(source)) != []


@pytest.mark.parametrize(
    "source",
    ["net.eval()", "h5py.File(path, 'r', locking=False)", "torch.load(p, weights_only=True)"],
)
def test_what_is_harmless_is_let_through(source):
    assert list(sins(source)) == []
