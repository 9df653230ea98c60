import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from features.console import MerError
from features.store import Column, Content, Store, publish

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
    with h5py.File(path, "w") as file:
        file.attrs["format"], file.attrs["schema"] = "merkit-store", 99


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no such store"),
        (lambda path: path.write_bytes(b"hello"), "not readable as HDF5"),
        (not_a_store, "not a merkit-store"),
        (newer, "schema 99; this merkit reads schema 1"),
    ],
)
def test_anything_else_is_refused_in_one_line(tmp_path, make, words):
    make(tmp_path / "s.h5")
    with pytest.raises(MerError, match=words):
        Store(tmp_path / "s.h5")


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
