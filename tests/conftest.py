"""What many tests share: a small demo dataset, a cache of its own, workers."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.datasets import demo
from pipeline.engine import Engine


@pytest.fixture(scope="session", autouse=True)
def commands_on_the_path() -> None:
    """mer-features and its kin as installed beside this Python, activated or not."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the cache of whoever runs it."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("MER_CACHE", str(cache))
    monkeypatch.delenv("MER_DATA", raising=False)
    monkeypatch.delenv("MER_LANDMARK_MODEL", raising=False)
    return cache


@pytest.fixture(scope="session")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects, four emotions, one take each: eight clips, all like the real demo's."""
    root = tmp_path_factory.mktemp("data") / "demo"

    def here(function, items, title):
        for item in items:
            function(item)

    demo.make(root, here, demo.plans(subjects=2, takes=1))
    return root


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Two real worker processes."""
    with Engine(workers=2) as engine:
        yield engine


@pytest.fixture(scope="session")
def landmark_model() -> Path:
    """A face_landmarker.task file, which merkit does not ship."""
    path = os.environ.get("MER_TEST_LANDMARK_MODEL")
    if not path:
        pytest.skip("MER_TEST_LANDMARK_MODEL names no face_landmarker.task")
    return Path(path)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch works on one thread, on which a fit's bits are the same each time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
