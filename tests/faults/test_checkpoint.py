"""Kills at any moment: what was acknowledged is there, and a run goes on to the same bytes."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from tests.tiny_store import tiny_store
from train.checkpoint import read, tensors_of, unsealed
from train.cli import cli
from train.work import FitWork, work_folder

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-P", "-c", "from train.cli import cli; cli()"]
EPOCHS, FITS = 8, 4
OPTIONS = ["--seeds", "1", "--epochs", str(EPOCHS), "--batch-size", "8", "--device", "cpu",
           "--checkpoint-every", "0", "--folds-at-once", "1"]  # fmt: skip


@pytest.fixture
def start():
    """Start a process in a group of its own, of which nothing outlives the test."""
    started = []

    def call(*args, code=COMMAND):
        process = subprocess.Popen(
            [*code, *map(str, args)], env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield call
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.005)
    raise AssertionError("waited in vain")


def finished(work):
    """Result file of each finished fit -> when it was written, ns."""
    found = {}
    for path in work.glob("fits/*.json"):
        with suppress(FileNotFoundError):  # the run has just ended
            found[path.name] = path.stat().st_mtime_ns
    return found


def under_way(work):
    return list(work.glob("fits/*/*.json"))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tiny_store(tmp_path_factory.mktemp("store") / "tiny.h5")


@pytest.fixture
def train(store, tmp_path):
    """Call mer-train in this process, to the run `tmp_path/name/run`."""

    def call(*more, name="runs", workers=1):
        args = ["--features", store, *OPTIONS, "--workers", workers, *more]
        return CliRunner().invoke(cli, [str(a) for a in [*args, "-o", tmp_path / name / "run"]])

    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & has it ignored
    yield call
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def expected(store, tmp_path_factory):
    """The predictions.csv of a run that nobody interrupts."""
    out = tmp_path_factory.mktemp("whole") / "run"
    args = ["--features", str(store), *OPTIONS, "--workers", "1", "-o", str(out)]
    before = signal.getsignal(signal.SIGTERM)
    done = CliRunner().invoke(cli, args)
    signal.signal(signal.SIGTERM, before)
    assert done.exit_code == 0, done.output
    return written(out)


def written(run):
    """What a run says of its samples, at the last epoch and at the oracle's, and of its epochs."""
    names = ("predictions.csv", "oracle.csv", "curves.csv")
    return [(run / name).read_bytes() for name in names]


@contextmanager
def signalled(how, when):
    """Send this process a signal after the first state that is kept when `when` says so."""
    keep, sent = FitWork.keep, []

    def keep_and_look(self, *given):
        keep(self, *given)
        if not sent and when():
            sent.append(how)
            os.kill(os.getpid(), how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FitWork, "keep", keep_and_look)
        yield


@pytest.mark.parametrize(("how", "fits"), [(signal.SIGINT, 0), (signal.SIGTERM, 2)])
def test_a_run_stopped_in_one_process_goes_on_to_the_same_bytes(
    train, tmp_path, expected, how, fits
):
    work = tmp_path / "runs" / ".run.work"
    with signalled(how, lambda: len(finished(work)) >= fits and under_way(work)):
        done = train()
    assert done.exit_code == 130
    kept = len(finished(work))
    cause, remedy = done.stderr.splitlines()[-2:]
    assert cause == f"error: interrupted: {kept} of {FITS} fits are finished and kept"
    assert remedy.startswith("  run the same command again to go on")
    assert not (tmp_path / "runs" / "run").exists()
    assert fits <= kept < FITS
    again = train()
    assert again.exit_code == 0, again.output
    assert (f"{kept} of {FITS} fits are finished and kept" in again.stderr) == (kept > 0)
    assert written(tmp_path / "runs" / "run") == expected
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["run"]


def stopped_and_resumed(start, store, tmp_path, how, workers, fits):
    """Stop a run of its own process group, check what it leaves, run it again; its folder."""
    out = tmp_path / f"{how}-{workers}-{fits}" / "run"
    work = out.with_name(".run.work")
    args = ["--features", store, *OPTIONS, "--workers", workers, "-o", out]
    run = start(*args)
    wait_for(lambda: len(finished(work)) >= fits and under_way(work))
    processes = psutil.Process(run.pid).children(recursive=True)
    if how == signal.SIGKILL:
        os.kill(run.pid, how)
        run.communicate(timeout=30)
    else:  # a terminal and a batch system signal the whole group
        os.killpg(run.pid, how)
        _, errors = run.communicate(timeout=30)
        assert run.returncode == 130, errors
        kept = f"{len(finished(work))} of {FITS} fits are finished and kept"
        assert errors.splitlines()[-2] == f"error: interrupted: {kept}"
        assert "Traceback" not in errors
    wait_for(lambda: not any(process.is_running() for process in processes), 10)
    assert not out.exists()
    before = finished(work)
    assert fits <= len(before) < FITS
    newest = {path.parent: int(path.name[:6]) for path in sorted(under_way(work))}
    again = start(*args)
    seen = dict(before)
    while again.poll() is None:  # nobody writes a finished fit again, or an old epoch
        seen |= finished(work)
        for path in under_way(work):
            assert int(path.name[:6]) >= newest.get(path.parent, 1) - 1
        time.sleep(0.01)
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert {name: seen[name] for name in before} == before
    return out


@pytest.mark.faults
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("workers", "fits"), [(1, 1), (2, 0), (2, 2)])
def test_a_run_of_its_own_stopped_at_any_moment_goes_on_to_the_same_bytes(
    start, store, tmp_path, expected, how, workers, fits
):
    out = stopped_and_resumed(start, store, tmp_path, how, workers, fits)
    assert written(out) == expected


@pytest.mark.faults
@pytest.mark.parametrize("first", ["all", "parent", "workers"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_run_of_long_fits_ends_at_once_whoever_hears_the_signal_first(
    start, store, tmp_path, how, first
):
    out = tmp_path / "run"
    run = start("--features", store, *OPTIONS, "--workers", 2, "--epochs", 10**6, "-o", out)
    wait_for(lambda: len({path.parent for path in under_way(tmp_path / ".run.work")}) == 2)
    processes = psutil.Process(run.pid).children(recursive=True)
    if first == "all":
        os.killpg(run.pid, how)
    else:
        if first == "workers":
            for process in processes:
                process.send_signal(how)
            time.sleep(0.3)
        os.kill(run.pid, how)
    _, errors = run.communicate(timeout=10)
    assert run.returncode == 130, errors
    assert "Traceback" not in errors
    wait_for(lambda: not any(process.is_running() for process in processes), 10)


@contextmanager
def left_half(train, tmp_path, *more):
    """The work folder of a run that was interrupted after two fits."""
    work = tmp_path / "runs" / ".run.work"
    with signalled(signal.SIGINT, lambda: len(finished(work)) >= 2 and len(under_way(work)) >= 2):
        assert train(*more).exit_code == 130
    yield work


def test_only_what_is_not_finished_is_fitted(train, tmp_path):
    """Finished results are read, not made: a planted one shows up in the scores."""
    from features.disk import write_durably
    from train.checkpoint import sealed

    with left_half(train, tmp_path) as work:
        path = sorted(work.glob("fits/*.json"))[0]
        facts = unsealed(path, {})
        facts["probabilities"] = [[0.25, 0.25, 0.5] for _ in facts["probabilities"]]
        write_durably(path, sealed(facts))
        assert train().exit_code == 0
    rows = (tmp_path / "runs" / "run" / "predictions.csv").read_text().splitlines()
    assert sum("0.25,0.25,0.5" in row for row in rows) == len(facts["probabilities"])


def test_what_is_damaged_is_told_and_made_again(train, tmp_path, expected):
    """A state, a result and a network."""
    with left_half(train, tmp_path, "--keep-networks") as work:
        result = sorted(work.glob("fits/*.json"))[0]
        network = sorted(work.glob("networks/*.safetensors"))[1]
        state = tensors_of(sorted(under_way(work))[-1])
        for path in (result, network, state):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        again = train("--keep-networks")
    assert again.exit_code == 0, again.output
    for path in (result, network):
        assert f"{path}: damaged, or not whole: this fit is made again" in again.stderr
    assert f"{state}: damaged, or not whole: this fit goes on from" in again.stderr
    assert written(tmp_path / "runs" / "run") == expected


def test_a_fit_that_diverges_is_not_kept_as_finished(train, tmp_path):
    for _ in range(2):
        done = train("--learning-rate", "1e30")
        assert done.exit_code == 1
        assert "the fit diverged" in done.stderr
        assert not finished(tmp_path / "runs" / ".run.work")


@pytest.mark.faults
def test_another_request_in_the_same_place_starts_anew_and_says_so(train, tmp_path):
    with left_half(train, tmp_path) as work:
        other = train("--weight-decay", "0.01")
        assert f"{work / 'request.json'}: of another run, which differs in" in other.stderr
        assert "weight_decay; this run starts anew" in other.stderr
        assert "finished and kept" not in other.stderr
    alone = train("--weight-decay", "0.01", name="alone")
    assert (other.exit_code, alone.exit_code) == (0, 0)
    one, two = (tmp_path / name / "run" / "predictions.csv" for name in ("runs", "alone"))
    assert one.read_bytes() == two.read_bytes()


def test_two_runs_in_one_place_do_not_meet(train, tmp_path):
    with work_folder(tmp_path / "runs" / "run", {}, 30, False) as work:
        second = train()
        assert second.exit_code == 1
        assert "another mer-train is making this run" in second.stderr
        assert work.folder.exists()
    assert train().exit_code == 0


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    import errno
    import fcntl

    def without(handle, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", without)
    with work_folder(tmp_path / "run", {}, 30, False) as work:
        assert work.folder.exists()


def test_networks_are_kept_when_asked_and_only_then(train, tmp_path):
    with left_half(train, tmp_path):
        kept = train("--keep-networks")  # those finished without it are fitted again
    assert kept.exit_code == 0, kept.output
    run = tmp_path / "runs" / "run"
    networks = sorted((run / "checkpoints").glob("*.json"))
    assert [path.name for path in networks[:2]] == ["0-tiny%2Fs0.json", "0-tiny%2Fs1.json"]
    assert len(networks) == FITS
    tensors, facts = read(networks[0], {"seed": 0, "fold": "tiny/s0", "epochs": EPOCHS})
    assert facts["classes"] == ["disgust", "happiness", "surprise"]
    from train.models.base import load

    load("ststnet").build(3).load_state_dict(tensors)
    (run / "checkpoints" / "mine.txt").touch()
    assert train("--force").exit_code == 0
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["mine.txt"]


def test_everything_kept_is_for_its_owner_alone(train, tmp_path):
    with left_half(train, tmp_path) as work:
        for path in [work, *work.rglob("*")]:
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from train.checkpoint import read, save, states

def last():
    found = states(folder)
    return read(found[-1], {}) if found else ({}, {"epoch": 0})

def save_for_ever(told):
    epoch = last()[1]["epoch"]
    while True:
        epoch += 1
        save(folder, epoch, {"a": torch.full((20_000,), epoch)}, {})
        os.write(told, b"%d\\n" % epoch)

torch.set_num_threads(1)
folder, chance = Path(sys.argv[1]), random.Random(0)
for _ in range(40):
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        save_for_ever(told)
    os.close(told)
    first = os.read(heard, 20)  # it is at work
    time.sleep(chance.uniform(0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    acknowledged = int((first + os.read(heard, 65536)).split()[-1])
    os.close(heard)
    tensors, facts = last()
    assert facts["epoch"] >= acknowledged, (facts, acknowledged)
    assert torch.equal(tensors["a"], torch.full((20_000,), facts["epoch"]))
print(acknowledged)
"""


@pytest.mark.faults
def test_a_kill_while_saving_leaves_the_last_state_acknowledged(start, tmp_path):
    """Forty times a child saves as fast as it can until it is killed."""
    done = start(tmp_path, code=[sys.executable, "-P", "-c", KILLED])
    told, errors = done.communicate(timeout=60)
    assert done.returncode == 0, errors
    assert int(told) >= 40
