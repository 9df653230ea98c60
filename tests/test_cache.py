import os
import time

import numpy as np
import pytest

from features.disk import write_durably
from pipeline.cache import Cache, Digests, Kept

KEY = "ab" * 16


def test_an_array_comes_back_as_it_was(tmp_path):
    cache = Cache(tmp_path)
    for array in (np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.zeros((0, 3), np.uint8)):
        cache.put(KEY, Kept(array, ["two faces"]))
        kept = cache.get(KEY)
        assert kept.notes == ["two faces"]
        back = kept.array
        assert back.dtype == array.dtype
        assert (back == array).all()
        assert back.shape == array.shape


def test_what_was_never_put_is_not_there(tmp_path):
    assert not Cache(tmp_path).has(KEY)
    assert Cache(tmp_path).get(KEY) is None


def test_every_damaged_byte_is_noticed_and_the_shard_is_gone(tmp_path):
    cache = Cache(tmp_path)
    cache.put(KEY, Kept(np.arange(6, dtype=np.int16)))
    whole = cache.path(KEY).read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        cache.path(KEY).write_bytes(damaged)
        assert cache.get(KEY) is None, f"byte {place}"
        assert not cache.has(KEY)
    for length in range(len(whole)):
        cache.path(KEY).write_bytes(whole[:length])
        assert cache.get(KEY) is None, f"{length} bytes"


def test_faces_in_the_cache_are_for_their_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        Cache(tmp_path).put(KEY, Kept(np.zeros(3)))
    finally:
        os.umask(before)
    path = Cache(tmp_path).path(KEY)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.parent.stat().st_mode & 0o777 == 0o700


def test_a_write_that_fails_leaves_what_was_there_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_durably(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_durably(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_digest_is_remembered_until_the_file_changes(tmp_path):
    file = tmp_path / "frame.jpg"
    file.write_bytes(b"one")
    os.utime(file, (1e9, 1e9))
    memo = Digests(tmp_path, tmp_path)
    memo.remember(file, file.stat(), "d1", time.time_ns())
    memo.save()
    assert Digests(tmp_path, tmp_path).known(file) == "d1"
    file.write_bytes(b"three")
    assert Digests(tmp_path, tmp_path).known(file) is None


def test_a_file_written_just_now_is_not_remembered(tmp_path):
    file = tmp_path / "frame.jpg"
    file.write_bytes(b"one")
    memo = Digests(tmp_path, tmp_path)
    memo.remember(file, file.stat(), "d1", time.time_ns())
    memo.save()
    assert Digests(tmp_path, tmp_path).known(file) is None


def test_a_spoilt_memo_only_costs_time(tmp_path):
    memo = Digests(tmp_path, tmp_path)
    memo._path.parent.mkdir(parents=True)
    memo._path.write_text("{broken")
    assert Digests(tmp_path, tmp_path).known(tmp_path) is None
