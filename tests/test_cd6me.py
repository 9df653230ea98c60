"""CD6ME from end to end on a tiny composite: units learnt, a dataset left out at a time."""

import csv
import json
import shlex
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from features.protocol import load as load_protocol
from tests.test_run_page import Page, shown
from tests.tiny_store import EMOTIONS, rows, tiny_store
from tests.tiny_units import DATASETS, UNITS, unit_arrays, unit_row, unit_rows, unit_store
from train.cli import cli
from train.control import command
from train.finished import finished
from train.measures import UNIT_MEASURES
from train.report import cli as report

FAST = ["--protocol", "cd6me", "--seeds", "2", "--epochs", "15", "--batch-size", "8",
        "--learning-rate", "1e-2", "--device", "cpu", "--workers", "1"]  # fmt: skip
SHORT = [*FAST, "--seeds", "1", "--epochs", "2"]


def mer_train(*args):
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def lines(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A store, a run of it and the run's control."""
    folder = tmp_path_factory.mktemp("cd6me")
    store = unit_store(folder / "units.h5")
    done = mer_train("--features", store, *FAST, "-o", folder / "run")
    assert done.exit_code == 0, done.output
    control = mer_train(
        "--features", store, *FAST, "--shuffle-labels", "-o", folder / "run-shuffled"
    )
    assert control.exit_code == 0, control.output
    results, shuffled = (
        json.loads((folder / name / "results.json").read_text())["scores"]
        for name in ("run", "run-shuffled")
    )
    return SimpleNamespace(
        store=store, run=folder / "run", done=done, scores=results, shuffled=shuffled
    )


def test_a_signal_of_each_unit_is_learnt(ran):
    units = ran.scores["per_class"]
    assert list(units) == [f"AU{n}" for n in UNITS]
    for name, unit in units.items():
        assert unit["F1"]["mean"] > 0.9, name
    assert ran.scores["network"]["F1"]["mean"] > ran.scores["always"]["F1"]["mean"] + 0.3


def test_with_shuffled_labels_every_unit_is_at_chance(ran):
    """108 clips, 12 units and 2 seeds: 0.06 is about five standard errors."""
    network = ran.shuffled["network"]
    assert network["balanced accuracy"]["mean"] == pytest.approx(0.5, abs=0.06)
    assert network["F1"]["mean"] < ran.shuffled["always"]["F1"]["mean"]
    counts = [unit["n"] for unit in ran.shuffled["per_class"].values()]
    assert counts == [unit["n"] for unit in ran.scores["per_class"].values()]


def test_a_dataset_is_left_out_at_a_time_without_being_asked_and_that_is_told(ran):
    assert {(line["fold"], line["dataset"]) for line in lines(ran.run)} == {
        (name, name) for name in DATASETS
    }
    assert "cd6me leaves out a dataset at a time: --split dataset" in ran.done.stderr
    assert tomllib.loads((ran.run / "config.toml").read_text())["split"] == "dataset"


def test_another_split_is_taken_if_asked(ran, tmp_path):
    done = mer_train("--features", ran.store, *SHORT, "--split", "3-fold", "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert {line["fold"] for line in lines(tmp_path / "run")} == {"fold1", "fold2", "fold3"}
    assert "leaves out a dataset" not in done.stderr


def test_only_cd6me_leaves_a_dataset_out_by_itself():
    splits = {name: load_protocol(name).split for name in ("cd6me", "megc2018", "megc2019", "loso")}
    assert splits == {"cd6me": "dataset", "megc2018": "loso", "megc2019": "loso", "loso": "loso"}


def test_predictions_are_the_units_above_a_half_and_truth_is_the_stores(ran):
    truth = {row["sample_id"]: row["action_units"] or "none" for row in unit_rows()}
    names = [f"AU{n}" for n in UNITS]
    sums = set()
    for line in lines(ran.run):
        p = {name: float(line[f"p_{name}"]) for name in names}
        assert line["prediction"] == ("+".join(n for n in names if p[n] > 0.5) or "none")
        assert line["truth"] == truth[line["sample_id"]]
        sums.add(round(sum(p.values())))
    assert len(sums) > 2


def test_a_score_from_the_file_alone_is_the_runs_own(ran):
    scored = CliRunner().invoke(report, ["score", str(ran.run), "--json"])
    assert json.loads(scored.stdout) == ran.scores


def test_the_oracle_is_of_these_samples_and_at_least_as_often_right(ran):
    def decided(scores):
        return sum(np.trace(square) for square in scores["confusion"].values())

    with_oracle = CliRunner().invoke(report, ["score", str(ran.run / "oracle.csv"), "--json"])
    assert decided(json.loads(with_oracle.stdout)) >= decided(ran.scores)
    assert "oracle" in ran.scores


def audited(path, *args):
    done = CliRunner().invoke(report, ["audit", str(path), *map(str, args), "--json"])
    return json.loads(done.stdout)


def test_an_honest_run_and_its_control_lack_samples_and_nothing_else(ran):
    audit = audited(ran.run, "--features", ran.store)
    assert {one["kind"] for one in audit["findings"]} == {"counts"}
    assert audit["remarks"] == []
    assert audited(ran.run.with_name("run-shuffled"), "--features", ran.store)["clean"]


def test_the_command_that_makes_the_control_leaves_a_dataset_out_too(ran):
    asked = shlex.split(command(finished(ran.run)))
    assert asked[asked.index("--split") + 1] == "dataset"


def test_a_truth_that_is_not_the_stores_is_found(ran, tmp_path):
    table = lines(ran.run)
    for line in table:
        if line["sample_id"] == "samm-0-0":
            line["truth"] = "AU17"
    with (tmp_path / "p.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    audit = audited(tmp_path / "p.csv", "--features", ran.store, "--protocol", "cd6me")
    (found,) = [one for one in audit["findings"] if one["kind"] == "truth"]
    assert found["evidence"]["samples"] == ["samm-0-0"]


def test_labels_of_a_dataset_left_out_change_none_of_its_predictions(tmp_path):
    """Real fits: were its labels to reach the training, its probabilities would move."""
    told = {}
    original = {row["sample_id"]: row for row in unit_rows(clips=4)}
    for name in ("true", "other"):
        samples = [dict(row) for row in original.values()]
        for sample in samples:
            if name == "other" and sample["dataset"] == "samm":
                sample["action_units"] = "AU1+AU2"
        store = unit_store(
            tmp_path / f"{name}.h5", samples, lambda s: unit_arrays(original[s["sample_id"]])
        )
        done = mer_train("--features", store, *SHORT, "-o", tmp_path / name)
        assert done.exit_code == 0, done.output
        told[name] = {line["sample_id"]: line for line in lines(tmp_path / name)}
    columns = ["prediction", *(f"p_AU{n}" for n in UNITS)]
    moved = {
        line["dataset"]
        for sample, line in told["other"].items()
        if any(line[c] != told["true"][sample][c] for c in columns)
    }
    assert moved == {"casme2", "mmew"}
    assert told["other"]["samm-0-0"]["truth"] == "AU1+AU2"


def test_balanced_weights_say_more_units(ran, tmp_path):
    """Of rare units, which an untrained network is not sure of."""
    said = {}
    store = unit_store(tmp_path / "rare.h5", unit_rows(clips=6, share=0.08))
    for weights in ("none", "balanced"):
        out = tmp_path / weights
        done = mer_train("--features", store, *SHORT, "--class-weights", weights, "-o", out)
        assert done.exit_code == 0, done.output
        said[weights] = sum(line["prediction"].count("AU") for line in lines(out))
    assert said["balanced"] > said["none"]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--model", "fmanet"], 2, "fmanet is trained by a loss for one class a sample; cd6me"),
        (["--model", "fmanet_lite"], 2, "take another --model"),
    ],
)
def test_a_loss_for_one_class_is_refused(tmp_path, args, code, words):
    store = unit_store(tmp_path / "one.h5", unit_rows(("samm",), clips=3))
    done = mer_train("--features", store, *SHORT, *args, "-o", tmp_path / "run")
    assert done.exit_code == code
    assert words in done.stderr


def test_one_dataset_cannot_be_left_out(tmp_path):
    store = unit_store(tmp_path / "one.h5", unit_rows(("samm",), clips=3))
    done = mer_train("--features", store, *SHORT, "-o", tmp_path / "run")
    assert done.exit_code == 2
    assert "the samples are of one dataset, samm" in done.stderr


def test_samples_that_all_show_the_same_teach_nothing_and_are_refused(tmp_path):
    made = [unit_row(dataset, 0, c, []) for dataset in DATASETS for c in range(3)]
    store = unit_store(tmp_path / "none.h5", made)
    done = mer_train("--features", store, *SHORT, "-o", tmp_path / "run")
    assert done.exit_code == 1
    assert "1 label among the 9 labelled samples (none)" in done.stderr
    assert "action_units column" in done.stderr


def test_emotions_that_are_named_as_units_are_refused(tmp_path):
    named = dict(zip(EMOTIONS, ("AU1", "AU4", "AU12"), strict=True))
    made = [{**row, "emotion": named[row["emotion"]]} for row in rows()]
    store = tiny_store(tmp_path / "units.h5", made)
    done = mer_train("--features", store, *SHORT, "--protocol", "loso", "-o", tmp_path / "run")
    assert done.exit_code == 1
    assert "the emotions are named as action units (AU1, AU12, AU4)" in done.stderr


def test_the_page_of_a_run_has_the_decisions_on_each_unit_and_what_a_constant_says(ran):
    page = Page((ran.run / "report.html").read_text())
    decisions, scored = (table for table in page.tables if table[0][0] == "unit")
    assert decisions[1:] == [
        [name, *map(str, (hit, missed, wrong, neither))]
        for name, ((neither, wrong), (missed, hit)) in ran.scores["confusion"].items()
    ]
    assert [row[0] for row in scored[1:]] == list(ran.scores["per_class"])
    rows = page.headed("run")
    for words, name in (("run ststnet, cd6me", "network"), ("always cd6me", "always")):
        assert rows[words][1:] == [shown(ran.scores[name][measure]) for measure in UNIT_MEASURES]
    assert "By chance the balanced accuracy is 50.0 %" in page.text
