from pathlib import Path

import pytest

from features.console import MerError
from pipeline import copies


def test_a_dataset_lies_where_it_is_said_or_below_mer_data(monkeypatch):
    assert copies.find(["samm"], [])[0].root == Path("data/samm")
    monkeypatch.setenv("MER_DATA", "/data")
    assert copies.find(["samm"], [])[0].root == Path("/data/samm")
    assert copies.find(["samm"], ["/x/SAMM"])[0].root == Path("/x/SAMM")
    assert copies.find(["samm"], ["/x/a=b"])[0].root == Path("/x/a=b")


def test_several_datasets_are_each_given_their_root(monkeypatch):
    monkeypatch.setenv("MER_DATA", "/data")
    found = copies.find(["samm", "demo"], ["samm=/x/SAMM"])
    assert [(copy.name, copy.root) for copy in found] == [
        ("samm", Path("/x/SAMM")), ("demo", Path("/data/demo")),
    ]  # fmt: skip


def test_a_manifest_is_named_after_its_file_or_its_folder(tmp_path):
    (tmp_path / "own").mkdir()
    for name in ("own/manifest.csv", "nir.csv"):
        (tmp_path / name).write_text("subject,path,onset,offset,fps\n1,a,1,9,100\n")
    one, other = copies.find([str(tmp_path / "own/manifest.csv"), str(tmp_path / "nir.csv")], [])
    assert (one.name, one.root) == ("own", tmp_path / "own")
    assert (other.name, other.root) == ("nir", tmp_path)
    (sample,) = one.dataset.read(one.root).samples
    assert (sample.dataset, sample.sample_id) == ("own", "own_1_a_1")
    assert other.dataset.read(other.root).samples[0].dataset == "nir"
    assert (one.asked, other.asked) == ("own.csv", "nir.csv")


@pytest.mark.parametrize(
    ("datasets", "roots", "words"),
    [
        (["samm", "demo"], ["/data"], "of which dataset"),
        (["samm"], ["demo=/data"], "not among the datasets"),
        (["samm", "samm"], [], "named twice"),
        (["sam"], [], "no dataset 'sam'; did you mean 'samm'"),
        (["mine"], [], "no dataset 'mine'$"),
    ],
)
def test_a_root_or_name_that_means_nothing_is_refused(datasets, roots, words):
    with pytest.raises(MerError, match=words) as caught:
        copies.find(datasets, roots)
    assert caught.value.exit_code == 2
