import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from features.console import INTEGRITY, NO_SPACE, MerError
from features.publish import Column, Content, publish
from features.store import Store

ROOT = Path(__file__).parents[1]
IDS = ["a_1", "b_2", "c_3"]
COLUMN = Column("px", "channel y x", "test", "{}", 1)


def content(ids: list[str] = IDS, **changes: object) -> Content:
    index = [
        {
            "sample_id": i, "dataset": "made", "subject": i[0], "clip": "é", "emotion": "joy",
            "action_units": "",
            "objective_class": "", "onset": 1, "apex": 2, "offset": 3, "fps": 200.0,
            "apex_source": "sheet",
        }
        for i in ids
    ]  # fmt: skip
    given = {
        "recipe": "{}", "key": "k", "dataset": "made", "dataset_fingerprint": "f",
        "code_version": "0", "index": index, "features": {"flow": COLUMN}, "failures": [],
        "provenance": {"counts": 3},
    }  # fmt: skip
    return Content(**{**given, **changes})


def array(sample_id: str, name: str) -> np.ndarray:
    return np.full((2, 4, 5), ord(sample_id[0]) / 100, np.float32)


def test_what_is_published_is_read_back_sorted_with_its_units(tmp_path):
    publish(tmp_path / "s.h5", content(IDS[::-1]), array)
    with Store(tmp_path / "s.h5") as store:
        assert list(store.index["sample_id"]) == IDS
        assert list(store.index["clip"]) == ["é"] * 3
        assert store.index["fps"].tolist() == [200.0] * 3
        assert store.features["flow"]["units"] == "px"
        assert store.features["flow"]["shape"] == (3, 2, 4, 5)
        assert store.load("flow").dtype == np.float16
        assert store.read("flow", 1).max() == np.float16(0.98)
        assert store.provenance == {"counts": 3}
        assert store.verify() == []


def test_h5py_alone_reads_it_a_chunk_a_sample_and_no_text_of_variable_length(tmp_path):
    failure = {"sample_id": "d", "stage": "read", "code": "truncated", "message": "cut"}
    publish(tmp_path / "s.h5", content(failures=[failure]), array)
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["features/flow"].chunks == (1, 2, 4, 5)
        assert file["features/flow"].compression is None
        assert file["failures/message"].asstr()[0] == "cut"
        assert file.attrs["format"] == b"merkit-store"
        seen = []
        file.visititems(lambda name, item: seen.append(item))
        types = [item.dtype for item in seen if isinstance(item, h5py.Dataset)]
        types += [np.asarray(v).dtype for item in [file, *seen] for v in item.attrs.values()]
        assert types
        assert all(h5py.check_string_dtype(t) is None or t.itemsize for t in types)
        assert not any(t.kind == "O" for t in types)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    publish(tmp_path / "a.h5", content(), array)
    publish(tmp_path / "b.h5", content(IDS[::-1]), array)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_write_that_dies_leaves_the_old_store_and_no_litter(tmp_path):
    publish(tmp_path / "s.h5", content(), array)
    before = (tmp_path / "s.h5").read_bytes()

    def dies(sample_id: str, name: str) -> np.ndarray:
        if sample_id == "b_2":
            raise RuntimeError("killed")
        return array(sample_id, name)

    with pytest.raises(RuntimeError, match="killed"):
        publish(tmp_path / "s.h5", content(), dies)
    assert os.listdir(tmp_path) == ["s.h5"]
    assert (tmp_path / "s.h5").read_bytes() == before


def test_only_its_owner_may_read_it_and_nobody_may_write_it(tmp_path):
    before = os.umask(0)
    try:
        publish(tmp_path / "in" / "s.h5", content(), array)
    finally:
        os.umask(before)
    assert (tmp_path / "in" / "s.h5").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "in").stat().st_mode & 0o777 == 0o700


def test_a_changed_bit_is_found_and_its_sample_named(tmp_path):
    path = tmp_path / "s.h5"
    publish(path, content(), array)
    with h5py.File(path) as file:
        place = file["features/flow"].id.get_chunk_info(1).byte_offset
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with Store(path) as store:
        assert store.verify() == ["b_2"]
        np.testing.assert_array_equal(store.read("flow", 0), array("a_1", "flow").astype("f2"))
        for refused in (lambda: store.read("flow", 1), lambda: store.load("flow")):
            with pytest.raises(MerError, match=f"{path}: flow of b_2 is damaged") as caught:
                refused()
            assert caught.value.exit_code == INTEGRITY
            assert "finished work is kept" in caught.value.remedy


def test_a_file_cut_short_under_an_open_store_is_refused(tmp_path):
    path = tmp_path / "s.h5"
    publish(path, content(), array)
    with Store(path) as store:
        path.chmod(0o600)
        os.truncate(path, int(store._offsets["flow"][2]) + 8)
        assert store.read("flow", 1).shape == (2, 4, 5)
        with pytest.raises(MerError, match="flow of c_3 is damaged"):
            store.read("flow", 2)
        assert store.verify() == ["c_3"]


def test_rows_are_counted_as_in_a_list_and_the_index_is_not_for_writing(tmp_path):
    publish(tmp_path / "s.h5", content(), array)
    with Store(tmp_path / "s.h5") as store:
        np.testing.assert_array_equal(store.read("flow", -1), store.read("flow", 2))
        with pytest.raises(IndexError):
            store.read("flow", 3)
        with pytest.raises(ValueError, match="read-only"):
            store.index["emotion"][0] = "fear"


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e6])
def test_what_float16_cannot_hold_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match="do not fit float16"):
        publish(tmp_path / "s.h5", content(), lambda i, n: np.full((2, 4, 5), value, np.float32))
    assert not list(tmp_path.iterdir())


def test_float16_keeps_a_hundredth_of_a_pixel_many_times_over(tmp_path):
    exact = np.random.default_rng(0).uniform(-4, 4, (2, 40, 50)).astype(np.float32)
    publish(tmp_path / "s.h5", content(), lambda i, n: exact)
    with Store(tmp_path / "s.h5") as store:
        assert np.abs(store.read("flow", 0) - exact).max() <= 0.001


def not_a_store(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = 1


def newer(path: Path) -> None:
    fixed = h5py.string_dtype("utf-8", 12)
    with h5py.File(path, "w") as file:
        file.attrs["format"], file.attrs["schema"] = np.array("merkit-store", fixed), 99


def older_than_the_first(path: Path) -> None:
    newer(path)
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 0


def another_format(path: Path) -> None:
    newer(path)
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = np.array("merkit-stork", h5py.string_dtype("utf-8", 12))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no such store"),
        (lambda path: path.write_bytes(b"hello"), "no feature store, and no HDF5 file at all"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), "not readable as HDF5"),
        (not_a_store, "not a merkit-store"),
        (newer, "schema 99; this merkit reads schemas 1 to 2"),
        (older_than_the_first, "schema 0; this merkit reads schemas 1 to 2"),
        (another_format, "not a merkit-store .*merkit-stork"),
    ],
)
def test_anything_else_is_refused_in_one_line(tmp_path, make, words):
    make(tmp_path / "s.h5")
    with pytest.raises(MerError, match=words):
        Store(tmp_path / "s.h5")


def test_a_newer_store_is_for_a_newer_merkit_and_not_to_be_deleted(tmp_path):
    newer(tmp_path / "s.h5")
    with pytest.raises(MerError) as caught:
        Store(tmp_path / "s.h5")
    assert caught.value.exit_code == INTEGRITY
    assert caught.value.remedy.startswith("install a newer merkit")


@pytest.mark.parametrize("name", ["m.csv", "M.CSV", "page.html", "s.h5"])
def test_nobody_is_told_to_delete_what_never_was_a_store(tmp_path, name):
    path = tmp_path / name
    makers = [lambda path: path.write_text("subject,path\n<html>"), not_a_store, another_format]
    for make in makers[: 3 if name == "s.h5" else 1]:
        make(path)
        with pytest.raises(MerError, match=f"{name}: no feature store") as caught:
            Store(path)
        assert caught.value.exit_code == INTEGRITY
        assert "delete it" not in caught.value.remedy
        if path.suffix.lower() == ".csv":
            assert caught.value.remedy == f"make a store of it: mer-features run {path}"
        else:
            assert caught.value.remedy.startswith("give a store")


@pytest.mark.parametrize("left", [b"", b"\x89HDF\r", b"\x89HDF\r\n\x1a\n" + bytes(99), bytes(99)])
def test_what_is_left_of_a_store_may_be_deleted_and_made_again(tmp_path, left):
    path = tmp_path / "s.h5"
    path.write_bytes(left)
    with pytest.raises(MerError, match="not readable as HDF5") as caught:
        Store(path)
    assert caught.value.exit_code == INTEGRITY
    assert "delete it and run mer-features again" in caught.value.remedy


def test_a_feature_that_is_not_there_is_named_with_those_that_are(tmp_path):
    publish(tmp_path / "s.h5", content(), array)
    with Store(tmp_path / "s.h5") as store, pytest.raises(MerError, match="no feature 'gabor'"):
        store.load("gabor")


def test_arrays_of_two_shapes_are_refused_before_a_byte_is_in_the_wrong_place(tmp_path):
    def longer(sample_id: str, name: str) -> np.ndarray:
        return np.zeros((2 + (sample_id == "b_2"), 4, 5), np.float32)

    with pytest.raises(MerError, match=r"b_2: its flow is \(3, 4, 5\), that of a_1 \(2, 4, 5\)"):
        publish(tmp_path / "s.h5", content(), longer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ids": []}, "at least one sample, and each once"),
        ({"ids": ["a_1", "a_1"]}, "at least one sample, and each once"),
        ({"key": "k\0"}, "NUL"),
        ({"features": {"flow": replace(COLUMN, dtype="float64")}}, "float16 or float32"),
    ],
)
def test_what_no_reader_could_tell_apart_is_not_written(tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        publish(tmp_path / "s.h5", content(**changes), array)
    assert not list(tmp_path.iterdir())


def test_failures_in_any_order_give_the_same_bytes(tmp_path):
    failures = [
        {"sample_id": "d", "stage": "read", "code": code, "message": "m"} for code in ("y", "x")
    ]
    publish(tmp_path / "a.h5", content(failures=failures), array)
    publish(tmp_path / "b.h5", content(failures=failures[::-1]), array)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_file_and_folder_are_synced_around_the_renaming(tmp_path, monkeypatch):
    done = []

    def noted(name):
        really = getattr(os, name)

        def call(first, *rest):
            where = os.readlink(f"/proc/self/fd/{first}") if name == "fsync" else first
            done.append((name, Path(where).name))
            return really(first, *rest)

        monkeypatch.setattr(os, name, call)

    (tmp_path / "in").mkdir()
    for name in ("fsync", "replace"):
        noted(name)
    publish(tmp_path / "in" / "s.h5", content(), array)
    assert [name for name, _ in done] == ["fsync", "replace", "fsync"]
    assert done[0][1] == done[1][1] != "s.h5"
    assert done[2][1] == "in"


def test_a_sync_that_fails_publishes_nothing(tmp_path, monkeypatch):
    def fails(handle):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        publish(tmp_path / "s.h5", content(), array)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("lost", "found"), [(b"\xcd", b"\xce"), (b"joy", b"yoj")], ids=["an array", "a label"]
)
def test_a_disk_that_writes_otherwise_than_told_is_found_before_anything_is_published(
    tmp_path, monkeypatch, lost, found
):
    really = os.pwrite

    def lies(handle, data, place):
        return really(handle, bytes(data).replace(lost, found), place)

    monkeypatch.setattr(os, "pwrite", lies)
    ones = np.full((2, 4, 5), np.frombuffer(b"\xcd\x3c", "<f2")[0])
    with pytest.raises(MerError, match="reads back otherwise than written") as caught:
        publish(tmp_path / "s.h5", content(), lambda i, n: ones)
    assert caught.value.exit_code == INTEGRITY
    assert not list(tmp_path.iterdir())


def test_a_full_disk_ends_the_work_at_once(tmp_path, monkeypatch):
    really, asked = os.pwrite, []

    def full(handle, data, place):
        if len(asked) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(handle, data, place)

    def noted(sample_id, name):
        asked.append(sample_id)
        return array(sample_id, name)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(MerError, match="no space for the store") as caught:
        publish(tmp_path / "s.h5", content([f"{n:03}" for n in range(100)]), noted)
    assert caught.value.exit_code == NO_SPACE
    assert asked == ["000", "001"]
    assert not list(tmp_path.iterdir())


def test_an_interruption_while_hdf5_writes_is_told_as_such(tmp_path, monkeypatch):
    really, calls, stop = os.pwrite, [], []

    def interrupted(handle, data, place):
        calls.append(place)
        if [len(calls)] == stop:
            raise KeyboardInterrupt
        return really(handle, data, place)

    monkeypatch.setattr(os, "pwrite", interrupted)
    many = content([f"{n:02}" for n in range(40)])
    publish(tmp_path / "counted" / "s.h5", many, array)
    for when in range(1, len(calls) + 1):
        calls.clear()
        stop[:] = [when]
        with pytest.raises(KeyboardInterrupt):
            publish(tmp_path / "s.h5", many, array)
        assert os.listdir(tmp_path) == ["counted"]
    assert when > 60


LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from features.publish import publish
from features.store import Store
from tests.test_store import array, content
path = Path(sys.argv[2])
"""


def child(code: str, path: Path, *words: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", LIMITED + code, str(ROOT), str(path), *map(str, words)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_wherever_the_kernel_stops_writing_nothing_is_published_and_nothing_crashes(tmp_path):
    publish(tmp_path / "s.h5", content(), array)
    size = (tmp_path / "s.h5").stat().st_size
    code = """
import errno, os
many = 0
for most in range(0, int(sys.argv[3]), 211):
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        try:
            publish(path, content(), array)
        except OSError as error:
            os._exit(7 if error.errno == errno.EFBIG else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7, most
    assert list(path.parent.iterdir()) == []
    many += 1
print(many)
"""
    done = child(code, tmp_path / "empty" / "s.h5", size)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


@pytest.mark.slow
def test_a_store_larger_than_the_memory_is_written_checked_and_read(tmp_path):
    code = """
from features.console import INTEGRITY, NO_SPACE, MerError
import numpy as np
plane = np.ones((16, 512, 512), np.float32)  # 8 MiB as float16
ids = [f"{n:02}" for n in range(24)]
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 2**27, now + 2**27))
publish(path, content(ids), lambda sample_id, name: plane)
assert path.stat().st_size > 24 * 2**23
with Store(path) as store:
    assert store.verify() == []
    assert store.read("flow", 23).sum(dtype=float) == plane.size
    try:
        store.load("flow")
    except MerError as error:
        print(error.cause)
"""
    done = child(code, tmp_path / "s.h5")
    assert done.returncode == 0, done.stderr
    assert "no memory for the whole of flow" in done.stdout
