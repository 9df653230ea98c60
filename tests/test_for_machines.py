"""Every command for machines and logs: --json is one document, a pipe gets no escape codes."""

import json
import os
import pty
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.faults.test_old_stores import thaw
from tests.newcomer import ROOT
from tests.tiny_store import rows, tiny_store
from tests.walls import walls

RECIPE = 'features = ["strain"]\n[landmarks]\nlandmarker = "none"\n[crop]\nsize = 32\n'
INDEX = "sample_id,subject,emotion\na,p1,joy\nb,p2,fear\n"
CATALOGUE = "--creator L --url https://example.org"
TYPED = {  # what a person types; every command stands here
    "mer-features run": ["walls/manifest.csv --recipe r.toml --workers 0 --out new",
                         "walls/manifest.csv --recipe r.toml --workers 0 --out new --dry-run"],
    "mer-features doctor": ["walls/manifest.csv --workers 0"],
    "mer-features manifest": ["walls/manifest.csv -o copy.csv"],
    "mer-features pair": ["walls/w0/img1.png walls/w0/img3.png -o pair.npy"],
    "mer-features import": ["index.csv --array flow=flow.npy -o imported.h5"],
    "mer-features list": ["datasets", "features", "protocols", "recipes"],
    "mer-features verify": ["tiny.h5 old-1.h5"],
    "mer-features migrate": ["old-1.h5 -o migrated.h5"],
    "mer-features report": ["tiny.h5 -o tiny.html --workers 0"],
    "mer-features croissant": [f"tiny.h5 {CATALOGUE}"],
    "mer-features gc": [""],
    "mer-train": [
        "--features tiny.h5 --model svm_linear --seeds 1 --workers 1 --folds-at-once 1 -o new",
        "--models",
    ],
    "mer-report score": ["run"],
    "mer-report audit": ["run"],
    "mer-report compare": ["run run"],
    "mer-report table": ["run"],
    "mer-report page": ["run -o run.html"],
    "mer-report export": ["run tensorboard -o events"],
}  # fmt: skip
ALWAYS_JSON = {"mer-features croissant"}  # its document is JSON whatever is asked
ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|4\d|9[0-7]|10[0-7])[;m]")


def commands():
    """Name of each command that does something -> its script's click command, its own name."""
    for script in entry_points(group="console_scripts"):
        if script.name.startswith("mer-"):
            command = script.load()
            for inner in getattr(command, "commands", {"": None}):
                yield f"{script.name} {inner}".strip(), (command, inner)


COMMANDS = dict(commands())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, a recipe, arrays, a store of each schema and a finished run."""
    home = tmp_path_factory.mktemp("home")
    walls(home / "walls")
    (home / "r.toml").write_text(RECIPE)
    (home / "index.csv").write_text(INDEX)
    np.save(home / "flow.npy", np.ones((2, 2, 28, 28), np.float32))
    tiny_store(home / "tiny.h5", rows(subjects=3, clips=2))
    thaw(1, home).rename(home / "old-1.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        command, _ = COMMANDS["mer-train"]
        typed = TYPED["mer-train"][0].replace("-o new", "-o run")
        assert CliRunner().invoke(command, typed.split()).exit_code == 0
    return home


def remove(path: Path) -> None:
    """What the last test has written, so that each finds the same."""
    if path.is_dir():
        for one in path.iterdir():
            remove(one)
        path.rmdir()
    else:
        path.unlink()


@pytest.fixture
def here(home, monkeypatch):
    before = set(home.iterdir())
    monkeypatch.chdir(home)
    yield home
    for path in set(home.iterdir()) - before:
        remove(path)


def invoke(name, typed, *more):
    command, inner = COMMANDS[name]
    return CliRunner().invoke(command, [*filter(None, [inner]), *typed.split(), *more])


def test_every_command_is_looked_at_here():
    assert TYPED.keys() == COMMANDS.keys()


@pytest.mark.parametrize(
    ("name", "typed"), [(name, typed) for name in TYPED for typed in TYPED[name]]
)
def test_json_is_one_document_and_nothing_else_on_stdout(name, typed, here):
    done = invoke(name, typed, *([] if name in ALWAYS_JSON else ["--json"]))
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert isinstance(told, dict | list)
    assert told
    assert ESCAPE not in done.stderr


@pytest.mark.parametrize(
    ("name", "typed"), [(name, typed) for name in TYPED for typed in TYPED[name]]
)
def test_a_pipe_gets_no_escape_codes(name, typed, here):
    done = invoke(name, typed)
    assert done.exit_code == 0, done.stderr
    assert done.stdout
    assert ESCAPE not in done.stdout
    assert ESCAPE not in done.stderr


def test_a_store_that_is_damaged_is_named_in_the_document_too(here):
    store = tiny_store(here / "bad.h5", rows(subjects=1, clips=1))
    data = bytearray(store.read_bytes())
    with_pixels = len(data) // 2
    data[with_pixels] ^= 1
    store.write_bytes(data)
    done = invoke("mer-features verify", "tiny.h5 bad.h5", "--json")
    assert done.exit_code == 4
    whole, bad = json.loads(done.stdout)
    assert (whole["damaged"], len(bad["damaged"])) == ([], 1)
    assert "1 of 3 samples are damaged" in done.stderr


def shown_on_a_terminal(code: str, **environment: str) -> str:
    """What a terminal gets of a Python program on stdout and stderr."""
    terminal, inside = pty.openpty()
    usual = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=inside, stderr=inside, stdin=subprocess.DEVNULL,
        env={**usual, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
    ) as program:  # fmt: skip
        os.close(inside)
        read = []
        try:
            while part := os.read(terminal, 4096):
                read.append(part)
        except OSError:  # Linux: the other end is closed
            pass
        assert program.wait() == 0
    os.close(terminal)
    return b"".join(read).decode()


BAR = "from features.progress import follow; list(follow(range(3), 3, 'clips'))"


def test_a_terminal_gets_colour_and_no_color_takes_it_away():
    assert COLOUR.search(shown_on_a_terminal(BAR))
    plain = shown_on_a_terminal(BAR, NO_COLOR="1")
    assert ESCAPE in plain
    assert not COLOUR.search(plain)
