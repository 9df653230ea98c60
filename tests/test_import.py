"""Arrays made elsewhere become a store like any other, or one line says why not."""

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner
from PIL import Image

from features import base
from features.store import Store
from pipeline import foreign
from pipeline.axes import CHANNELS, axes_of
from pipeline.cli import cli
from tests.tiny_store import arrays, rows
from train.cli import cli as mer_train

ROOT = Path(__file__).parents[1]
PEOPLE = [("a1", "p1", "anger"), ("a2", "p1", "fear"), ("b1", "p2", "anger"), ("b2", "p2", "fear")]
SIDE = 6


def mer(*words):
    return CliRunner().invoke(cli, [str(word) for word in words])


def write_index(folder: Path, table=PEOPLE, header="sample_id,subject,emotion") -> Path:
    path = folder / "index.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *table])
    return path


def flows(n=4, side=SIDE) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.5, (n, 2, side, side)).astype(np.float32)


def strains(n=4, side=SIDE) -> np.ndarray:
    return np.abs(np.random.default_rng(2).normal(0, 0.01, (n, 1, side, side)))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with an index of four and their flow, which one works in."""
    monkeypatch.chdir(tmp_path)
    write_index(tmp_path)
    np.save("flow.npy", flows())
    return tmp_path


def bring(*words, array="flow=flow.npy", to="flow.h5"):
    return mer("import", "index.csv", "--array", array, "-o", to, *words)


def refused(done, code, cause, remedy):
    """Two lines at the end, and nothing published."""
    assert done.exit_code == code, done.output
    first, second = done.stderr.splitlines()[-2:]
    assert first.startswith("error: ")
    assert cause in first
    assert remedy in second
    assert not Path("flow.h5").exists()


def stored(path="flow.h5", name="flow"):
    with Store(Path(path)) as store:
        assert store.verify() == []
        return store.load(name)


def written():
    told = Path("flow.h5").stat()
    return told.st_ino, told.st_mtime_ns


def failures(path="flow.h5"):
    lines = Path(path).with_suffix(".failures.jsonl").read_text().splitlines()
    return {one["sample_id"]: (one["code"], one["message"]) for one in map(json.loads, lines)}


def test_arrays_become_a_store_that_a_network_is_trained_and_tested_on(home):
    samples = [row for row in rows(subjects=2, clips=3) if row["emotion"] != "disgust"]
    table = [(row["sample_id"], row["subject"], row["emotion"]) for row in samples]
    order = np.random.default_rng(0).permutation(len(table))  # rows need not be sorted
    write_index(home, [table[k] for k in order])
    made = [arrays(samples[k]) for k in order]
    for name in ("flow", "strain"):
        np.save(f"{name}.npy", np.stack([one[name] for one in made]))
    done = bring("--array", "strain=strain.npy")
    assert done.exit_code == 0, done.output
    assert done.stdout == "flow.h5: published; 12 samples\n"
    assert mer("verify", "flow.h5").stdout == "flow.h5: 12 samples, flow, strain: whole\n"
    words = ["--features", "flow.h5", "--epochs", "2", "--seeds", "1", "--device", "cpu"]
    trained = CliRunner().invoke(mer_train, [*words, "--workers", "1", "-o", "runs/own"])
    assert trained.exit_code == 0, trained.output
    with Path("runs/own/predictions.csv").open(newline="") as file:
        told = {row["sample_id"]: (row["subject"], row["truth"]) for row in csv.DictReader(file)}
    assert told == {sample_id: (subject, emotion) for sample_id, subject, emotion in table}
    for k, row in zip(order, made, strict=True):
        place = sorted(one[0] for one in table).index(table[k][0])
        assert np.array_equal(stored()[place], row["flow"].astype(np.float16))


def test_a_store_tells_what_ours_is_and_that_it_was_made_elsewhere(home):
    assert bring().exit_code == 0
    with Store(home / "flow.h5") as store:
        told, flow = store.features["flow"], base.load("flow")
        assert (told["units"], told["axes"]) == ("px", "sample channel y x")
        assert told["convention"] == flow.convention
        assert told["revision"] == 0  # no revision of ours made it
        recipe = json.loads(store.attrs["recipe"])
        assert recipe["sensitive"] is False
        assert recipe["imported"]["flow"]["units"] == "px"
        made = store.provenance["imported"]
        assert made["index"]["digest"] == base.file_digest(home / "index.csv")
        assert made["arrays"] == {"flow": {"file": "flow.npy", "lay": "channel y x"}}
        assert str(home) not in json.dumps([store.attrs, store.provenance])


def test_what_the_index_does_not_tell_is_not_made_up(home):
    assert bring().exit_code == 0
    with Store(home / "flow.h5") as store:
        for name, value in [
            ("onset", -1), ("apex", -1), ("offset", -1), ("fps", 0), ("apex_source", "unknown"),
            ("dataset", "index"), ("clip", "b2"), ("action_units", ""),
        ]:  # fmt: skip
            assert store.index[name][3] == value, name


def test_what_the_index_tells_is_kept(home):
    header = "subject,emotion,clip,dataset,onset,apex,offset,fps,action_units,apex_source"
    write_index(home, [
        ("p1", "anger", "c/1", "mine", 10, 15, 20, 200, "4+7", "estimated"),
        ("p1", "fear", "c2", "", "", 15, "", "", "", ""),
        ("p2", "anger", "c1", "", 10, "", 20, 200, "", ""),
        ("p2", "fear", "c2", "", "", "", 20, "", "", ""),
    ], header)  # fmt: skip
    assert bring("--dataset", "lab").exit_code == 0
    names = ("sample_id", "dataset", "onset", "apex", "offset", "fps", "apex_source")
    with Store(home / "flow.h5") as store:
        told = list(zip(*(store.index[name] for name in names), strict=True))
        assert store.attrs["dataset"] == "lab+mine"
    assert told == [
        ("lab_p1_c2", "lab", -1, 15, -1, 0.0, "sheet"),
        ("lab_p2_c1", "lab", 10, -1, 20, 200.0, "unknown"),
        ("lab_p2_c2", "lab", -1, -1, 20, 0.0, "unknown"),
        ("mine_p1_c-1", "mine", 10, 15, 20, 200.0, "estimated"),
    ]


def test_the_second_import_finds_nothing_to_do_and_another_needs_force(home):
    assert bring().exit_code == 0
    before = written()
    again = bring()
    assert (again.exit_code, again.stdout) == (0, "flow.h5: up to date, nothing to do; 4 samples\n")
    assert written() == before
    np.save("flow.npy", flows() + 1)
    done = bring()
    assert done.exit_code == 2
    assert "flow.h5: is there already, and is not this import" in done.stderr
    assert written() == before
    assert bring("--force").exit_code == 0
    assert np.array_equal(stored(), (flows() + 1).astype(np.float16))
    for change in ["--dtype=float32", "--dataset=other", "--sensitive"]:
        assert bring(change).exit_code == 2, change
    write_index(home, [(i, s, "joy") for i, s, _ in PEOPLE])
    assert bring().exit_code == 2  # a corrected label is another import


def test_the_same_content_gives_the_same_bytes_wherever_and_however_it_lies(home):
    assert bring().exit_code == 0
    once = Path("flow.h5").read_bytes()
    Path("flow.h5").unlink()
    assert bring().exit_code == 0
    assert Path("flow.h5").read_bytes() == once
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    for name in ("index.csv", "flow.npy"):
        (elsewhere / name).write_bytes(Path(name).read_bytes())
    there = ["--array", f"flow={elsewhere / 'flow.npy'}", "-o", "other.h5"]
    assert mer("import", elsewhere / "index.csv", *there).exit_code == 0
    assert Path("other.h5").read_bytes() == once


def save_zip(path):
    np.savez(path, **{row[0]: flow for row, flow in zip(PEOPLE, flows(), strict=True)})


def save_mat(path):
    scipy.io.savemat(path, {row[0]: flow for row, flow in zip(PEOPLE, flows(), strict=True)})


def save_mats(path):
    path.mkdir()
    for row, flow in zip(PEOPLE, flows(), strict=True):
        scipy.io.savemat(path / f"{row[0]}.mat", {"x": 3.0, "flow": flow}, do_compression=True)


def save_npys(path):
    path.mkdir()
    for row, flow in zip(PEOPLE, flows(), strict=True):
        np.save(path / f"{row[0]}.npy", flow)


def save_turned(path):
    """Every sample in Fortran order."""
    path.mkdir()
    for row, flow in zip(PEOPLE, flows(), strict=True):
        np.save(path / f"{row[0]}.npy", np.asfortranarray(flow))


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("a.npz", save_zip),
        ("whole.npz", lambda path: np.savez_compressed(path, flow=flows())),
        ("a.mat", save_mat),
        ("whole.mat", lambda path: scipy.io.savemat(path, {"flow": flows()})),
        ("npys", save_npys),
        ("mats", save_mats),
        ("turned", save_turned),
        ("big-endian.npy", lambda path: np.save(path, flows().astype(">f4"))),
        ("double.npy", lambda path: np.save(path, flows().astype(np.float64))),
    ],
)
def test_whatever_kind_of_file_it_is_the_numbers_are_the_same(home, name, save):
    save(home / name)
    done = bring(array=f"flow={name}")
    assert done.exit_code == 0, done.output
    assert np.array_equal(stored(), flows().astype(np.float16))


def test_files_are_found_by_the_path_of_the_index_before_the_sample_id(home):
    write_index(home, [(f"s{k}", s, e, f"{s}/{i}") for k, (i, s, e) in enumerate(PEOPLE)],
                "sample_id,subject,emotion,path")  # fmt: skip
    for k, (i, s, _) in enumerate(PEOPLE[:3]):
        (home / "in" / s).mkdir(parents=True, exist_ok=True)
        np.save(home / "in" / s / f"{i}.npy", flows()[k])
    np.save(home / "in" / "s3.npy", flows()[3])
    np.save(home / "in" / "s0.npy", flows()[1])
    assert bring(array="flow=in").exit_code == 0
    assert np.array_equal(stored(), flows().astype(np.float16))


def test_channels_last_are_refused_and_turned_when_they_are_said(home):
    np.save("flow.npy", flows().transpose(0, 2, 3, 1))
    told = "flow.npy[0] (row 2 of the index): a sample of flow is (6, 6, 2); expected 2 channels"
    refused(bring(), 1, told, "transpose it, or say how it lies and it will be: --axes flow=yxc")
    for said in ("yxc", "y x channel", "y,x,channel"):
        assert bring("--axes", f"flow={said}", "--force").exit_code == 0
        assert np.array_equal(stored(), flows().astype(np.float16))


def test_a_strain_without_its_one_channel_is_given_it_when_said(home):
    np.save("strain.npy", strains()[:, 0])
    refused(bring(array="strain=strain.npy"), 1, "(6, 6); expected 3 axes, channel y x", "--axes")
    assert bring("--axes", "strain=yx", array="strain=strain.npy").exit_code == 0
    assert np.array_equal(stored(name="strain"), strains().astype(np.float16))


@pytest.mark.parametrize(
    ("name", "said", "shape", "stored_as", "shape_stored"),
    [
        ("mine", "yxc", (4, 5, 3), "channel y x", (3, 4, 5)),
        ("mine", "x y", (5, 4), "y x", (4, 5)),
        ("mine", "tyxc", (7, 4, 5, 3), "time channel y x", (7, 3, 4, 5)),
        ("mine", "angle", (9,), "angle", (9,)),
        ("tim", "tcyx", (7, 3, 4, 5), "time y x channel", (7, 4, 5, 3)),
        ("mdmo", "row column channel", (6, 6, 2), "channel row column", (2, 6, 6)),
    ],
)
def test_axes_are_turned_to_the_order_of_the_store(name, said, shape, stored_as, shape_stored):
    axes = axes_of(name, said)
    array = np.arange(np.prod(shape)).reshape(shape)
    assert axes.wrong(shape) == ""
    assert axes.wrong((*shape, 1)) != ""
    assert " ".join(axes.stored) == stored_as
    turned = axes.arrange(array)
    assert turned.shape == shape_stored
    assert np.array_equal(turned.transpose([axes.stored.index(a) for a in axes.lie]), array)


def test_features_whose_channels_are_counted_are_there_and_have_them():
    for name in CHANNELS:
        assert "channel" in base.load(name).axes.split(), name


@pytest.mark.parametrize(
    ("words", "cause", "remedy"),
    [
        (["--array", "mine=flow.npy"], "nothing tells its units", "--units mine=px"),
        (["--array", "flwo=flow.npy"], "did you mean 'flow'?", "--units flwo=px"),
        (["--array", "a/b=flow.npy"], "--array a/b: no name", "letters, digits"),
        (["--array", "mine=flow.npy", "--units", "mine=m"], "nothing tells its axes", "--axes"),
        (["--units", "flow=m"], "--units flow=m: flow is in px", "rescale it to px"),
        (["--units", "strain=1"], "--units strain: there is no such array", "--array strain=FILE"),
        (["--axes", "strain=yx"], "--axes strain: there is no such array", "--array strain=FILE"),
        (["--axes", "flow=yx"], "the axes of flow are channel y x, not y x", "--axes flow=cyx"),
        (["--axes", "flow=cyy"], "named twice", "--axes flow=cyx"),
        (["--axes", "flow=1 2 3"], "no names such as", "--axes flow=cyx"),
        (["--array", "tim=flow.npy"], "people can be recognised in tim", "--sensitive"),
        (["--array", "tim=flow.npy", "--not-faces"], "people can be recognised in tim", "--sens"),
        (["-o", "index.csv", "--force"], "would replace what is imported", "name another"),
        (["-o", "flow.npy", "--force"], "would replace what is imported", "name another"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_with_its_remedy(home, words, cause, remedy):
    before = Path("flow.npy").read_bytes()
    refused(bring(*words), 2, cause, remedy)
    assert Path("flow.npy").read_bytes() == before


@pytest.mark.parametrize("words", [["--units", "px"], ["--axes", "flow="], ["--array", "=a.npy"],
                                   ["--array", "flow=b.npy"], ["--max-failed", "many"],
                                   ["--dtype", "int8"]])  # fmt: skip
def test_words_that_mean_nothing_are_a_mistake_of_usage(home, words):
    assert bring(*words).exit_code == 2


def test_rows_that_are_not_those_of_the_index_are_counted(home):
    np.save("flow.npy", flows(5))
    told = "flow.npy: is (5, 2, 6, 6), 5 rows; expected 4, one for each row of the index"
    refused(bring(), 1, told, "the same rows")
    for name in ("whole.npz", "whole.mat"):
        save = (
            np.savez if name.endswith("z") else lambda p, flow: scipy.io.savemat(p, {"flow": flow})
        )
        save(name, flow=flows(5))
        refused(bring(array=f"flow={name}"), 1, f"{name}: is (5, 2, 6, 6), 5 rows", "same rows")


@pytest.mark.parametrize(
    ("index", "cause"),
    [
        ("sample_id,subject\na,p\n", "has no column emotion"),
        ("sample_id,emotion\na,joy\n", "has no column subject"),
        ("sample_id,subject,emotion\n", "has no row but the header"),
        (None, "index.csv: no such manifest"),
    ],
)
def test_an_index_that_cannot_serve_is_named(home, index, cause):
    Path("index.csv").unlink()
    if index is not None:
        Path("index.csv").write_text(index)
    refused(bring(), 1, cause, "")


def test_a_row_that_cannot_be_used_shifts_no_other(home):
    bad = [(), ("a1", "", "anger"), ("a2", "p1", "fear"), ("b1", "p2", "anger"), ("b2", "p2", "x")]
    write_index(home, bad)  # an empty row is none
    done = bring()
    assert done.exit_code == 3, done.output
    assert done.stdout == "flow.h5: published; 3 samples, 1 failed\n"
    assert "a1: subject is empty" in done.stderr
    assert np.array_equal(stored(), flows()[1:].astype(np.float16))
    write_index(home, [*PEOPLE[:2], ("a2", "p2", "fear"), PEOPLE[3]])
    done = bring("--max-failed", "2", "--force")
    assert done.exit_code == 3
    assert "a2: sample_id stands in more than one row" in done.stderr
    assert np.array_equal(stored(), flows()[[0, 3]].astype(np.float16))
    write_index(home, [("", *row[1:], "") for row in PEOPLE], "sample_id,subject,emotion,clip")
    ledger = Path("flow.failures.jsonl").read_bytes()
    assert "names no sample: give it a sample_id, or a clip" in bring().stderr
    assert Path("flow.failures.jsonl").read_bytes() == ledger  # of the store that is there


@pytest.mark.parametrize(
    ("value", "code", "told"),
    [
        (np.nan, "non_finite", "flow.npy[1]: holds NaN or infinite values"),
        (-np.inf, "non_finite", "flow.npy[1]: holds NaN or infinite values"),
        (-1e5, "out_of_range", "values to 1e+05 do not fit float16: import with --dtype float32"),
    ],
)
def test_a_value_that_cannot_be_stored_costs_its_sample_and_no_other(home, value, code, told):
    flow = flows()
    flow[1, 0, 2, 3] = value
    np.save("flow.npy", flow)
    done = bring()
    assert done.exit_code == 3
    assert f"a2: {told}" in done.stderr or told in done.stderr
    ((sample_id, found),) = failures().items()
    assert sample_id == "a2"
    assert found[0] == code
    assert told in found[1]
    with Store(home / "flow.h5") as store:
        assert list(store.index["sample_id"]) == ["a1", "b1", "b2"]
        assert list(store.failures["sample_id"]) == ["a2"]
    assert np.array_equal(stored(), flow[[0, 2, 3]].astype(np.float16))
    again = bring()
    assert again.exit_code == 3
    assert "up to date, nothing to do; 3 samples, 1 failed" in again.stdout
    before = Path("flow.h5").read_bytes()
    done = bring("--max-failed", "0")
    assert done.exit_code == 1
    assert "not published: 1 of 4 samples failed, at most 0 may" in done.stderr
    assert Path("flow.h5").read_bytes() == before


def test_values_of_any_size_fit_float32(home):
    np.save("flow.npy", flows() * 1e6)
    assert "no sample could be used" in bring().stderr
    assert bring("--dtype", "float32").exit_code == 0
    assert np.array_equal(stored(), (flows() * 1e6).astype(np.float32))
    np.save("flow.npy", flows().astype(np.float64) * 1e60)
    assert "do not fit float32: rescale them" in bring("--dtype", "float32", "--force").stderr


def test_values_that_would_all_become_zero_are_refused(home):
    np.save("flow.npy", flows() * 1e-9)
    done = bring()
    assert done.exit_code == 1
    assert "do not fit float16" in done.stderr
    assert not Path("flow.h5").exists()


def test_a_sample_of_another_shape_fails_and_names_its_file_and_row(home):
    save_npys(home / "npys")
    np.save("npys/a1.npy", flows(side=5)[0])  # the first: it is no rule for the others
    done = bring(array="flow=npys")
    assert done.exit_code == 3, done.output
    told = "npys/a1.npy (row 2 of the index): is (2, 5, 5), expected (2, 6, 6) as most are"
    assert failures() == {"a1": ("wrong_shape", told)}
    assert np.array_equal(stored(), flows()[1:].astype(np.float16))


def objects(path):
    np.save(path, np.array([[{"a": 1}]] * 4, object), allow_pickle=True)


def pickled(path):
    """What would run a command if it were unpickled, under an array's name."""
    Path(path).write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")


def declared(path):
    """Four rows of 4 TiB."""
    with Path(path).open("wb") as file:
        head = {"descr": "<f4", "fortran_order": False, "shape": (4, 2**20, 2**20)}
        np.lib.format.write_array_header_1_0(file, head)


def negative(path):
    """A shape whose product is as large as what is there."""
    with Path(path).open("wb") as file:
        head = {"descr": "<f4", "fortran_order": False, "shape": (4, -2, -6, 6)}
        np.lib.format.write_array_header_1_0(file, head)
        file.write(flows().tobytes())


def truncated(path):
    np.save(path, flows())
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[:-1])


@pytest.mark.parametrize(
    ("save", "cause"),
    [
        (objects, "holds Python objects, which are never unpickled"),
        (pickled, "cannot be read"),
        (declared, "bytes, not 1 byte to 1024 MiB"),
        (negative, "declares the shape (4, -2, -6, 6)"),
        (truncated, "bytes, has"),
        (lambda p: Path(p).write_bytes(b""), "cannot be read"),
        (lambda p: np.save(p, flows().astype(complex)), "holds complex128, not plain numbers"),
        (lambda p: np.save(p, np.array(["a"] * 4)), "not plain numbers"),
        (lambda p: np.save(p, np.zeros(4, [("u", "f4")])), "not plain numbers"),
        (lambda p: np.save(p, np.zeros((4, 0, 6, 6))), "are 0 bytes"),
        (lambda p: np.save(p, np.float32(1)), "is (), no rows"),
        (lambda p: np.save(p, np.asfortranarray(flows())), "lies in Fortran order"),
    ],
)
def test_a_file_that_is_no_plain_array_is_refused_and_nothing_of_it_runs(home, save, cause):
    Path("flow.npy").unlink()
    save("flow.npy")
    refused(bring(), 1, cause, "")
    assert not Path("executed").exists()


def longer(path):
    np.save(path, flows()[1])
    with Path(path).open("ab") as file:
        file.write(b"x")


@pytest.mark.parametrize(
    ("save", "code", "told"),
    [
        (objects, "unsupported", "a2.npy: holds Python objects"),
        (pickled, "undecodable", "a2.npy: cannot be read"),
        (declared, "unsupported", "not 1 byte to 1024 MiB"),
        (truncated, "truncated", "declares"),
        (longer, "truncated", "has more or fewer"),
        (lambda p: None, "missing_file", "npys: no a2 with one of .npy, .mat"),
        (lambda p: scipy.io.savemat("npys/a2.mat", {"a": 1, "b": 2}), "unsupported", "holds a, b"),
        (lambda p: scipy.io.savemat("npys/a2.mat", {"a": "text"}), "unsupported", "MATLAB char"),
        (lambda p: scipy.io.savemat("npys/a2.mat", {"a": {"b": 1}}), "unsupported", "struct"),
        (lambda p: Path("npys/a2.mat").write_bytes(b"x" * 300), "undecodable", "a2.mat"),
        (lambda p: Path("npys/a2.png").write_bytes(b"x"), "undecodable", "a2.png"),
        (lambda p: os.mkfifo(p), "missing_file", "no a2"),
        (lambda p: Path(p).symlink_to("/etc/passwd"), "bad_path", "leaves the root by a link"),
        (lambda p: [np.save(p, flows()[1]), Path("npys/a2.mat").write_bytes(b"x")], "bad_path",
         "a2.npy and a2.mat are both there"),
    ],
)  # fmt: skip
def test_one_bad_file_of_a_folder_costs_its_sample_and_no_other(home, save, code, told):
    save_npys(home / "npys")
    Path("npys/a2.npy").unlink()
    save("npys/a2.npy")
    done = bring(array="flow=npys")
    assert done.exit_code == 3, done.output
    ((sample_id, found),) = failures().items()
    assert (sample_id, found[0]) == ("a2", code)
    assert told in found[1]
    assert str(home) not in found[1]
    assert not Path("executed").exists()
    assert np.array_equal(stored(), flows()[[0, 2, 3]].astype(np.float16))


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "~/x", "p/../../secret"])
def test_a_path_of_the_index_never_leaves_its_folder(home, name):
    save_npys(home / "npys")
    np.save("secret.npy", flows()[0])
    write_index(home, [(*row, name if row[0] == "a2" else "") for row in PEOPLE],
                "sample_id,subject,emotion,path")  # fmt: skip
    assert bring(array="flow=npys").exit_code == 3
    assert set(failures()) == {"a2"}
    write_index(home, [(name, "p1", "anger"), *PEOPLE[1:]])
    assert bring("--force", array="flow=npys").exit_code == 3
    assert set(failures()) == {name}


def test_an_entry_of_a_zip_that_lies_or_is_damaged_costs_its_sample(home):
    save_zip("a.npz")
    data = bytearray(Path("a.npz").read_bytes())
    place = data.find(flows()[2].tobytes())
    data[place] ^= 1  # the zip's own sum finds it
    Path("a.npz").write_bytes(data)
    assert bring(array="flow=a.npz").exit_code == 3
    assert failures()["b1"][0] == "undecodable"
    head = io.BytesIO()
    told = {"descr": "<f4", "fortran_order": False, "shape": (2**19, 2**19)}
    np.lib.format.write_array_header_1_0(head, told)
    np.savez("b.npz", a1=flows()[0], a2=flows()[1], b1=flows()[2])
    assert bring("--force", array="flow=b.npz").exit_code == 3
    assert failures() == {"b2": ("missing_file", "b.npz[b2]: no such entry")}
    with zipfile.ZipFile("b.npz", "a") as archive:
        archive.writestr("b2.npy", head.getvalue())
    assert bring("--force", array="flow=b.npz").exit_code == 3
    assert "not 1 byte to 1024 MiB" in failures()["b2"][1]


@pytest.mark.parametrize(
    ("name", "save", "cause"),
    [
        ("a.npz", lambda p: np.savez(p, other=flows()), "holds neither an entry flow nor one"),
        ("a.npz", lambda p: Path(p).write_bytes(b"PK"), "cannot be read"),
        ("a.mat", lambda p: Path(p).write_bytes(b"x" * 300), "cannot be read"),
        ("a.txt", lambda p: Path(p).write_text("1 2 3"), "no kind of array that can be read"),
        ("a.npy", lambda p: None, "no such file or folder"),
    ],
)
def test_a_file_with_no_arrays_for_the_index_is_refused(home, name, save, cause):
    save(name)
    refused(bring(array=f"flow={name}"), 1, cause, "")


def test_a_matlab_file_of_7_3_is_refused_with_the_way_out(home):
    with h5py.File("flow.mat", "w", userblock_size=512) as file:
        file["flow"] = flows()
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with Path("flow.mat").open("r+b") as file:
        file.write(head)
    refused(bring(array="flow=flow.mat"), 1, "save it in MATLAB with -v7, or as .npy", "")


def save_pictures(path, kind="png"):
    path.mkdir()
    pictures = np.random.default_rng(3).integers(0, 256, (len(PEOPLE), SIDE, 5, 3), np.uint8)
    for row, picture in zip(PEOPLE, pictures, strict=True):
        Image.fromarray(picture).save(path / f"{row[0]}.{kind}")
    return pictures


def test_pictures_are_stored_when_it_is_said_whether_people_are_in_them(home):
    pictures = save_pictures(home / "png")
    words = ["--units", "edges=grey levels"]
    told = "png/a1.png: looks like a picture"
    refused(bring(*words, array="edges=png"), 2, told, "--sensitive or --not-faces")
    assert bring(*words, "--sensitive", array="edges=png").exit_code == 0
    assert np.array_equal(stored(name="edges"), pictures.transpose(0, 3, 1, 2))
    assert "people can be recognised in it" in mer("verify", "flow.h5").stdout
    assert bring(*words, "--not-faces", "--force", array="edges=png").exit_code == 0
    assert "recognised" not in mer("verify", "flow.h5").stdout
    Path("flow.h5").unlink()
    np.save("edges.npy", pictures)
    refused(bring(*words, "--axes", "edges=yxc", array="edges=edges.npy"), 2, "edges.npy[0]", "")


def test_a_picture_that_ends_early_costs_its_sample(home):
    save_pictures(home / "png")
    data = Path("png/b1.png").read_bytes()
    Path("png/b1.png").write_bytes(data[:-20])
    words = ["--units", "edges=grey levels", "--not-faces"]
    assert bring(*words, array="edges=png").exit_code == 3
    assert failures()["b1"][0] == "truncated"


def test_a_file_that_changes_during_the_import_is_found(home, monkeypatch):
    read, seen = foreign.RowFile.read, []

    def changing(self, sample):
        seen.append(sample.sample_id)
        if len(seen) == len(PEOPLE) + 1:  # the first of the second reading
            np.save("flow.npy", flows() + 1)
        return read(self, sample)

    monkeypatch.setattr(foreign.RowFile, "read", changing)
    refused(bring(), 1, "flow.npy[0]: changed while it was imported", "import it again")


def test_a_file_that_is_cut_off_during_the_import_costs_what_is_gone(home, monkeypatch):
    read = foreign.RowFile.read

    def cutting(self, sample):
        os.truncate("flow.npy", Path("flow.npy").stat().st_size - (sample.place == 0))
        return read(self, sample)

    monkeypatch.setattr(foreign.RowFile, "read", cutting)
    assert bring().exit_code == 3
    assert failures() == {"b2": ("changed", "flow.npy[3]: cut off since the import began")}


def test_a_store_larger_than_the_memory_is_not_loaded_whole(home):
    n, side = 16, 700  # 60 MiB of float32 to 30 of float16
    table = [(f"s{k:02}", f"p{k % 3}", "anger") for k in range(n)]
    write_index(home, table)
    big = np.lib.format.open_memmap("flow.npy", "w+", np.float32, (n, 2, side, side))
    for k in range(n):
        big[k] = k + 1
    del big
    code = (
        "import resource, sys; from pathlib import Path; from pipeline.bring import Request, bring;"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "small = Request(Path('index.csv'), {'flow': Path('small.npy')});"
        "bring(small, Path('small.h5')); before = peak();"
        "bring(Request(Path('index.csv'), {'flow': Path('flow.npy')}), Path('flow.h5'));"
        "print((peak() - before) // 1024)"
    )
    np.save("small.npy", np.ones((n, 2, 4, 4), np.float32))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 25, "MiB more than for a small one"
    with Store(home / "flow.h5") as store:
        assert [store.read("flow", k)[1, -1, -1] for k in range(n)] == list(range(1, n + 1))


def test_a_report_of_an_imported_store_is_refused_in_words(home):
    assert bring().exit_code == 0
    Path("clips").mkdir()
    Path("m.csv").write_text("sample_id,subject,path,onset,offset,fps\na1,p1,c1,1,5,100\n")
    done = mer("report", "flow.h5", "--dataset", "m.csv", "--workers", "0", "-o", "r.html")
    assert done.exit_code == 1
    assert "was imported, no recipe made it" in done.stderr
