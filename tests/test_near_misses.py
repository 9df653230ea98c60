"""A name that is nearly right is answered with the right one, wherever it is typed."""

import re

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline import errata
from pipeline.cli import cli as mer_features
from tests.tiny_store import tiny_store
from tests.walls import relabelled, walls
from train.cli import cli as mer_train
from train.report import cli as mer_report

HINT = re.compile(r"did you mean (?:one of: )?'([^']+)'", re.IGNORECASE)
SCRIPTS = {"mer-features": mer_features, "mer-train": mer_train, "mer-report": mer_report}
TRAIN = "mer-train --features tiny.h5 -o out"
IMPORT = "mer-features import index.csv -o out.h5"
DEFAULT = 'features = ["flow"]\n'


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    walls(tmp_path / "walls", samples=2)
    tiny_store(tmp_path / "tiny.h5")
    (tmp_path / "index.csv").write_text("sample_id,subject,emotion\na,p1,joy\n")
    np.save(tmp_path / "flow.npy", np.ones((1, 2, 28, 28), np.float32))
    return tmp_path


def told(line):
    script, *words = line.split()
    return CliRunner().invoke(SCRIPTS[script], words)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("mer-features rnu demo", "run"),
        ("mer-report scroe x", "score"),
        ("mer-features run demo --recpie flow", "--recipe"),
        ("mer-train --epcohs 3", "--epochs"),
        ("mer-report score x --subjetcs", "--subjects"),
        ("mer-features list recipies", "recipes"),
        ("mer-features run demmo", "demo"),
        ("mer-features run smaic samm", "smic"),
        ("mer-features doctor SAMMM", "samm"),
        ("mer-features manifest flder -o x.csv", "folder"),
        ("mer-features report tiny.h5 --dataset smm -o x.html", "samm"),
        ("mer-features run demo --recipe flwo", "flow"),
        ("mer-features run demo --protocol sam-5", "samm-5"),
        ("mer-features run demo --root dmo=elsewhere", "demo"),
        ("mer-features pair a.png b.png -o x.npy --feature strian", "strain"),
        ("mer-features pair a.png b.png -o x.npy --recipe artnt", "artnet"),
        ("mer-features pair a.png b.png -o x.npy --recipe flow --feature strian", "strain"),
        (f"{IMPORT} --array flwo=flow.npy", "flow"),
        (f"{IMPORT} --array flow=flow.npy --units flwo=px", "flow"),
        (f"{IMPORT} --array flow=flow.npy --axes flwo=cyx", "flow"),
        (f"{IMPORT} --array flow=flow.npy --dtype flat16", "float16"),
        (f"{TRAIN} --model ststnt", "ststnet"),
        (f"{TRAIN} --protocol los", "loso"),
        (f"{TRAIN} --split datset", "dataset"),
        (f"{TRAIN} --split 5-flod", "5-fold"),
        (f"{TRAIN} --device cuad", "cuda"),
        (f"{TRAIN} --optimizer addam", "adam"),
        (f"{TRAIN} --schedule cosin", "cosine"),
        (f"{TRAIN} --class-weights balancd", "balanced"),
        (f"{TRAIN} --augment flipp", "flip"),
        ("mer-report table x --measure ufi", "UF1"),
        ("mer-report table x --format latx", "latex"),
    ],
)
def test_a_near_miss_on_a_command_line_is_answered_with_the_name(line, meant, here):
    done = told(line)
    assert done.exit_code == 2, done.output
    assert HINT.search(done.stderr)[1] == meant


@pytest.mark.parametrize(
    ("recipe", "meant"),
    [
        ('featuers = ["flow"]\n', "features"),
        ('features = ["strian"]\n', "strain"),
        (f"sensitve = true\n{DEFAULT}", "sensitive"),
        (f"{DEFAULT}[lanmarks]\n", "landmarks"),
        (f"{DEFAULT}[crop]\nsze = 28\n", "size"),
        (f"{DEFAULT}[flow.tlv1]\n", "tvl1"),
        ('features = ["mine"]\n[mine]\nfeature = "flwo"\n', "flow"),
        ('features = ["strain"]\n[strain]\nof = ["flwo"]\n', "flow"),
        (f'{DEFAULT}[flow]\nmethod = "tvll1"\n', "tvl1"),
        (f'{DEFAULT}[flow]\npairs = "frist"\n', "first"),
        (f'{DEFAULT}[flow]\nnormalise = "nome"\n', "none"),
        (f'{DEFAULT}[crop]\nregion = "fcae"\n', "face"),
        (f'{DEFAULT}[crop]\nregion = "left_eyes"\n', "left_eye"),
        (f'{DEFAULT}[steady]\nmotion = "similar"\n', "similarity"),
        (f'{DEFAULT}[apex]\nmethod = "midpiont"\n', "midpoint"),
        (f'{DEFAULT}[landmarks]\nlandmarker = "facemeshh"\n', "facemesh"),
        ('features = ["strain"]\n[strain]\nvariant = "forwrad"\n', "forward"),
        ('features = ["hoof"]\n[hoof]\nnorm = "fce"\n', "face"),
        ('features = ["mm_cof"]\n[mm_cof]\nnorm = "robst"\n', "robust"),
        ('features = ["eulerian"]\nsensitive = true\n[eulerian]\ntemporal = "iddeal"\n', "ideal"),
        ('features = ["two_frame"]\nsensitive = true\n[two_frame]\nmethod = "riez"\n', "riesz"),
    ],
)
def test_a_near_miss_in_a_recipe_is_answered_with_the_name(recipe, meant, here):
    (here / "mine.toml").write_text(recipe)
    done = told("mer-features run walls/manifest.csv --workers 0 --recipe mine.toml")
    assert done.exit_code == 1, done.output
    assert HINT.search(done.stderr)[1] == meant


def renamed(here, column, otherwise):
    path = here / "walls" / "manifest.csv"
    head, rest = path.read_text().split("\n", 1)
    path.write_text(re.sub(rf"\b{column}\b", otherwise, head) + "\n" + rest)


@pytest.mark.parametrize(
    ("column", "typed"), [("path", "pth"), ("subject", "sujbect"), ("apex", "apx")]
)
def test_a_column_that_is_misspelt_is_refused(column, typed, here):
    """Else an annotated apex would be spotted anew, and nobody told."""
    renamed(here, column, typed)
    done = told("mer-features doctor walls/manifest.csv --workers 0")
    assert done.exit_code == 1
    assert f"unknown column {typed!r}, did you mean {column}?" in done.stderr


def test_a_column_of_ones_own_beside_ours_is_no_near_miss(here):
    path = here / "walls" / "manifest.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{lines[0]},apx,lab", *(f"{one},1,2" for one in lines[1:])]))
    done = told("mer-features manifest walls/manifest.csv -o copy.csv")
    assert done.exit_code == 0
    assert done.stderr == ""


def test_a_misspelt_column_of_an_index_is_refused_too(here):
    (here / "index.csv").write_text("sample_id,subject,emotion,apx\na,p1,joy,3\n")
    done = told(f"{IMPORT} --array flow=flow.npy")
    assert done.exit_code == 1
    assert "unknown column 'apx', did you mean apex?" in done.stderr


@pytest.mark.parametrize(
    ("column", "typed", "meant"),
    [("missing_frames", "neares", "nearest"), ("apex_source", "shete", "sheet")],
)
def test_a_near_miss_in_a_cell_is_answered_with_the_word(column, typed, meant, here):
    relabelled(here / "walls" / "manifest.csv", "w0", **{column: typed})
    done = told("mer-features manifest walls/manifest.csv -o copy.csv")
    assert done.exit_code == 3
    assert HINT.search(done.stderr)[1] == meant


def test_a_pin_is_found_by_its_near_name(here, own_cache):
    (own_cache / "pins").mkdir(parents=True)
    (own_cache / "pins" / "samm-flow-12345678.json").write_text("{}")
    done = told("mer-features gc --unpin samm-flow-1234567")
    assert done.exit_code == 2
    assert HINT.search(done.stderr)[1] == "samm-flow-12345678"


@pytest.mark.parametrize(
    ("entry", "meant"),
    [
        ('ues = { apex = 3 }\nreason = "r"\nsource = "s"\n', "use"),
        ('use = { apx = 3 }\nreason = "r"\nsource = "s"\n', "apex"),
    ],
)
def test_a_near_miss_in_an_erratum_is_answered_with_the_name(entry, meant, tmp_path, monkeypatch):
    monkeypatch.setattr(errata, "FOLDER", tmp_path)
    (tmp_path / "d.toml").write_text(f"[d_1]\n{entry}")
    with pytest.raises(errata.MerError) as found:
        errata.load("d")
    assert HINT.search(found.value.cause)[1] == meant
    assert "[d_1]" in found.value.cause
