"""Files made to hurt whoever opens them: each is refused before a value is read.

Whether a file outside was read is asked of the kernel: an inotify watch on it tells every open,
which no mount option (unlike the time of last access) can hide. Each way out is first shown to be
open: plain h5py, given the same file, does reach the canary.
"""

import ctypes
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from features.console import INTEGRITY, MerError
from features.migrate import migrate
from features.store import Store
from tests.tiny_store import row, tiny_store

OPENED = 0x20 | 0x1 | 0x2  # IN_OPEN, IN_ACCESS, IN_MODIFY
FILTER = 317  # no filter of HDF5's, nor one it could know
ROOT = Path(__file__).parents[2]


class Watch:
    """What the kernel says happened to one file."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.handle = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self.handle, os.fsencode(path), OPENED) > 0

    def events(self) -> int:
        try:
            return len(os.read(self.handle, 65536)) // struct.calcsize("iIII")
        except BlockingIOError:
            return 0


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples = [row(f"s{n}", f"p{n}", "joy") for n in range(3)]

    def small(sample: dict) -> dict[str, np.ndarray]:
        return {"flow": np.ones((2, 4, 5)), "strain": np.ones((1, 4, 5))}

    return tiny_store(tmp_path_factory.mktemp("good") / "s.h5", samples, make=small)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """Another store's file, which is also a readable HDF5."""
    path = tmp_path / "elsewhere" / "canary.h5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["x"] = np.array([b"secret"] * 3, h5py.string_dtype("utf-8", 6))
        file["plane"] = np.ones((3, 2, 4, 5), "f2")
    before = path.read_bytes()
    yield path
    assert path.read_bytes() == before


def instead(file: h5py.File, name: str, **made: object) -> h5py.Dataset:
    """The dataset of that name, made anew; what is not said stays."""
    old = file[name]
    given = {"shape": old.shape, "dtype": old.dtype, "data": None, **made}
    attrs = {key: (value, old.attrs.get_id(key).dtype) for key, value in old.attrs.items()}
    if given["data"] is None and "dcpl" not in made and "chunks" not in made:
        given["data"] = old[()].astype(given["dtype"])
    del file[name]
    new = file.create_dataset(name, **given)
    for key, (value, dtype) in attrs.items():
        new.attrs.create(key, value, dtype=dtype)
    return new


def external_absolute(file: h5py.File, canary: Path) -> None:
    del file["index/clip"]
    file["index/clip"] = h5py.ExternalLink(str(canary), "/x")


def external_relative(file: h5py.File, canary: Path) -> None:
    del file["index/clip"]
    file["index/clip"] = h5py.ExternalLink("elsewhere/canary.h5", "/x")


def external_group(file: h5py.File, canary: Path) -> None:
    del file["features"]
    file["features"] = h5py.ExternalLink(str(canary), "/")


def soft_loop(file: h5py.File, canary: Path) -> None:
    del file["index/clip"], file["index/emotion"]
    file["index/clip"] = h5py.SoftLink("/index/emotion")
    file["index/emotion"] = h5py.SoftLink("/index/clip")


def soft_dangling(file: h5py.File, canary: Path) -> None:
    del file["features/flow"]
    file["features/flow"] = h5py.SoftLink("/nowhere")


def soft_to_another_column(file: h5py.File, canary: Path) -> None:
    del file["index/emotion"]
    file["index/emotion"] = h5py.SoftLink("/index/clip")


def raw_column(file: h5py.File, canary: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_external(os.fsencode(canary), 0, 1000)
    instead(file, "index/onset", dcpl=plist)


def raw_feature(file: h5py.File, canary: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_external(os.fsencode(canary), 0, 1000)
    instead(file, "features/flow", dcpl=plist)


def virtual(file: h5py.File, canary: Path) -> None:
    layout = h5py.VirtualLayout((3, 2, 4, 5), "f2")
    layout[:] = h5py.VirtualSource(canary, "plane", (3, 2, 4, 5))
    file.create_virtual_dataset("made", layout)
    for name, value in file["features/flow"].attrs.items():
        dtype = file["features/flow"].attrs.get_id(name).dtype
        file["made"].attrs.create(name, value, dtype=dtype)
    del file["features/flow"]
    file.move("made", "features/flow")


def unknown_filter(file: h5py.File, canary: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_filter(FILTER, h5py.h5z.FLAG_OPTIONAL, (1,))
    plist.set_chunk((1, 2, 4, 5))
    flow = instead(file, "features/flow", dcpl=plist)
    for n in range(3):
        flow.id.write_direct_chunk((n, 0, 0, 0), bytes(80))


def lzf(file: h5py.File, canary: Path) -> None:
    instead(file, "features/flow", chunks=(1, 2, 4, 5), compression="lzf")[...] = 1


def four_tebibytes(file: h5py.File, canary: Path) -> None:
    flow = instead(file, "features/flow", shape=(3, 2, 2**20, 2**18), chunks=(1, 2, 2**14, 2**14))
    assert flow.nbytes > 2**41


def six_gibibytes(file: h5py.File, canary: Path) -> None:
    instead(file, "features/flow", shape=(3, 2**30), chunks=(1, 2**30))


def a_gibibyte_of_zeros(file: h5py.File, canary: Path) -> None:
    plane = 2**30 // 3 // 4
    flow = instead(
        file, "features/flow", shape=(3, plane), dtype="f4", chunks=(1, plane), compression="gzip"
    )
    press = zlib.compressobj(1)
    chunk = b"".join(press.compress(bytes(4 * plane // 64)) for _ in range(64))
    chunk += press.compress(bytes(4 * plane - 64 * (4 * plane // 64))) + press.flush()
    for n in range(3):
        flow.id.write_direct_chunk((n, 0), chunk)


def many_rows(file: h5py.File, canary: Path) -> None:
    for name in file["index"]:
        column = file["index"][name]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
        instead(file, f"index/{name}", shape=(2**31,), dtype=column.dtype, dcpl=plist)


def vlen_text(file: h5py.File, canary: Path) -> None:
    instead(file, "index/clip", dtype=h5py.string_dtype(), data=["a", "b", "c"])


def vlen_numbers(file: h5py.File, canary: Path) -> None:
    column = instead(file, "index/onset", dtype=h5py.vlen_dtype("i4"), chunks=(1,))
    column[0] = [1]


def references(file: h5py.File, canary: Path) -> None:
    instead(file, "index/onset", dtype=h5py.ref_dtype, data=[file["features"].ref] * 3)


def compound(file: h5py.File, canary: Path) -> None:
    dtype = np.dtype([("a", "<i2"), ("b", "<i2")])
    instead(file, "index/onset", dtype=dtype, data=np.zeros(3, dtype))


def enum(file: h5py.File, canary: Path) -> None:
    instead(file, "index/onset", dtype=h5py.enum_dtype({"A": 0, "B": 1}, "i4"))


def big_endian(file: h5py.File, canary: Path) -> None:
    instead(file, "features/flow", dtype=">f2", chunks=(1, 2, 4, 5))[...] = 1


def named_type(file: h5py.File, canary: Path) -> None:
    made = h5py.h5t.py_create(np.dtype("<i4"))
    made.commit(file.id, b"mine")
    space = h5py.h5s.create_simple((3,))
    del file["index/onset"]
    h5py.h5d.create(file["index"].id, b"onset", made, space)
    file["index/onset"][...] = 1
    del file["mine"]


def ascii_text(file: h5py.File, canary: Path) -> None:
    instead(file, "index/clip", dtype=h5py.string_dtype("ascii", 4), data=[b"a", b"b", b"c"])


def thousands_of_attributes(file: h5py.File, canary: Path) -> None:
    for n in range(3000):
        file["features/flow"].attrs[f"a{n}"] = n


def a_huge_attribute(file: h5py.File, canary: Path) -> None:
    file.attrs["recipe"] = np.zeros(2**27, np.uint8)


def a_long_attribute(file: h5py.File, canary: Path) -> None:
    del file.attrs["recipe"]
    file.attrs.create("recipe", b"{}", dtype=h5py.string_dtype("utf-8", 2**20))


def an_attribute_of_references(file: h5py.File, canary: Path) -> None:
    del file.attrs["key"]
    file.attrs["key"] = file["features"].ref


def an_attribute_of_variable_length(file: h5py.File, canary: Path) -> None:
    del file.attrs["key"]
    file.attrs["key"] = "k"


def an_attribute_of_several_values(file: h5py.File, canary: Path) -> None:
    del file["features/flow"].attrs["revision"]
    file["features/flow"].attrs["revision"] = np.arange(1000)


def a_foreign_attribute(file: h5py.File, canary: Path) -> None:
    del file.attrs["key"]
    file.attrs["kez"] = 1


def an_attribute_on_a_column(file: h5py.File, canary: Path) -> None:
    file["index/clip"].attrs["x"] = 1


def extra_group(file: h5py.File, canary: Path) -> None:
    file.create_group("more")


def extra_column(file: h5py.File, canary: Path) -> None:
    file["index/more"] = [1, 2, 3]


def missing_column(file: h5py.File, canary: Path) -> None:
    del file["index/subject"]


def missing_digests(file: h5py.File, canary: Path) -> None:
    del file["digests/strain"]


def deep_nesting(file: h5py.File, canary: Path) -> None:
    group = file["features"]
    for _ in range(500):
        group = group.create_group("deeper")


def hard_link_cycle(file: h5py.File, canary: Path) -> None:
    file["features/loop"] = file["/"]


def one_dataset_of_two_names(file: h5py.File, canary: Path) -> None:
    del file["features/strain"], file["digests/strain"]
    file["features/strain"] = file["features/flow"]
    file["digests/strain"] = file["digests/flow"]


def thousands_of_features(file: h5py.File, canary: Path) -> None:
    for n in range(3000):
        file["features"].create_group(f"f{n}")


def an_unprintable_feature(file: h5py.File, canary: Path) -> None:
    file.move("features/flow", "features/fl\x1b[2Jow")


def columns_of_two_lengths(file: h5py.File, canary: Path) -> None:
    instead(file, "index/onset", shape=(2,), data=np.arange(2, dtype="<i4"))


def digests_of_another_width(file: h5py.File, canary: Path) -> None:
    texts = [b"0" * 31] * 3
    instead(file, "digests/flow", dtype=h5py.string_dtype("utf-8", 31), data=texts)


def no_value_at_all(file: h5py.File, canary: Path) -> None:
    del file["index/sample_id"]
    file["index/sample_id"] = h5py.Empty(h5py.string_dtype("utf-8", 2))


def a_sample_never_written(file: h5py.File, canary: Path) -> None:
    flow = instead(file, "features/flow", chunks=(1, 2, 4, 5))
    flow.id.write_direct_chunk((1, 0, 0, 0), bytes(80))


def a_column_never_written(file: h5py.File, canary: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    instead(file, "index/onset", dcpl=plist)


def a_column_in_chunks(file: h5py.File, canary: Path) -> None:
    instead(file, "index/onset", chunks=(3,))[...] = 1


def a_feature_that_can_grow(file: h5py.File, canary: Path) -> None:
    made = {"chunks": (1, 2, 4, 5), "maxshape": (None, 2, 4, 5)}
    instead(file, "features/flow", **made)[...] = 1


def a_feature_in_one_piece(file: h5py.File, canary: Path) -> None:
    instead(file, "features/flow", data=np.ones((3, 2, 4, 5), "f2"))


OUTSIDE = [external_absolute, external_relative, raw_column, raw_feature, virtual]
KINDS: dict[Callable[[h5py.File, Path], None], str] = {
    external_absolute: "'clip' is a link into another file",
    external_relative: "'clip' is a link into another file",
    external_group: "'features' is a link into another file",
    soft_loop: "is a soft link",
    soft_dangling: "'flow' is a soft link",
    soft_to_another_column: "'emotion' is a soft link",
    raw_column: "onset has its data in another file",
    raw_feature: "flow has its data in another file",
    virtual: "flow is virtual",
    unknown_filter: f"flow needs filter {FILTER}",
    lzf: "flow needs filter 32000",
    four_tebibytes: "flow is not a chunk a sample",
    six_gibibytes: "flow declares 6442450944 bytes",
    a_gibibyte_of_zeros: "flow declares 1073741820 bytes",
    many_rows: "declares",
    vlen_text: "clip is text of variable length",
    vlen_numbers: "onset is not of type <i4",
    references: "onset is not of type <i4",
    compound: "onset is not of type <i4",
    enum: "onset is not of type <i4",
    big_endian: "flow is not of type float16 or float32",
    named_type: "onset has a type with a name",
    ascii_text: "clip is text of another encoding",
    thousands_of_attributes: "'flow' has 3005 attributes, not 5",
    a_huge_attribute: "bytes of attributes",
    a_long_attribute: "bytes of attributes",
    an_attribute_of_references: "'key' is no text",
    an_attribute_of_variable_length: "'key' is text of variable length",
    an_attribute_of_several_values: "'revision' is no single value",
    a_foreign_attribute: "attribute 'ke",
    an_attribute_on_a_column: "'clip' has 1 attributes, not 0",
    extra_group: "/ holds 6 names, at most 5",
    extra_column: "index holds 14 names, at most 13",
    missing_column: "index has no 'subject'",
    missing_digests: "digests has no 'strain'",
    deep_nesting: "'deeper' is no dataset",
    hard_link_cycle: "'loop' is no dataset",
    one_dataset_of_two_names: "'flow' has 2 names",
    thousands_of_features: "features holds 3002 names",
    an_unprintable_feature: r"features has a foreign 'fl\x1b[2Jow'",
    columns_of_two_lengths: "onset has shape (2,), not (3,)",
    digests_of_another_width: "digests/flow is 31 wide, a digest 32",
    no_value_at_all: "has shape None",
    a_sample_never_written: "flow has 1 chunks, not 3",
    a_column_never_written: "onset was never written",
    a_column_in_chunks: "onset is not contiguous",
    a_feature_that_can_grow: "flow can grow",
    a_feature_in_one_piece: "flow is not a chunk a sample",
}


def hostile(good: Path, folder: Path, kind: Callable, canary: Path) -> Path:
    path = folder / f"{kind.__name__}.h5"
    shutil.copyfile(good, path)
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        kind(file, canary)
    path.chmod(0o400)
    return path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_is_refused_in_one_line_and_no_other_file_is_opened(good, canary, tmp_path, kind):
    path = hostile(good, tmp_path, kind, canary)
    watch = Watch(canary)
    with pytest.raises(MerError) as caught:
        Store(path)
    assert KINDS[kind] in caught.value.cause
    assert caught.value.cause.startswith(f"{path}: ")
    assert "\n" not in caught.value.cause
    assert len(caught.value.cause) < 300 + len(str(path))
    assert caught.value.exit_code == INTEGRITY
    with pytest.raises(MerError):
        migrate(path, tmp_path / "new.h5")
    assert watch.events() == 0


@pytest.mark.parametrize("kind", OUTSIDE, ids=lambda kind: kind.__name__)
def test_h5py_alone_would_have_opened_the_other_file(good, canary, tmp_path, kind):
    path = hostile(good, tmp_path, kind, canary)
    watch = Watch(canary)
    with h5py.File(path, "r") as file:
        _ = [column[()] for group in ("index", "features") for column in file[group].values()]
    assert watch.events() > 0


def test_all_of_them_take_little_memory_and_little_time(good, canary, tmp_path):
    paths = [str(hostile(good, tmp_path, kind, canary)) for kind in KINDS]
    code = """
import json, resource, sys, time
from pathlib import Path
from features.console import MerError
from features.store import Store
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with Store(Path(sys.argv[1])) as store:
    store.load("flow")
before, worst, refused = peak(), 0.0, 0
for path in sys.argv[2:]:
    started = time.perf_counter()
    try:
        Store(Path(path))
    except MerError:
        refused += 1
    worst = max(worst, time.perf_counter() - started)
print(json.dumps([refused, (peak() - before) / 1024, worst]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(good), *paths],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    refused, mebibytes, worst = json.loads(done.stdout)
    assert refused == len(KINDS)
    assert mebibytes < 32
    assert worst < 2


PLUGIN = """
#include <stdio.h>
__attribute__((constructor)) static void ran(void) { fclose(fopen(CANARY, "w")); }
int H5PLget_plugin_type(void) { return 0; }
const void *H5PLget_plugin_info(void) { return 0; }
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A library that leaves a file behind when it is loaded; returns that file's path."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler to make a plug-in with")
    ran, folder = tmp_path / "ran", tmp_path / "plugins"
    folder.mkdir()
    (folder / "p.c").write_text(PLUGIN)
    subprocess.run(
        [compiler, "-shared", "-fPIC", f'-DCANARY="{ran}"', "-o", folder / "libp.so",
         folder / "p.c"], check=True,
    )  # fmt: skip
    return ran


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import h5py; h5py.File(path)['features/flow'][()]", True),
        ("import features.store, h5py; h5py.File(path)['features/flow'][()]", False),
        # as in the process of someone who had h5py already
        ("import h5py; from features.store import Store; Store(Path(path))", False),
    ],
)
def test_no_library_is_loaded_because_a_file_asks_for_it(
    good, canary, tmp_path, plugin, code, loaded
):
    path = hostile(good, tmp_path, unknown_filter, canary)
    bare = {k: v for k, v in os.environ.items() if k != "HDF5_PLUGIN_PRELOAD"}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; from pathlib import Path; path = sys.argv[1]; {code}",
         str(path)], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**bare, "HDF5_PLUGIN_PATH": str(tmp_path / "plugins")},
    )  # fmt: skip
    assert done.returncode != 0
    assert plugin.exists() == loaded, done.stderr


def test_a_repacked_store_is_read_and_still_sealed(good, tmp_path):
    path = tmp_path / "small.h5"
    shutil.copyfile(good, path)
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        made = {"compression": "gzip", "shuffle": True, "fletcher32": True}
        for name in ("features/flow", "features/strain"):
            values = file[name][()]
            instead(file, name, chunks=(1, *values.shape[1:]), **made)[...] = values
    with Store(path) as store, Store(good) as plain:
        assert store.verify() == []
        np.testing.assert_array_equal(store.load("flow"), plain.load("flow"))
        np.testing.assert_array_equal(store.read("strain", 2), plain.read("strain", 2))
        assert store.attrs == plain.attrs
