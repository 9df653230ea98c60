"""What TensorBoard and MLflow are told of a run, read back by themselves."""

import math
import os
import stat
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from train import curves
from train.curves import Point
from train.finished import finished
from train.predictions import Predictions, Row, write
from train.report import cli
from train.trackers import courses, logged, to_tensorboard

TOLD = (
    '{"model": "ststnet", "epochs": 2, "seeds": [0], "stores": [{"name": "f.h5", "blake3": "ab"}]}'
)
FOLDS = ("d/a", "d/b")


def rows(right):
    """Four samples a subject, of which so many are right."""
    return tuple(
        Row("r", 0, f"d/{s}", f"{s}{k}", "d", s, "xy"[k % 2], "xy"[(k + (k >= right)) % 2],
            (0.5, 0.5), 2)
        for s in "ab" for k in range(4)
    )  # fmt: skip


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    for name, right in (("predictions.csv", 3), ("oracle.csv", 4)):
        write(folder / name, Predictions(("x", "y"), rows(right)))
    (folder / "results.json").write_text(TOLD)
    course = [Point(0, fold, epoch, 1 / epoch, epoch / 4) for fold in FOLDS for epoch in (1, 2)]
    curves.write(folder / "curves.csv", course)
    return folder


def export(*args):
    return CliRunner().invoke(cli, ["export", *map(str, args)])


def test_both_are_told_settings_scores_and_the_course_of_every_fit(run):
    told = logged(finished(run))
    assert told.settings == {"model": "ststnet", "epochs": "2", "store 1": "f.h5 ab"}
    assert told.figures["accuracy"] == 0.75
    assert told.figures["accuracy_low"] <= 0.75 <= told.figures["accuracy_high"]
    assert told.figures["majority/accuracy"] == 0.5
    assert "weighted_F1" in told.figures
    assert {name: len(course) for name, course in told.courses.items()} == {
        "seed_0_d_a": 2, "seed_0_d_b": 2,
    }  # fmt: skip


def test_what_was_seen_on_test_subjects_is_named_no_result(run):
    figures = logged(finished(run)).figures
    assert figures["no_result/accuracy"] == 1
    assert not [name for name, value in figures.items() if value == 1 and "no_result" not in name
                and "high" not in name]  # fmt: skip


def test_two_fits_have_two_names_whatever_their_folds_are_called():
    odd = ["../a", "d/a", "d_a", "d/ä", "d/ö"]
    named = courses(Point(0, fold, 1, 0.0, 0.0) for fold in odd)
    assert [course[0].fold for course in named.values()] == odd
    assert not [name for name in named if "/" in name or not name.isascii()]


def test_tensorboard_reads_back_what_the_run_holds(run):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    done = export(run, "tensorboard")
    assert done.exit_code == 0, done.output
    folder = run / "tensorboard"
    assert f"tensorboard --logdir {folder}" in done.stdout
    own = EventAccumulator(str(folder)).Reload()
    assert own.Scalars("accuracy")[0].value == 0.75
    assert own.Scalars("no_result/accuracy")[0].value == 1
    plugin = own.SummaryMetadata("_hparams_/session_start_info").plugin_data
    assert b"ststnet" in plugin.content
    fit = EventAccumulator(str(folder / "seed_0_d_b")).Reload()
    assert set(fit.Tags()["scalars"]) == {"loss", "no_result/oracle_accuracy"}
    assert [(one.step, one.value) for one in fit.Scalars("loss")] == [(1, 1), (2, 0.5)]
    assert [one.value for one in fit.Scalars("no_result/oracle_accuracy")] == [0.25, 0.5]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    compared = own.SummaryMetadata("_hparams_/experiment").plugin_data.content
    assert b"UF1" in compared
    assert b"no_result" not in compared
    again = export(run, "tensorboard")
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)
    assert export(run, "tensorboard", "-o", run.parent / "other").exit_code == 0
    assert len(list((run.parent / "other").rglob("events*"))) == 4


def test_an_export_that_is_stopped_leaves_nothing(run):
    pytest.importorskip("tensorboard")

    def stopped():
        yield Point(0, "d/a", 1, 1.0, 1.0)
        raise KeyboardInterrupt

    told = replace(logged(finished(run)), courses={"a": stopped()})
    before = sorted(run.iterdir())
    with pytest.raises(KeyboardInterrupt):
        to_tensorboard(told, run / "tensorboard")
    assert sorted(run.iterdir()) == before


def test_mlflow_reads_back_what_the_run_holds(run, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    done = export(run, "mlflow")
    assert done.exit_code == 0, done.output
    client, made = mlflow.MlflowClient(), done.stdout.split()[-1]
    found = client.get_run(made)
    assert (found.info.run_name, found.info.status) == ("mine", "FINISHED")
    assert found.data.params["model"] == "ststnet"
    assert found.data.metrics["accuracy"] == 0.75
    assert found.data.metrics["no_result/accuracy"] == 1
    course = client.get_metric_history(made, "loss/seed_0_d_b")
    assert [(one.step, one.value) for one in course] == [(1, 1), (2, 0.5)]
    assert client.get_metric_history(made, "no_result/oracle_accuracy/seed_0_d_a")[1].value == 0.5


def test_more_than_mlflow_takes_at_once_goes_in_parts(run, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    many = [Point(0, "d/a", epoch, math.inf, 0.0) for epoch in range(1, 1201)]
    curves.write(run / "curves.csv", many)
    done = export(run, "mlflow")
    assert done.exit_code == 0, done.output
    found = mlflow.MlflowClient().get_metric_history(done.stdout.split()[-1], "loss/seed_0_d_a")
    assert [one.step for one in found] == list(range(1, 1201))


def test_a_place_that_mlflow_refuses_is_told_in_two_lines(run, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://here")
    done = export(run, "mlflow")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: mlflow: ")
    assert done.stderr.splitlines()[1:] == [
        "  set MLFLOW_TRACKING_URI to the address of your MLflow server"
    ]


def test_mlflow_is_asked_not_to_call_its_makers(run, monkeypatch):
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    export(run, "mlflow")
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize(
    ("tracker", "module", "command"),
    [
        ("tensorboard", "torch.utils.tensorboard", "pip install tensorboard"),
        ("mlflow", "mlflow", "pip install mlflow-skinny"),
    ],
)
def test_a_package_that_is_not_there_is_named_with_the_command_that_brings_it(
    run, monkeypatch, tracker, module, command
):
    monkeypatch.setitem(sys.modules, module, None)
    done = export(run, tracker)
    assert done.exit_code == 1
    assert " is not installed here" in done.stderr.splitlines()[0]
    assert done.stderr.splitlines()[1:] == [f"  {command}"]
    assert not (run / "tensorboard").exists()


def test_a_folder_for_mlflow_is_a_mistake_of_usage(run):
    assert export(run, "mlflow", "-o", "x").exit_code == 2
