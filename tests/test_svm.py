"""Support vector machines: scikit-learn's own, in the shape of a network, and run as one."""

import csv
import json
import shlex
from dataclasses import fields

import numpy as np
import pytest
import sklearn
import torch
from click.testing import CliRunner
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from features.console import MerError
from features.protocol import load as load_protocol
from tests.test_models import STORED
from tests.tiny_store import EMOTIONS, arrays, row, rows, tiny_store
from train.checkpoint import read as read_network
from train.config import FitConfig
from train.control import command
from train.data import read
from train.finished import finished
from train.fit import class_weights, copied, fit
from train.models import svm
from train.models.base import Input, Model, load, names
from train.oracle import Oracle
from train.predict import predict
from train.task import Job, Task
from train.work import FitWork
from train.workers import compute

MACHINES = [name for name in names() if load(name).solved]
KERNELS = ("linear", "rbf")
COUNTS = {2: (14, 9), 3: (20, 9, 4), 4: (20, 3, 11, 8)}  # samples of each class


def overlapping(counts, seed=0):
    """Training rows and others, of classes that lie in each other; column 2 is 5 in training."""
    random = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(counts)), counts)
    spread = random.uniform(0.01, 30, 12)
    middle = random.normal(0, 0.7, (len(counts), 12))
    x, other = ((middle[truth] + random.normal(size=(len(truth), 12))) * spread for _ in range(2))
    x[:, 2] = 5
    return x.astype(np.float32), truth, other.astype(np.float32)


def solved(kernel, x, truth, classes, weight=None):
    machine = svm.SVM(classes, kernel)
    truth = torch.from_numpy(truth)
    machine.solve(
        [torch.from_numpy(x)], truth, weight and class_weights(truth, classes, "balanced")
    )
    return machine


def peer(kernel, x, truth, weight=None):
    """scikit-learn's, from scaler to vote."""
    with sklearn.config_context(enable_metadata_routing=True):
        one = SVC(C=1, kernel=kernel, gamma="scale").set_fit_request(sample_weight=True)
        told = {}
        if weight is not None:
            of_class = class_weights(torch.from_numpy(truth), truth.max() + 1, "balanced")
            told["sample_weight"] = of_class[truth]
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        return make_pipeline(scaler, OneVsRestClassifier(one)).fit(x.astype(float), truth, **told)


@pytest.mark.parametrize("classes", COUNTS)
@pytest.mark.parametrize("weight", [None, "balanced"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_it_says_what_scikit_learns_one_against_the_rest_says(kernel, weight, classes):
    x, truth, other = overlapping(COUNTS[classes])
    machine, theirs = solved(kernel, x, truth, classes, weight), peer(kernel, x, truth, weight)
    for asked in (x, other):
        ours = machine(torch.from_numpy(asked)).numpy()
        values = theirs.decision_function(asked)
        np.testing.assert_allclose(ours[:, 1] if classes == 2 else ours, values, atol=1e-4)
        assert np.array_equal(ours.argmax(1), theirs.predict(asked))
    assert (machine(torch.from_numpy(x)).argmax(1).numpy() == truth).mean() > 0.5


def test_inputs_are_laid_side_by_side():
    x, truth, _ = overlapping(COUNTS[3])
    parts = [torch.from_numpy(x[:, :4].reshape(-1, 2, 2)), torch.from_numpy(x[:, 4:])]
    machine = svm.SVM(3, "rbf")
    machine.solve(parts, torch.from_numpy(truth), None)
    whole = solved("rbf", x, truth, 3)(torch.from_numpy(x))
    torch.testing.assert_close(machine(*parts), whole)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_class_that_training_lacks_is_never_predicted(kernel):
    x, truth, other = overlapping(COUNTS[2])
    there = np.array([1, 3])
    machine = solved(kernel, x, there[truth], 5)
    probabilities = predict(machine, [torch.from_numpy(other)])
    assert not probabilities[:, [0, 2, 4]].any()
    of_two = predict(solved(kernel, x, truth, 2), [torch.from_numpy(other)])
    torch.testing.assert_close(probabilities[:, there], of_two)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_only_class_of_training_is_always_predicted(kernel):
    x, truth, other = overlapping(COUNTS[2])
    machine = solved(kernel, x, truth * 0 + 1, 3)
    probabilities = predict(machine, [torch.from_numpy(other)])
    assert torch.equal(probabilities, torch.tensor([0.0, 1, 0]).expand(len(other), 3))


@pytest.mark.parametrize("kernel", KERNELS)
def test_samples_that_are_all_alike_break_nothing(kernel):
    machine = solved(kernel, np.ones((4, 3), np.float32), np.array([0, 1, 1, 1]), 2)
    probabilities = predict(machine, [torch.tensor([[1.0, 1, 1], [5, 0, 2]])])
    torch.testing.assert_close(probabilities.sum(1), torch.ones(2))


@pytest.mark.parametrize("name", MACHINES)
def test_sixteen_samples_that_can_be_told_apart_are(name):
    model = load(name)
    (one,) = model.takes
    stored = STORED[model.recipe, one.feature]
    shape = (*stored[:-2], *(one.size or stored[-2:]))
    truth = torch.arange(16) % 3
    x = torch.randn(16, *shape, generator=torch.Generator().manual_seed(0))
    x[:, 0] += truth.reshape(-1, *(1,) * (len(shape) - 1))
    network = fit(model, 3, [x], truth, model.fit, seed=0)
    assert not network.training
    assert torch.equal(network(x).argmax(1), truth)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_state_brings_the_machine_back_whatever_its_sizes(kernel):
    x, truth, other = overlapping(COUNTS[3])
    machine = solved(kernel, x, truth, 3)
    again = svm.SVM(3, kernel)
    again.load_state_dict(copied(machine.state_dict()))
    assert torch.equal(again(torch.from_numpy(other)), machine(torch.from_numpy(other)))
    with pytest.raises(RuntimeError, match="size mismatch for intercept"):
        svm.SVM(4, kernel).load_state_dict(machine.state_dict())


RBF = load("svm_rbf")


def planes(seed=0):
    truth = np.tile(np.arange(3), 8)
    x = np.random.default_rng(seed).normal(0, 0.3, (24, 2, 28, 28)).astype(np.float32)
    for plane, c in zip(x, truth, strict=True):
        plane[:, :, 9 * c : 9 * c + 9] += 0.1
    return x, truth


def test_a_tested_sample_changes_no_other_prediction():
    x, truth = planes()
    task = Task(0, "f", truth, np.arange(6, 24), np.arange(6))
    changed = x.copy()
    changed[0] = changed[0] * 40 + 7
    answers = []
    for inputs in (x, changed):
        ((_, answer),) = compute(Job("svm_rbf", 3, (inputs,), RBF.fit, "cpu"), [task], 1)
        answers.append(answer.probabilities)
    assert np.array_equal(answers[0][1:], answers[1][1:])
    assert not np.array_equal(answers[0][0], answers[1][0])


def test_the_only_epoch_is_the_oracles_and_a_state_after_it_is_not_solved_again(monkeypatch):
    x, truth = (torch.from_numpy(one) for one in planes())
    oracle, kept = Oracle([x[:6]], truth[:6]), {}
    network = fit(
        RBF, 3, [x[6:]], truth[6:], RBF.fit, 0, watch=oracle.watch,
        keep=lambda epoch, state: kept.update({epoch: state()}),
    )  # fmt: skip
    assert (oracle.epoch, list(kept)) == (1, [1])
    assert torch.equal(oracle.probabilities, predict(network, [x[:6]]))
    monkeypatch.delattr(svm.SVM, "solve")
    again = fit(RBF, 3, [x[6:]], truth[6:], RBF.fit, 0, start=(1, kept[1]))
    assert not again.training
    assert torch.equal(predict(again, [x]), predict(network, [x]))


def test_class_weights_are_those_of_the_config():
    x, truth = (torch.from_numpy(one) for one in planes())
    few = slice(0, -4)  # so that the classes differ in number
    values = {
        choice: fit(RBF, 3, [x[few]], truth[few], FitConfig(1, class_weights=choice), 0)(x)
        for choice in ("none", "balanced")
    }
    machine = svm.SVM(3, "rbf")
    machine.solve([x[few]], truth[few], class_weights(truth[few], 3, "balanced"))
    assert torch.equal(values["balanced"], machine(x))
    assert not torch.equal(values["balanced"], values["none"])


def flat(sample):
    return {name: array.reshape(-1) for name, array in arrays(sample).items()}


def test_a_vector_feeds_a_machine_that_wants_no_size_and_no_network(tmp_path):
    store = tiny_store(tmp_path / "flat.h5", make=flat)
    takes, protocol = (Input("flow", clamp=None),), load_protocol("loso")
    machine = Model(RBF.build, takes, "flow", RBF.fit, solved=True)
    (x,) = read([store], machine, protocol).inputs
    assert torch.equal(x[0], torch.from_numpy(flat(rows()[0])["flow"].astype(np.float16)).float())
    for refused in (RBF, Model(RBF.build, takes, "flow")):
        with pytest.raises(MerError, match="needs planes"):
            read([store], refused, protocol)


def mer_train(*args):
    from train.cli import cli

    return CliRunner().invoke(cli, [str(arg) for arg in args])


def classical(sample):
    """Its flow, and histograms of it, in the shapes of the recipe `classical`."""
    made = arrays(sample)
    cells = np.abs(made["flow"].reshape(2, 7, 8, 7, 8)).mean((2, 4))[:, :6, :6]
    lbp = np.resize(cells, (5, 5, 3, 59))
    return {
        "flow": made["flow"], "mdmo": cells, "hoof": np.resize(cells, (5, 5, 8)),
        "lbp_top": lbp / lbp.sum(-1, keepdims=True),
    }  # fmt: skip


FEW = ["--seeds", "1", "--device", "cpu", "--keep-networks"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    columns = ("flow", "mdmo", "hoof", "lbp_top")
    return tiny_store(tmp_path_factory.mktemp("s") / "t.h5", columns=columns, make=classical)


@pytest.fixture(scope="module")
def ran(store, tmp_path_factory):
    """The folder of a run of svm_linear in this process."""
    out = tmp_path_factory.mktemp("runs") / "run"
    done = mer_train("--features", store, "--model", "svm_linear", *FEW, "--workers", 1, "-o", out)
    assert done.exit_code == 0, done.output
    return out


def files(folder):
    """What the numbers of a run lie in, its networks' tensors included."""
    paths = [folder / "predictions.csv", folder / "oracle.csv"]
    paths += sorted((folder / "checkpoints").glob("*.safetensors"))
    return {path.name: path.read_bytes() for path in paths}


def test_a_run_learns_and_its_oracle_is_its_only_epoch(ran):
    results = json.loads((ran / "results.json").read_text())
    assert results["scores"]["network"]["UAR"]["mean"] > 0.8
    assert results["scores"]["counts"]["epochs"] == [1]
    assert (ran / "oracle.csv").read_bytes() == (ran / "predictions.csv").read_bytes()
    assert len(files(ran)) == 2 + 4


def test_kept_networks_say_what_was_predicted(store, ran):
    model = load("svm_linear")
    examples = read([store], model, load_protocol("loso"))
    with (ran / "predictions.csv").open() as file:
        lines = {line["sample_id"]: line for line in csv.DictReader(file)}
    for subject in ("s0", "s3"):
        (path,) = (ran / "checkpoints").glob(f"0-*{subject}.json")
        tensors, _ = read_network(path, {"fold": f"tiny/{subject}"})
        network = model.build(3)
        network.load_state_dict(tensors)
        tested = np.flatnonzero(examples.subject == subject)
        for i, said in zip(tested, predict(network, [examples.inputs[0][tested]]), strict=True):
            line = lines[examples.sample_id[i]]
            assert said.tolist() == pytest.approx([float(line[f"p_{e}"]) for e in EMOTIONS])


@pytest.mark.slow
def test_two_workers_give_the_same_bytes(store, ran, tmp_path):
    out = tmp_path / "run"
    done = mer_train("--features", store, "--model", "svm_linear", *FEW, "--workers", 2, "-o", out)
    assert done.exit_code == 0, done.output
    assert files(out) == files(ran)


def test_an_interrupted_run_goes_on_to_the_same_bytes_and_solves_nothing_twice(
    store, ran, tmp_path, monkeypatch
):
    finish, solve, finishes, solves = FitWork.finish, svm.SVM.solve, [], []

    def leave_at_the_third(work, *args):
        finishes.append(work)
        if len(finishes) == 3:
            raise KeyboardInterrupt
        finish(work, *args)

    def count(*args):
        solves.append(args)
        solve(*args)

    monkeypatch.setattr(FitWork, "finish", leave_at_the_third)
    monkeypatch.setattr(svm.SVM, "solve", count)
    args = ["--features", store, "--model", "svm_linear", *FEW, "--workers", 1,
            "--checkpoint-every", 0, "-o", tmp_path / "run"]  # fmt: skip
    assert mer_train(*args).exit_code == 130
    assert len(solves) == 3
    again = mer_train(*args)
    assert again.exit_code == 0, again.output
    assert "2 of 4 fits are finished" in again.stderr
    assert len(solves) == 4  # the third had kept its state
    assert files(tmp_path / "run") == files(ran)


@pytest.mark.parametrize("name", [name for name in MACHINES if name != "svm_linear"])
def test_every_machine_runs_from_a_store(store, tmp_path, name):
    out = tmp_path / "run"
    done = mer_train("--features", store, "--model", name, *FEW, "--workers", 1, "-o", out)
    assert done.exit_code == 0, done.output
    results = json.loads((out / "results.json").read_text())
    assert results["scores"]["network"]["UAR"]["mean"] > 0.6
    assert {one.name for one in fields(FitConfig)} & results.keys() == {"class_weights"}


def test_a_fold_whose_training_lacks_a_class_is_predicted_without_it(tmp_path):
    fear = [row(f"s0-fear-{c}", "s0", "fear") for c in range(2)]
    store = tiny_store(tmp_path / "s.h5", [*rows(), *fear], columns=("flow",))
    for name in ("svm_linear", "svm_rbf"):
        out = tmp_path / name
        done = mer_train("--features", store, "--model", name, *FEW, "--workers", 1, "-o", out)
        assert done.exit_code == 0, done.output
        with (out / "predictions.csv").open() as file:
            fears = {fold: set() for fold in ("tiny/s0", "tiny/s1", "tiny/s2", "tiny/s3")}
            for line in csv.DictReader(file):
                fears[line["fold"]].add(float(line["p_fear"]))
        assert fears.pop("tiny/s0") == {0.0}
        assert all(min(others) > 0 for others in fears.values())


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--epochs", "5"], "it has no --epochs"),
        (["--learning-rate", "0.1"], "it has no --learning-rate"),
        (["--batch-size", "8", "--optimizer", "sgd"], "it has no --batch-size, --optimizer"),
        (["--schedule", "cosine", "--weight-decay", "1"], "no --weight-decay, --schedule"),
    ],
)
def test_a_setting_of_epochs_is_refused_in_two_lines(store, tmp_path, args, words):
    out = tmp_path / "run"
    done = mer_train("--features", store, "--model", "svm_rbf", *FEW, *args, "-o", out)
    assert done.exit_code == 2
    assert words in done.stderr.splitlines()[0]
    assert "--class-weights" in done.stderr.splitlines()[1]
    assert list(tmp_path.iterdir()) == []


def test_class_weights_are_no_setting_of_epochs(store, tmp_path):
    args = ["--features", store, "--model", "svm_rbf", *FEW, "--class-weights", "balanced"]
    done = mer_train(*args, "--workers", 1, "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output


def test_the_audits_line_for_the_control_runs(ran):
    words = shlex.split(command(finished(ran)))
    done = mer_train(*words[1:], "--device", "cpu", "--workers", 1)
    assert done.exit_code == 0, done.output
    assert "a control" in done.stdout


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_several_labels_have_a_machine_each_as_scikit_learns(kernel):
    x, classes, other = overlapping(COUNTS[3])
    truth = np.stack([classes > 0, classes % 2, np.zeros_like(classes), np.ones_like(classes)], 1)
    machine = svm.SVM(4, kernel)
    machine.solve([torch.from_numpy(x)], torch.from_numpy(truth.astype(np.int64)), None)
    found = machine(torch.from_numpy(other))
    for unit in (0, 1):
        theirs = peer(kernel, x, truth[:, unit])
        np.testing.assert_allclose(found[:, unit], theirs.decision_function(other), atol=1e-4)
    assert (found[:, 2].sigmoid() == 0).all()  # nobody shows it
    assert (found[:, 3].sigmoid() == 1).all()


def test_of_several_labels_a_weight_is_of_those_that_show_it():
    x, classes, other = overlapping(COUNTS[3])
    truth = np.stack([classes > 0, classes == 1], 1)
    machine = svm.SVM(2, "linear")
    weight = torch.tensor([1.0, 0.01])
    machine.solve([torch.from_numpy(x)], torch.from_numpy(truth.astype(np.int64)), weight)
    scaler = StandardScaler().fit(x.astype(float))
    for unit, factor in enumerate(weight.tolist()):
        shown = truth[:, unit]
        theirs = SVC(kernel="linear").fit(scaler.transform(x), shown, np.where(shown, factor, 1))
        wanted = theirs.decision_function(scaler.transform(other))
        found = machine(torch.from_numpy(other))[:, unit]
        np.testing.assert_allclose(found, wanted, atol=5e-3)
