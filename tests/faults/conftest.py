"""One shim, one set of clips and one warm process for all fault tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.forks import Forks, compile_shim
from tests.faults.scenes import Clips, Place, published, write_clips

SAMPLES, SIZE = 4, 28


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled faultfs.c."""
    return compile_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Four clips so small that a run takes milliseconds."""
    return write_clips(tmp_path_factory.mktemp("data") / "clips", SAMPLES, SIZE)


@pytest.fixture(scope="session")
def forks(shim: Path, clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """A warm process to fork commands from."""
    folder = tmp_path_factory.mktemp("forks")
    warm = Place(folder / "warm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MER_CACHE", str(warm.cache))
        with Forks(shim, folder, clips.run(warm.out)) as forks:
            yield forks


@pytest.fixture(scope="session")
def reference(clips: Clips, forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The store of the clips, as an undisturbed run makes it."""
    return made(clips, forks, Place(tmp_path_factory.mktemp("reference")))


def made(clips: Clips, forks: Forks, place: Place) -> bytes:
    """The bytes of the store that a run makes."""
    assert forks.run(clips.run(place.out), place.cache).code == 0
    store = published(place)
    assert store is not None
    return store


@pytest.fixture(scope="session")
def slow_clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Clips enough for two workers to be busy for a second or two."""
    return write_clips(tmp_path_factory.mktemp("slow") / "clips", 24, 112, "tvl1")


@pytest.fixture(scope="session")
def slow_reference(
    slow_clips: Clips, forks: Forks, tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    """The store of the slow clips, as an undisturbed run makes it."""
    return made(slow_clips, forks, Place(tmp_path_factory.mktemp("slow_reference")))
