"""What a catalogue may know of a store."""

import hashlib
import json
from datetime import date

import pytest
from click.testing import CliRunner

from features.publish import Column
from features.store import Store
from pipeline.cli import cli
from pipeline.croissant import CONFORMS_TO, LICENSE, croissant
from tests.reported import SIDE, moving, reported, row

REQUIRED = {  # by the specification, of the dataset as a whole
    "@context", "@type", "conformsTo", "description", "license", "name", "url", "creator",
    "datePublished", "distribution",
}  # fmt: skip
WHO = {"creator": "Our Lab", "url": "https://example.org/f", "published": date(2026, 11, 21)}
ROWS = [
    row("secret-sample-1", subject="person-anna", clip="clip-anna", emotion="joy"),
    row("secret-sample-2", subject="person-anna", clip="clip-anna-2", emotion="disgust-mark"),
    row("secret-sample-3", subject="person-bert", clip="clip-bert", action_units="AU99"),
    row("secret-sample-4", subject="person-bert", clip="clip-bert-2", emotion=""),
]


@pytest.fixture
def store(tmp_path):
    home = tmp_path / "home-of-anna"
    home.mkdir()
    notes = {"secret-sample-1": ["apex moved for anna"]}
    failures = [{"sample_id": "secret-sample-5", "stage": "read", "code": "x", "message": "anna"}]
    flow = {"flow": lambda _: moving(0.5)}
    return reported(home / "flow.h5", ROWS, flow, failures, notes, {"clip": {"max_frames": 7}})


def described(store):
    return json.loads(json.dumps(croissant(store, **WHO)))


def mer(*words):
    return CliRunner().invoke(cli, ["croissant", *map(str, words)])


def test_all_that_the_specification_requires_is_told(store):
    told = described(store)
    assert told.keys() >= REQUIRED
    assert all(told[name] for name in REQUIRED)
    assert told["conformsTo"] == CONFORMS_TO == "http://mlcommons.org/croissant/1.0"
    assert told["@type"] == "sc:Dataset"
    assert told["datePublished"] == "2026-11-21"
    assert told["license"] == LICENSE


def test_every_name_has_a_meaning_in_the_context(store):
    told = described(store)
    known = told["@context"]
    of_schema_org = {
        "name", "description", "license", "url", "creator", "datePublished", "identifier",
        "keywords", "measurementTechnique", "variableMeasured", "distribution", "unitText",
        "contentUrl", "contentSize", "encodingFormat", "sha256",
    }  # fmt: skip

    def names(part):
        if isinstance(part, dict):
            yield from (name for name in part if not name.startswith("@"))
            yield from (name for one in part.values() for name in names(one))
        elif isinstance(part, list):
            yield from (name for one in part for name in names(one))

    body = {name: part for name, part in told.items() if name != "@context"}
    assert set(names(body)) <= of_schema_org | known.keys()
    prefixes = {value.partition(":")[0] for value in known.values() if isinstance(value, str)}
    assert prefixes - {"https", "http", "en"} <= known.keys()


def test_the_file_is_known_by_its_digest_and_its_size(store):
    (file,) = described(store)["distribution"]
    assert file["@type"] == "cr:FileObject"
    assert file["name"] == file["contentUrl"] == "flow.h5"
    assert file["sha256"] == hashlib.sha256(store.read_bytes()).hexdigest()
    assert file["contentSize"] == f"{store.stat().st_size} B"


def test_features_are_told_with_units_shape_and_convention(store):
    told = described(store)
    (flow,) = told["variableMeasured"]
    assert (flow["name"], flow["unitText"]) == ("flow", "px")
    assert f"2 × {SIDE} × {SIDE} float32 a sample, axes channel y x" in flow["description"]
    with Store(store) as opened:
        assert opened.features["flow"]["convention"] in flow["description"]
    assert '{"clip": {"max_frames": 7}}' in told["measurementTechnique"]


def test_numbers_stand_for_samples_subjects_and_classes(store):
    assert "4 samples of 2 subjects in 2 classes of emotion" in described(store)["description"]


def test_every_column_and_feature_is_a_field_that_says_where_it_lies(store):
    told = described(store)
    (records,) = told["recordSet"]
    fields = {one["name"]: one for one in records["field"]}
    with Store(store) as opened:
        assert fields.keys() == opened.index.keys() | opened.features.keys()
    assert fields["onset"]["dataType"] == "sc:Integer"
    assert fields["fps"]["dataType"] == "sc:Float"
    assert fields["emotion"]["dataType"] == "sc:Text"
    assert "/index/emotion" in fields["emotion"]["description"]
    assert "/features/flow" in fields["flow"]["description"]
    ids = [records["@id"], *(one["@id"] for one in fields.values())]
    assert len(set(ids)) == len(ids)
    assert records["key"]["@id"] in ids
    (file,) = told["distribution"]
    assert all(one["source"]["fileObject"]["@id"] == file["@id"] for one in fields.values())


def test_nothing_of_people_and_no_path_is_told(store, tmp_path):
    told = json.dumps(described(store), ensure_ascii=False)
    for secret in ("secret", "anna", "bert", "disgust-mark", "AU99", str(tmp_path)):
        assert secret not in told, secret


def test_what_was_imported_is_described_without_the_names_of_its_files(tmp_path):
    provenance = {"imported": {"edges": {}}, "sensitive": False}
    edges = Column("share", "C H W", "made elsewhere", "{}", 0)
    store = reported(
        tmp_path / "e.h5", ROWS, {"edges": lambda _: moving(1)}, recipe=provenance, edges=edges
    )
    assert described(store)["measurementTechnique"] == ["mer-features run made"]


@pytest.mark.parametrize("sensitive", [True, False])
def test_a_store_of_faces_is_refused_in_one_line(tmp_path, sensitive):
    faces = {"dynamic_image": lambda _: moving(1)}
    store = reported(tmp_path / "d.h5", ROWS, faces, recipe={"sensitive": sensitive})
    done = mer(store, "--creator", "L", "--url", "https://example.org")
    assert done.exit_code == 1
    assert done.stdout == ""
    cause, remedy = done.stderr.splitlines()
    assert cause == f"error: {store}: people can be recognised in dynamic_image"
    assert "describe a store of features that show none" in remedy


def test_a_store_that_says_of_itself_that_it_is_sensitive_is_refused(tmp_path):
    flow = {"flow": lambda _: moving(1)}
    store = reported(tmp_path / "f.h5", ROWS, flow, recipe={"sensitive": True})
    done = mer(store, "--creator", "L", "--url", "https://example.org")
    assert done.exit_code == 1
    assert "people can be recognised in it" in done.stderr


def test_the_command_writes_it_and_replaces_nothing_unasked(store, tmp_path):
    words = [store, "--creator", "L", "--url", "https://example.org"]
    words += ["--license", "https://x.org/l"]
    shown = json.loads(mer(*words, "--published", "2026-01-02").stdout)
    assert (shown["license"], shown["datePublished"]) == ("https://x.org/l", "2026-01-02")
    assert shown["creator"]["name"] == "L"
    output = tmp_path / "flow.json"
    done = mer(*words, "-o", output)
    assert (done.exit_code, done.stdout) == (0, "")
    assert json.loads(output.read_text())["datePublished"] == date.today().isoformat()
    again = mer(*words, "-o", output)
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert mer(*words, "-o", output, "--force").exit_code == 0


@pytest.mark.parametrize("lacking", ["--creator", "--url"])
def test_what_the_specification_requires_and_no_store_knows_is_asked_for(store, lacking):
    words = {"--creator": "L", "--url": "https://example.org"}
    given = [word for name, value in words.items() if name != lacking for word in (name, value)]
    done = mer(store, *given)
    assert done.exit_code == 2
    assert f"Missing option '{lacking}'" in done.stderr


def test_a_damaged_store_is_described_to_nobody(store):
    data = bytearray(store.read_bytes())
    place = data.index(b"person-anna")
    data[place] ^= 1
    store.write_bytes(data)
    assert mer(store, "--creator", "L", "--url", "https://example.org").exit_code == 4
