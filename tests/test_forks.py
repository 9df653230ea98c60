"""The process that workers are forked from."""

import signal
import sys

import pytest
from click.testing import CliRunner

from tests.tiny_store import tiny_store
from train import forks
from train.cli import cli

BOTH = {signal.SIGINT, signal.SIGTERM}


def seen(queue):
    """What a worker finds at its very beginning."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    queue.put(("torch" in sys.modules, mask >= BOTH))


def test_a_worker_begins_with_torch_there_and_both_signals_held_back():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    how = forks.context()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    queue = how.SimpleQueue()
    worker = how.Process(target=seen, args=(queue,))
    worker.start()
    assert queue.get() == (True, True)
    worker.join()


@pytest.mark.parametrize(
    ("words", "begun"), [([], [1]), (["--workers", "1"], []), (["--device", "cuda"], [])]
)
def test_it_begins_before_torch_is_needed_where_there_will_be_workers(
    words, begun, tmp_path, monkeypatch
):
    called = []
    monkeypatch.setattr(forks, "begin", lambda: called.append(1))
    store = tiny_store(tmp_path / "flow.h5")
    wrong = ["--augment", "none", "--augment", "flip"]  # which ends it before any fit
    typed = ["--features", str(store), "-o", str(tmp_path / "run"), *wrong, *words]
    done = CliRunner().invoke(cli, typed)
    assert done.exit_code == 2
    assert called == begun
