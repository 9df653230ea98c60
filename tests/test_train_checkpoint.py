"""A training state on disk: exact, private, sealed; and no other format is ever loaded."""

import ast
import json
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from features.console import MerError
from tests.test_train_fit import CLASSES, CONFIG, MODEL, TRUTH, pattern
from train.checkpoint import (
    drop_damaged,
    read,
    remove,
    save,
    sealed,
    states,
    tensors_of,
    unsealed,
    write,
)
from train.cli import cli
from train.fit import fit

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[1]
OF = {"model": "ststnet", "fold": "d/1", "seed": 3, "learning_rate": 1e-05}
SMALL = {"a": torch.arange(6, dtype=torch.float32).reshape(2, 3), "n": torch.tensor(7)}


def data():
    return [torch.from_numpy(x) for x in pattern()], torch.from_numpy(TRUTH)


class Left(Exception):
    pass


def left_after(epoch, folder):
    """Fit, save the state after an epoch, and leave."""

    def keep(number, state):
        if number == epoch:
            save(folder, number, state(), OF)
            raise Left

    with pytest.raises(Left):
        fit(MODEL, CLASSES, *data(), CONFIG, 5, keep=keep)
    return states(folder)[-1]


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def whole():
    return weights(fit(MODEL, CLASSES, *data(), CONFIG, 5))


@pytest.mark.parametrize("epoch", range(1, CONFIG.epochs + 1))
def test_a_fit_left_after_any_epoch_goes_on_to_the_same_bits(tmp_path, whole, epoch):
    state, facts = read(left_after(epoch, tmp_path), OF)
    assert facts["epoch"] == epoch
    seen = []
    torch.manual_seed(99)  # whatever the new process drew before
    network = fit(
        MODEL, CLASSES, *data(), CONFIG, 5, (epoch, state), lambda number, _: seen.append(number)
    )
    assert seen == list(range(epoch + 1, CONFIG.epochs + 1))
    assert same(weights(network), whole)


@pytest.mark.parametrize(
    "part", ["running_mean", "mean", "square", "steps", "order", "chance", "weight"]
)
def test_each_part_of_the_state_decides_the_bits(tmp_path, whole, part):
    """So the test above would see it missing: dropout and batch norm are in this network."""
    other, _ = read(left_after(1, tmp_path / "1"), OF)
    state, _ = read(left_after(3, tmp_path / "3"), OF)
    mixed = {name: other[name] if name.endswith(part) else value for name, value in state.items()}
    assert any(name.endswith(part) for name in state)
    network = fit(MODEL, CLASSES, *data(), CONFIG, 5, (3, mixed))
    assert not same(weights(network), whole)


class Noisy(nn.Module):
    """A network that draws as no dropout does: from torch itself."""

    def __init__(self, classes):
        super().__init__()
        self.head = nn.Linear(28 * 28, classes)

    def forward(self, flow, strain):
        x = strain.flatten(1)
        return self.head(x + torch.randn(x.shape) if self.training else x)


def test_what_a_network_draws_from_torch_goes_on_too():
    model, config = replace(MODEL, build=Noisy), replace(CONFIG, epochs=3)
    kept = {}

    def keep(number, state):
        kept[number] = state()

    whole = weights(fit(model, CLASSES, *data(), config, 5, keep=keep))
    torch.manual_seed(99)
    assert same(weights(fit(model, CLASSES, *data(), config, 5, (1, kept[1]))), whole)


def test_a_fit_of_changed_clips_goes_on_to_the_same_bits(tmp_path):
    config = replace(CONFIG, epochs=4, augment=("flip", "shift", "magnify"))
    kept = {}

    def keep(number, state):
        kept[number] = state()

    whole = weights(fit(MODEL, CLASSES, *data(), config, 5, keep=keep))
    assert same(weights(fit(MODEL, CLASSES, *data(), config, 5, (2, kept[2]))), whole)
    mixed = {**kept[2], "random.change": kept[1]["random.change"]}
    assert not same(weights(fit(MODEL, CLASSES, *data(), config, 5, (2, mixed))), whole)


def test_tensors_and_facts_come_back_as_they_were(tmp_path):
    save(tmp_path, 4, SMALL, OF)
    tensors, facts = read(states(tmp_path)[-1], OF)
    assert same(tensors, SMALL)
    assert {name: facts[name] for name in OF} == OF
    assert (facts["format"], facts["schema"], facts["epoch"]) == ("merkit-training", 1, 4)


def test_numbers_in_the_json_are_plain_whatever_they_were(tmp_path):
    path = tmp_path / "facts.json"
    path.write_bytes(sealed({"loss": np.float64(0.1)}))
    found = unsealed(path, {})["loss"]
    assert type(found) is float
    assert found == 0.1


def test_the_last_two_states_stay_and_what_a_kill_left_goes(tmp_path):
    save(tmp_path, 1, SMALL, OF)
    (tmp_path / ".000002-0.json.0123456789abcdef.tmp").touch()
    for epoch in (2, 10):
        save(tmp_path, epoch, {"a": torch.full((2,), epoch)}, OF)
    assert [path.name[:6] for path in states(tmp_path)] == ["000002", "000010"]
    assert len(list(tmp_path.iterdir())) == 4


def test_states_are_for_their_owner_alone(tmp_path):
    save(tmp_path / "fits" / "0-a", 1, SMALL, OF)
    for path in tmp_path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def refused(path, words):
    with pytest.raises(MerError, match=words) as refusal:
        read(path, OF)
    assert refusal.value.exit_code == 4
    assert refusal.value.remedy


@pytest.mark.parametrize("which", ["json", "safetensors"])
def test_a_changed_bit_anywhere_is_found_and_its_file_named(tmp_path, which):
    save(tmp_path, 1, SMALL, OF)
    path = states(tmp_path)[-1]
    file = path.with_suffix(f".{which}")
    good = file.read_bytes()
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        file.write_bytes(bad)
        refused(path, f"{file.name}: damaged")
    file.write_bytes(good)
    read(path, OF)


@pytest.mark.parametrize("which", ["json", "safetensors"])
def test_a_file_cut_short_or_missing_is_found(tmp_path, which):
    save(tmp_path, 1, SMALL, OF)
    path = states(tmp_path)[-1]
    file = path.with_suffix(f".{which}")
    good = file.read_bytes()
    for length in range(len(good)):
        file.write_bytes(good[:length])
        refused(path, f"{file.name}: damaged")
    file.unlink()
    refused(path, f"{file.name}: damaged")


def test_another_schema_is_refused_by_its_number(tmp_path):
    save(tmp_path, 1, SMALL, OF)
    path = states(tmp_path)[-1]
    facts = json.loads(path.read_bytes())
    del facts["seal"]
    path.write_bytes(sealed({**facts, "schema": 2}))
    refused(path, "schema 2; this merkit reads merkit-training of schema 1")


def test_a_state_of_another_fit_is_refused_and_the_difference_named(tmp_path):
    save(tmp_path, 1, SMALL, {**OF, "fold": "d/2", "seed": 0})
    refused(states(tmp_path)[-1], "differs in fold, seed")


def test_the_state_before_is_used_when_the_last_is_damaged(tmp_path):
    for epoch in (1, 2):
        save(tmp_path, epoch, {"a": torch.full((2,), epoch)}, OF)
    file = tensors_of(states(tmp_path)[-1])
    file.write_bytes(file.read_bytes()[:-1])
    (told,) = drop_damaged(tmp_path, OF)
    assert file.name in told.cause
    (left,) = states(tmp_path)
    assert read(left, OF)[1]["epoch"] == 1


def test_removing_networks_leaves_other_files(tmp_path):
    write(tmp_path / "0-a.b.json", SMALL, OF)
    (tmp_path / "mine.json").write_text("{}")
    (tmp_path / "mine.safetensors").touch()
    remove(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.json", "mine.safetensors"}


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("owned"),)


@pytest.mark.parametrize("force", ["0", "1"])
def test_an_evil_pt_runs_nowhere(tmp_path, monkeypatch, force):
    """As a state, its facts, a store or weights; whatever the environment allows torch."""
    from features.learned import read_weights

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", force)
    torch.save(Evil(), tmp_path / "evil.pt")
    evil = (tmp_path / "evil.pt").read_bytes()
    save(tmp_path / "state", 1, SMALL, OF)
    path = states(tmp_path / "state")[-1]
    for file in (tensors_of(path), path):
        file.write_bytes(evil)
        refused(path, "damaged")
    with pytest.raises(MerError):
        read_weights(tmp_path / "evil.pt")
    done = CliRunner().invoke(cli, ["--features", "evil.pt", "-o", "run"])
    assert done.exit_code in (1, 4)
    assert "Traceback" not in done.output
    assert not (tmp_path / "owned").exists()
    torch.load(tmp_path / "evil.pt", weights_only=False)
    assert (tmp_path / "owned").exists()  # so it was evil


UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def unsafe(source):
    """Calls and imports that could run what is in a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = {name.name for name in node.names} | {getattr(node, "module", None) or ""}
            found += [name for name in named if name.split(".")[0] in UNSAFE]
        if isinstance(node, ast.ImportFrom) and node.module in ("torch", "torch.jit", "torch.hub"):
            found += [name.name for name in node.names if name.name.startswith("load")]
        if isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            if text in ("torch.load", "torch.jit.load", "torch.hub.load", "torch.save"):
                found.append(text)
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "weights_only"):
            found.append(node.arg)
    return found


def test_no_code_loads_a_pickle():
    files = [p for top in ("features", "pipeline", "train") for p in (ROOT / top).rglob("*.py")]
    found = {str(path.relative_to(ROOT)): unsafe(path.read_text()) for path in files}
    # Weights that a user brings are often torch.save's; nothing in them is run.
    weights = {"train/models/resnet.py": ["torch.load", "weights_only"]}
    assert {name: sorted(calls) for name, calls in found.items() if calls} == weights
    planted = "import pickle\nfrom torch import load\nimport torch\ntorch.load('x', weights_only=1)"
    assert set(unsafe(planted)) == {"pickle", "load", "torch.load", "weights_only"}
