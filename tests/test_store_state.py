"""The store against a dict: whatever is done to it, it gives what was published, or refuses."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from features.console import INTEGRITY, NO_SPACE, MerError
from features.migrate import migrate
from features.publish import Column, Content, publish
from features.store import Store
from tests.faults.test_old_stores import frozen_array, frozen_content, thaw
from tests.tiny_store import row

IDS = ("a", "b", "c", "d")
COLUMNS = {"flow": Column("px", "C H", "", "{}", 1), "strain": Column("px/px", "C H", "", "{}", 2)}
MEMORY = Path("/dev/shm")  # a disk's fsync would take most of the time


def array(sample_id: str, name: str) -> np.ndarray:
    return np.full((2, 3), ord(sample_id) + len(name) / 8, np.float32)


def content(ids: list[str], emotion: str, names: list[str]) -> Content:
    return Content(
        recipe="{}", key=emotion, dataset="made", dataset_fingerprint="f", code_version="0",
        index=[row(i, f"p{i}", emotion) for i in ids],
        features={name: COLUMNS[name] for name in names}, failures=[], provenance={"n": len(ids)},
    )  # fmt: skip


made = st.builds(
    content,
    st.lists(st.sampled_from(IDS), min_size=1, unique=True),
    st.sampled_from(["joy", "fear"]),
    st.lists(st.sampled_from(sorted(COLUMNS)), unique=True),
)


class Disk:
    """The operating system's pwrite, until it is told to fail or to write less than asked."""

    def __init__(self, fails_at: int = 0, code: int = 0, most: int = 2**31) -> None:
        self.fails_at, self.code, self.most, self.calls = fails_at, code, most, 0
        self.really = os.pwrite

    def pwrite(self, handle: int, data: memoryview, place: int) -> int:
        self.calls += 1
        if self.calls == self.fails_at:
            raise OSError(self.code, os.strerror(self.code))
        return self.really(handle, data[: self.most], place)


class StoreBesideADict(RuleBasedStateMachine):
    """`expected` is the dict; `whole` is whether the file was left alone since."""

    @initialize()
    def nothing_yet(self) -> None:
        base = MEMORY if MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(dir=base))
        self.path = self.folder / "s.h5"
        self.expected: tuple[Content, dict[str, dict[str, np.ndarray]]] | None = None
        self.whole = True
        self.schema = 2

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def now_holds(self, given: Content, read=array) -> None:
        ids = sorted(sample["sample_id"] for sample in given.index)
        self.expected = (
            given,
            {name: {i: read(i, name) for i in ids} for name in given.features},
        )
        self.whole, self.schema = True, 2

    @rule(given=made)
    def publish(self, given: Content) -> None:
        publish(self.path, given, array)
        self.now_holds(given)

    @rule(given=made, most=st.integers(1, 97))
    def publish_by_short_writes(self, given: Content, most: int) -> None:
        publish(self.folder / "full.h5", given, array)
        with patch("os.pwrite", Disk(most=most).pwrite):
            publish(self.path, given, array)
        assert self.path.read_bytes() == (self.folder / "full.h5").read_bytes()
        (self.folder / "full.h5").unlink()
        self.now_holds(given)

    @rule(
        given=made,
        fails_at=st.integers(1, 120),
        code=st.sampled_from([errno.ENOSPC, errno.EDQUOT, errno.EIO]),
    )
    def publish_to_a_failing_disk(self, given: Content, fails_at: int, code: int) -> None:
        before = self.path.read_bytes() if self.path.exists() else None
        disk = Disk(fails_at, code)
        failure = None
        with patch("os.pwrite", disk.pwrite):
            try:
                publish(self.path, given, array)
            except (MerError, OSError) as error:
                failure = error
        if disk.calls < fails_at:
            assert failure is None
            self.now_holds(given)
            return
        assert disk.calls == fails_at  # the first failure ends all writing
        assert (self.path.read_bytes() if self.path.exists() else None) == before
        if code == errno.EIO:
            assert isinstance(failure, OSError)
            assert failure.errno == code
        else:
            assert isinstance(failure, MerError)
            assert failure.exit_code == NO_SPACE

    @rule()
    def put_an_old_store_there(self) -> None:
        self.path.unlink(missing_ok=True)
        thaw(1, self.folder).rename(self.path)
        self.now_holds(frozen_content(), frozen_array)
        self.schema = 1

    @precondition(lambda self: self.expected and self.whole)
    @rule(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def change_a_bit(self, at: float, bit: int) -> None:
        # A label of schema 1 has nothing to check it by: its arrays are all there is to change.
        data = bytearray(self.path.read_bytes())
        places = range(len(data))
        if self.schema == 1:
            with Store(self.path) as store:
                start = int(store._offsets["flow"][0])
            places = range(start, start + 2 * 24)
        data[places[int(at * len(places))]] ^= 1 << bit
        self.path.chmod(0o600)
        self.path.write_bytes(data)
        self.whole = False

    @precondition(lambda self: self.expected and self.whole)
    @rule(at=st.floats(0, 1, exclude_max=True))
    def cut_it_short(self, at: float) -> None:
        self.path.chmod(0o600)
        os.truncate(self.path, int(at * self.path.stat().st_size))
        self.whole = False

    @contextmanager
    def refused_if_damaged(self) -> Iterator[None]:
        try:
            yield
        except MerError as error:
            if self.whole or error.exit_code != INTEGRITY:
                raise

    @precondition(lambda self: self.expected)
    @rule()
    def read_all(self) -> None:
        content, arrays = self.expected
        rows = sorted(content.index, key=lambda sample: sample["sample_id"])
        with self.refused_if_damaged(), Store(self.path) as store:
            for name in rows[0]:
                assert store.index[name].tolist() == [sample[name] for sample in rows]
            assert set(store.features) == set(content.features)
            assert store.provenance == content.provenance
            for name, of in arrays.items():
                with self.refused_if_damaged():
                    found = store.load(name)
                    wanted = np.stack([of[i] for i in sorted(of)]).astype(found.dtype)
                    np.testing.assert_array_equal(found, wanted)

    @precondition(lambda self: self.expected)
    @rule(pick=st.integers(0, 3))
    def read_one(self, pick: int) -> None:
        _, arrays = self.expected
        with self.refused_if_damaged(), Store(self.path) as store:
            for name, of in arrays.items():
                sample_id = sorted(of)[pick % len(of)]
                found = store.read(name, pick % len(of))
                np.testing.assert_array_equal(found, of[sample_id].astype(found.dtype))

    @precondition(lambda self: self.expected)
    @rule()
    def verify(self) -> None:
        _, arrays = self.expected
        with self.refused_if_damaged(), Store(self.path) as store:
            bad = store.verify()
            assert not (self.whole and bad)
            for row, sample_id in enumerate(store.index["sample_id"]):
                for name, of in arrays.items():
                    if sample_id not in bad:
                        found = store.read(name, row)
                        np.testing.assert_array_equal(found, of[sample_id].astype(found.dtype))

    @precondition(lambda self: self.expected and self.schema == 1)
    @rule()
    def make_it_new(self) -> None:
        new, before = self.folder / "new.h5", self.path.read_bytes()
        with self.refused_if_damaged():
            migrate(self.path, new)
        assert self.path.read_bytes() == before
        assert new.exists() >= self.whole
        if new.exists():
            new.replace(self.path)
            content, _ = self.expected
            noted = {**content.provenance, "migrated_from_schema": 1}
            self.now_holds(replace(content, provenance=noted), frozen_array)

    @invariant()
    def nothing_is_left_behind(self) -> None:
        if hasattr(self, "folder"):
            assert {path.name for path in self.folder.iterdir()} <= {"s.h5"}


def tried(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def test_whatever_is_done_a_store_gives_what_was_published_or_refuses():
    run_state_machine_as_test(StoreBesideADict, settings=tried(15))


@pytest.mark.faults
def test_whatever_is_done_two_hundred_times():
    run_state_machine_as_test(StoreBesideADict, settings=tried(200))
