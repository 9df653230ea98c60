"""Where a run comes to lie: its folder, whole or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.console import USAGE, MerError
from features.disk import private_folder, sync

NETWORKS = "checkpoints"
MARK = "predictions.csv"  # a folder that holds it holds a whole run


def check_place(out: Path, force: bool) -> None:
    """Refuse a place where a run may not be written.

    Raises
    ------
    MerError
        Exit code 2 (usage): `out` holds a run and `force` is not given, or is no folder.
    """
    if (out / MARK).exists() and not force:
        raise MerError(f"{out} holds a run already", "choose another --out, or --force", USAGE)
    if out.exists() and not out.is_dir():
        raise MerError(f"{out} is no folder", "choose another --out", USAGE)


@contextmanager
def run_folder(out: Path, force: bool) -> Iterator[Path]:
    """Give a folder to write a run into; put it in place if all went well.

    A folder that holds predictions.csv holds a whole run: in one that exists already, the
    old predictions and networks go first and the new predictions come last. Files of other
    names are left alone.

    Raises
    ------
    MerError
        Exit code 2 (usage): `out` holds a run and `force` is not given, or is no folder.
    """
    check_place(out, force)
    private_folder(out.parent)
    partial = out.with_name(f".{out.name}.{secrets.token_hex(8)}.tmp")
    partial.mkdir(mode=0o700)
    try:
        yield partial
        for path in partial.rglob("*"):
            sync(path)
        if out.exists():
            (out / MARK).unlink(missing_ok=True)
            from train import checkpoint  # loads torch, which `check_place` need not

            checkpoint.remove(out / NETWORKS)
            files = [path.relative_to(partial) for path in partial.rglob("*") if path.is_file()]
            for name in sorted(files, key=lambda name: name == Path(MARK)):
                (out / name).parent.mkdir(mode=0o700, exist_ok=True)
                (partial / name).replace(out / name)
        else:
            partial.replace(out)
        sync(out.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
