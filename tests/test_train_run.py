"""mer-train and mer-report from end to end, on a tiny store."""

import csv
import json
import subprocess
import sys
import tomllib
from dataclasses import asdict

import blake3
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from tests.tiny_store import EMOTIONS, row, rows, tiny_store
from train.config import FitConfig
from train.models.base import load, names
from train.models.resnet import ResNet18
from train.place import run_folder
from train.report import cli as report
from train.request import toml

FAST = ["--seeds", "2", "--epochs", "12", "--batch-size", "8", "--learning-rate", "1e-2",
        "--device", "cpu", "--workers", "1", "--folds-at-once", "1"]  # fmt: skip


def mer_train(*args):
    from train.cli import cli

    return CliRunner().invoke(cli, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tiny_store(tmp_path_factory.mktemp("store") / "tiny.h5")


@pytest.fixture(scope="module")
def ran(store, tmp_path_factory):
    """A run folder, and what the command printed."""
    out = tmp_path_factory.mktemp("runs") / "first"
    result = mer_train("--features", store, *FAST, "-o", out)
    assert result.exit_code == 0, result.output
    return out, result


@pytest.fixture(scope="module")
def results(ran):
    return json.loads((ran[0] / "results.json").read_text())


def test_a_learnable_pattern_beats_the_majority_clearly(results):
    network, majority = results["scores"]["network"], results["scores"]["majority"]
    assert network["UAR"]["mean"] > 0.8
    assert majority["UAR"]["mean"] == pytest.approx(1 / 3)


def test_shuffled_labels_land_at_chance(store, tmp_path):
    result = mer_train(
        "--features", store, *FAST, "--shuffle-labels", "--json", "-o", tmp_path / "r"
    )
    shuffled = json.loads(result.stdout)
    assert shuffled["shuffle_labels"] is True
    assert shuffled["scores"]["network"]["UAR"]["mean"] < 0.55
    assert shuffled["scores"]["per_class"]["surprise"]["n"] == 12  # permuted, not redrawn


def test_predictions_have_the_header_and_a_row_a_sample_and_seed(ran):
    with (ran[0] / "predictions.csv").open() as file:
        table = list(csv.reader(file))
    assert ",".join(table[0]) == (
        "run,seed,fold,sample_id,dataset,subject,truth,prediction,"
        "p_disgust,p_happiness,p_surprise,epoch"
    )
    assert len(table) == 1 + 2 * 36
    assert {(line[0], line[2], line[5], line[-1]) for line in table[1:]} == {
        ("first", f"tiny/s{s}", f"s{s}", "12") for s in range(4)
    }


def test_the_prediction_is_the_likeliest_class(ran):
    with (ran[0] / "predictions.csv").open() as file:
        for line in csv.DictReader(file):
            p = [float(line[f"p_{name}"]) for name in EMOTIONS]
            assert line["prediction"] == EMOTIONS[p.index(max(p))]
            assert sum(p) == pytest.approx(1, abs=1e-5)


def test_the_same_command_gives_the_same_predictions_file(store, ran, tmp_path):
    mer_train("--features", store, *FAST, "-o", tmp_path / "first")
    again = (tmp_path / "first" / "predictions.csv").read_bytes()
    assert again == (ran[0] / "predictions.csv").read_bytes()


def test_results_say_what_the_run_rests_on(store, results):
    assert results["stores"] == [
        {
            "name": "tiny.h5",
            "key": "0" * 32,
            "blake3": blake3.blake3(store.read_bytes()).hexdigest(),
        }
    ]
    assert results["seeds"] == [0, 1]
    assert results["device"] == "cpu"
    assert results["protocol"] == "loso"
    assert results["shuffle_labels"] is False
    counts = results["scores"]["counts"]
    assert (counts["samples"], counts["subjects"], counts["classes"], counts["folds"]) == (
        36,
        4,
        3,
        4,
    )


def test_the_config_reads_back(store, ran):
    config = tomllib.loads((ran[0] / "config.toml").read_text())
    fit = {**asdict(FitConfig(epochs=12, batch_size=8, learning_rate=1e-2)), "augment": []}
    assert {name: config[name] for name in fit} == fit
    assert config["features"] == [str(store)]
    assert (config["model"], config["protocol"], config["seeds"]) == ("ststnet", "loso", 2)


def test_any_flat_value_is_toml():
    values = {"a": 'q"\\\n é 😀', "b": 1e-05, "c": 3, "d": True, "e": ["x", "y"]}
    assert tomllib.loads(toml(values)) == values


def test_a_score_from_the_file_alone_is_the_runs_own(ran, results):
    scored = CliRunner().invoke(report, ["score", str(ran[0] / "predictions.csv"), "--json"])
    assert json.loads(scored.stdout) == results["scores"]


def test_both_commands_print_the_same_table(ran):
    out, result = ran
    scored = CliRunner().invoke(report, ["score", str(out / "predictions.csv")]).stdout
    assert scored.splitlines()[1:] == result.stdout.splitlines()[1 : len(scored.splitlines())]
    for word in ("UF1", "majority", "chance", "36 samples, 4 subjects, 3 classes", "12 epochs"):
        assert word in scored
    assert "last epoch, nothing chosen on the test subject" in result.stdout


@pytest.fixture(scope="module")
def nested(store, tmp_path_factory):
    """A run whose epochs are chosen on training people, its clips moved and stretched."""
    out = tmp_path_factory.mktemp("runs") / "nested"
    flags = ("--validation", 3, "--augment", "shift", "--augment", "magnify")
    result = mer_train("--features", store, *FAST, *flags, "-o", out)
    assert result.exit_code == 0, result.output
    return out, result


def test_a_run_whose_epochs_are_chosen_on_training_people_says_so(nested):
    out, result = nested
    assert "epoch chosen on one in 3 training subjects, nothing chosen on the test" in result.stdout
    told = json.loads((out / "results.json").read_text())
    assert (told["validation"], told["augment"]) == (3, ["shift", "magnify"])
    assert len(told["scores"]["counts"]["epochs"]) > 1
    assert told["scores"]["network"]["UAR"]["mean"] > 0.8


def test_its_audit_remarks_that_and_names_a_control_of_the_same_kind(store, nested):
    audit = CliRunner().invoke(report, ["audit", str(nested[0]), "--features", str(store)])
    assert audit.exit_code == 0, audit.output
    assert "chosen on one in 3 of their training subjects" in audit.stdout
    for flag in ("--validation 3", "--augment shift --augment magnify", "--split loso"):
        assert flag in audit.stdout


def test_changes_of_clips_that_a_model_cannot_bear_are_refused(store, tmp_path):
    result = mer_train(
        "--features", store, "--model", "htnet", "--augment", "flip", "-o", tmp_path / "r"
    )
    assert result.exit_code == 2
    assert "htnet does not say what the planes of regions hold" in result.stderr


@pytest.mark.parametrize(
    ("flags", "cause"),
    [
        (("--validation", 1), "validation on one in 1; 2 or more, or 0 for none"),
        (("--learning-rate", "inf"), "learning rate inf"),
        (("--weight-decay", "nan"), "weight decay nan"),
    ],
)
def test_a_setting_no_fit_can_have_is_a_mistake_of_usage(store, tmp_path, flags, cause):
    result = mer_train("--features", store, *flags, "-o", tmp_path / "r")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {cause}")
    assert len(result.stderr.splitlines()) == 2
    assert not (tmp_path / "r").exists()


def test_no_change_goes_beside_another(store, tmp_path):
    flags = ("--augment", "none", "--augment", "flip")
    assert mer_train("--features", store, *flags, "-o", tmp_path / "r").exit_code == 2


@pytest.mark.slow
def test_networks_begin_with_the_weights_of_a_file_which_the_run_names(tmp_path):
    store = tiny_store(tmp_path / "few.h5", rows(subjects=2, clips=1))
    weights = tmp_path / "resnet18.safetensors"
    torch.manual_seed(1)
    save_file(ResNet18(5).state_dict(), weights)
    flags = ("--model", "resnet", "--seeds", 1, "--epochs", 1, "--folds-at-once", 1)
    both = []
    for name, more in (("random", ()), ("begun", ("--backbone", weights))):
        out = tmp_path / name
        result = mer_train("--features", store, *flags, *more, "-o", out)
        assert result.exit_code == 0, result.output
        both.append((out / "predictions.csv").read_text().replace(name, ""))
    assert both[0] != both[1]
    told = json.loads((out / "results.json").read_text())
    assert told["begins_with"] == {
        "name": weights.name,
        "blake3": blake3.blake3(weights.read_bytes()).hexdigest()[:32],
    }


def test_weights_for_a_model_that_takes_none_are_refused(store, tmp_path):
    result = mer_train("--features", store, "--backbone", "a.pth", "-o", tmp_path / "r")
    assert result.exit_code == 2
    assert "ststnet begins with no weights of others" in result.stderr


def test_progress_is_on_stderr(ran):
    assert "fits 8/8" in ran[1].stderr
    assert "fits" not in ran[1].stdout


def test_a_run_is_not_overwritten_unless_asked(store, ran):
    before = (ran[0] / "predictions.csv").read_bytes()
    refused = mer_train("--features", store, *FAST, "-o", ran[0])
    assert refused.exit_code == 2
    assert "holds a run already" in refused.stderr
    assert (ran[0] / "predictions.csv").read_bytes() == before


def test_force_replaces_a_run_and_leaves_other_files(tmp_path):
    out = tmp_path / "run"
    for text in ("old", "new"):
        with run_folder(out, force=True) as partial:
            (partial / "predictions.csv").write_text(text)
        (out / "notes.txt").touch()
    assert (out / "predictions.csv").read_text() == "new"
    assert (out / "notes.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def interrupted_run(out):
    with run_folder(out, force=False) as partial:
        (partial / "predictions.csv").write_text("half")
        raise KeyboardInterrupt


def test_an_interrupted_run_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        interrupted_run(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--model", "ststnt"], 2, "did you mean 'ststnet'?"),
        (["--protocol", "losso"], 2, "did you mean 'loso'?"),
        (["--features", "missing.h5"], 1, "no such store"),
        (["--epochs", "0"], 2, "0 is not in the range"),
    ],
)
def test_a_wrong_word_ends_in_two_lines_and_a_code(store, tmp_path, args, code, words):
    result = mer_train("--features", store, "-o", tmp_path / "run", *args)
    assert result.exit_code == code
    assert words in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_clip_under_two_names_ends_the_command_with_4(tmp_path):
    def alike(sample):
        from tests.tiny_store import arrays

        return arrays({**sample, "sample_id": "same"} if sample["clip"] == "twin" else sample)

    twins = [{**row(f"twin{s}", s, "surprise"), "clip": "twin"} for s in ("s0", "s1")]
    path = tiny_store(tmp_path / "twins.h5", [*rows(), *twins], make=alike)
    result = mer_train("--features", path, "-o", tmp_path / "run")
    assert result.exit_code == 4
    assert "first one under tiny/s0 and tiny/s1" in result.stderr


def test_a_bad_predictions_file_ends_in_one_line_of_cause(tmp_path):
    (tmp_path / "p.csv").write_text("a,b\n1,2\n")
    result = CliRunner().invoke(report, ["score", str(tmp_path / "p.csv")])
    assert result.exit_code == 1
    assert "no column run" in result.stderr.splitlines()[0]


SCRIPT = """
import sys
from train.cli import cli
heavy = {"torch", "sklearn", "h5py"} & set(sys.modules)
assert not heavy, f"loaded for --help: {heavy}"
mistyped = [
    ["--features", sys.argv[2], "--model", "ststnt", "-o", "r"],
    ["--features", sys.argv[2], "--protocol", "lozo", "-o", "r"],
    ["--features", "nothere.h5", "-o", "r"],
    ["--features", sys.argv[2], "-o", sys.argv[2]],
]
for words in mistyped:
    try:
        cli(words)
    except SystemExit as end:
        assert end.code in (1, 2), words
heavy = {"torch", "sklearn"} & set(sys.modules)
assert not heavy, f"loaded for what is mistyped: {heavy}"
cli(sys.argv[1:], standalone_mode=False)
never = {"cv2", "mediapipe", "dask", "distributed", "pipeline", "av"} & set(sys.modules)
assert not never, f"loaded by training: {never}"
"""


def test_help_and_typing_errors_load_nothing_heavy_and_training_nothing_of_the_other_half(
    store, tmp_path
):
    """In a fresh interpreter: this one has loaded everything already."""
    args = ["--features", store, *FAST, "--epochs", "1", "--seeds", "1", "-o", tmp_path / "run"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, *map(str, args)],
        capture_output=True, text=True, env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_network_is_listed_with_its_recipe():
    result = mer_train("--models")
    assert result.exit_code == 0
    for name in names():
        assert any(name in line and load(name).recipe in line for line in result.stdout.split("\n"))


def test_help_ends_with_an_example():
    for command in (mer_train("--help"), CliRunner().invoke(report, ["score", "--help"])):
        assert command.exit_code == 0
        assert "Example:" in command.output
        assert command.output.splitlines()[-1].startswith("      mer-")
