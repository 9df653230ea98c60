"""Commands run by forks of a warm process, on a disk that fails when it is told to."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.faults.scenes import ROOT, check_words

# The order is that of the kinds in faultfs.c.
KINDS = (
    "count", "kill", "torn", "no space once", "no space", "I/O error", "short", "stop", "no sync",
)  # fmt: skip


def compile_shim(folder: Path) -> Path:
    """Build faultfs.c; skip the test where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) to build faultfs.c with")
    library = folder / "faultfs.so"
    source = Path(__file__).with_name("faultfs.c")
    options = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *options, str(source), "-o", str(library), "-ldl"], check=True)
    return library


@dataclass(frozen=True, slots=True)
class Fault:
    """What is to befall the N-th operation that changes something below a folder."""

    below: Path
    kind: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended: its exit code, or the signal that killed it, and what it said."""

    code: int | None
    signal: signal.Signals | None
    output: str
    errors: str

    def told(self) -> dict[str, Any]:
        """What the command's --json says of the one recipe."""
        return json.loads(self.output)["recipes"][0]


class Forks:
    """Starts and ends processes.

    Parameters
    ----------
    shim : the compiled faultfs.c
    folder : where what the processes say is kept
    warm : a command to run beforehand, for all that it loads
    inside : a command to be run inside of, such as ``unshare -rm``
    """

    def __init__(
        self, shim: Path, folder: Path, warm: Sequence[str], inside: Sequence[str] = ()
    ) -> None:
        server = Path(__file__).with_name("server.py")
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LD_PRELOAD": str(shim),
            "OPENBLAS_NUM_THREADS": "1",  # a process with threads must not fork
        }
        self._folder, self._started = folder, 0
        self._files: dict[int, tuple[Path, Path]] = {}
        with (folder / "server.txt").open("w") as errors:
            self._server = subprocess.Popen(
                [*inside, sys.executable, str(server), *warm],
                env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=errors, text=True,
            )  # fmt: skip

    def __enter__(self) -> Self:
        if self._answer() != 0:
            self._server.communicate(timeout=30)
            raise AssertionError((self._folder / "server.txt").read_text())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.communicate(timeout=30)

    @property
    def root(self) -> Path:
        """The file system as the processes see it, mounts of their own and all."""
        return Path(f"/proc/{self._server.pid}/root")

    def start(
        self,
        arguments: Sequence[str],
        cache: Path | None = None,
        fault: Fault | None = None,
        mutant: str = "",
        command: str = "run",
        umask: int = 0o022,
        journal: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Start a process; return its id."""
        self._started += 1
        said = (self._folder / f"{self._started}.out", self._folder / f"{self._started}.err")
        chosen = {} if cache is None else {"MER_CACHE": str(cache)}
        job = {
            "command": command,
            "arguments": list(arguments),
            "environment": {**chosen, **(environment or {})},
            "below": str(fault.below) if fault else "",
            "kind": KINDS.index(fault.kind if fault else "count"),
            "at": fault.at if fault else 0,
            "journal": str(journal or ""),
            "mutant": mutant,
            "umask": umask,
            "output": str(said[0]),
            "errors": str(said[1]),
        }
        said[0].touch()  # it may be read before the process has begun
        process = self._ask(job)
        self._files[process] = said
        return process

    def end(self, process: int) -> End | None:
        """Wait for a process; None if it was stopped, and not ended."""
        status = self._ask({"wait": process})
        if os.WIFSTOPPED(status):
            return None
        said = [path.read_text() for path in self._files.pop(process)]
        if os.WIFSIGNALED(status):
            return End(None, signal.Signals(os.WTERMSIG(status)), *said)
        return End(os.WEXITSTATUS(status), None, *said)

    def run(self, arguments: Sequence[str], *rest: Any, **named: Any) -> End:
        """Start a process and wait for its end."""
        end = self.end(self.start(arguments, *rest, **named))
        assert end is not None
        return end

    def call(self, *command: str) -> int:
        """Run a tool where the processes are; return its exit code."""
        return self._ask({"call": command})

    def said(self, process: int) -> Path:
        """The file that a process writes its output to."""
        return self._files[process][0]

    def _ask(self, job: Mapping[str, Any]) -> int:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        return self._answer()

    def _answer(self) -> int:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, (self._folder / "server.txt").read_text()
        return int(line)


def check_end(kind: str, end: End) -> None:
    """A killed process is killed; of the others each ends as its users are told."""
    if kind in ("kill", "torn"):
        assert end.signal == signal.SIGKILL, end
    else:
        expected = {"no space once": 5, "no space": 5, "I/O error": 1, "short": 0}[kind]
        assert (end.signal, end.code) == (None, expected), end
        if expected:
            check_words(end.errors)
