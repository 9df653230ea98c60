"""A process with everything imported; every command is run by a fork of it, in milliseconds.

It reads a job a line, answers a line each, and ends with its input.
"""

import ctypes
import gc
import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def replace(old: object, new: object) -> None:
    """Have every module of ours that knows one thing know another by that name."""
    for module_name, module in list(sys.modules.items()):
        if module_name.split(".")[0] in ("features", "pipeline"):
            for name, value in list(vars(module).items()):
                if value is old:
                    setattr(module, name, new)


def in_place() -> None:
    """A shard is written under its own name."""
    from features.disk import private_folder
    from pipeline import cache

    def write(path: Path, data: bytes) -> None:
        private_folder(path.parent)
        path.write_bytes(data)

    cache.write_durably = write


def store_in_place() -> None:
    """A store is written under its own name."""
    from features import disk

    had = disk.aside

    def itself(path: Path) -> Path:
        if path.suffix != ".h5":
            return had(path)
        path.touch()
        return path

    replace(had, itself)


def unchecked() -> None:
    """Shards are written under their own names, and every digest is found right."""
    from pipeline import cache

    class Agreeable(bytes):
        def __ne__(self, other: object) -> bool:
            return False

    in_place()
    seal = SimpleNamespace(digest=lambda: Agreeable(32))
    cache.blake3 = SimpleNamespace(blake3=lambda data: seal)


def forgetful() -> None:
    """What earlier runs have finished is not looked up."""
    from pipeline.cache import Cache

    get, put, written = Cache.get, Cache.put, set()

    def remember(self: Cache, key: str, kept: Any) -> None:
        put(self, key, kept)
        written.add(key)

    Cache.has = lambda self, key: key in written
    Cache.get = lambda self, key: get(self, key) if key in written else None
    Cache.put = remember


def littering() -> None:
    """What was written aside is never taken away."""
    Path.unlink = lambda self, missing_ok=False: None


def one_name() -> None:
    """Whoever writes a file aside gives it the same name."""
    from features import disk

    def aside(path: Path) -> Path:
        partial = path.with_name(f".{path.name}.tmp")
        partial.touch()
        return partial

    replace(disk.aside, aside)


def unsorted() -> None:
    """Samples stay in the order in which they come."""
    for name in (
        "features.store",
        "features.publish",
        "pipeline.manifest",
        "pipeline.plan",
        "pipeline.run",
    ):
        if name in sys.modules:
            sys.modules[name].sorted = lambda items, key=None: list(items)


def talkative() -> None:
    """Each sample's path and label are logged."""
    from pipeline import scan

    had = scan.find

    def find(root: Path, sample: Any) -> Any:
        logging.getLogger("pipeline").info("%s %s", sample.path, sample.emotion)
        return had(root, sample)

    scan.find = find


def no_fsync() -> None:
    """Files get their names with their data not yet safe."""
    os.fsync = lambda handle: None


def no_folder_sync() -> None:
    """Folders are never synced."""
    from features import disk

    had = disk.sync
    replace(had, lambda path: None if path.is_dir() else had(path))


MUTANTS = {
    mutant.__name__: mutant
    for mutant in (
        in_place, store_in_place, unchecked, forgetful, littering, one_name, unsorted,
        no_fsync, no_folder_sync, talkative,
    )
}  # fmt: skip


def run(arguments: Sequence[str]) -> None:
    """Be ``mer-features``."""
    from pipeline.cli import cli

    cli(arguments)


def put(arguments: Sequence[str]) -> None:
    """Put shard after shard into a cache, and tell the number of each that is said to be safe."""
    import numpy as np

    from pipeline.cache import Cache, Kept

    cache, count = arguments
    for number in range(int(count)):
        Cache(Path(cache)).put(f"{number:032x}", Kept(np.full(700, number)))
        os.write(1, f"{number}\n".encode())


COMMANDS = {"run": run, "put": put}


def work(job: dict[str, Any], shim: ctypes.CDLL) -> None:
    """Be the process that a job asks for; does not return."""
    for number, name in enumerate(["output", "errors"], start=1):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.update(job["environment"])
    os.umask(job["umask"])
    if job["mutant"]:
        MUTANTS[job["mutant"]]()
    code = 1
    shim.faultfs_arm(job["below"].encode(), job["at"], job["kind"], job["journal"].encode())
    try:
        COMMANDS[job["command"]](job["arguments"])
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        gc.collect()  # what a library frees late, it writes late
        sys.stdout.flush()
        sys.stderr.flush()
        ctypes.CDLL(None).exit(code)  # with what C libraries do at exit


def answer(job: dict[str, Any], shim: ctypes.CDLL) -> int:
    """Start a process (its id), wait for one (its status), or call a tool (its exit code)."""
    if "wait" in job:
        return os.waitpid(job["wait"], os.WUNTRACED)[1]
    if "call" in job:
        return subprocess.run(job["call"], stdout=subprocess.DEVNULL, check=False).returncode
    child = os.fork()
    if not child:
        work(job, shim)
    return child


def main(warm: Sequence[str]) -> None:
    """Run a command here, so that its forks have all that it loads; then answer jobs."""
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    logging.basicConfig(level=logging.INFO)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        run(warm)
    except SystemExit as ending:
        answers.write(f"{ending.code}\n")
    gc.freeze()  # a fork need not look through what we have loaded
    for line in sys.stdin:
        answers.write(f"{answer(json.loads(line), shim)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
