"""Files that are whole or not there, for their owner alone."""

import os
import secrets
from pathlib import Path


def private_folder(path: Path) -> None:
    """Make a folder and what leads to it, 0700 whatever the umask; leave what is there alone.

    When it returns, the names of the new folders survive a power cut.
    """
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync(path.parent)


def sync(path: Path) -> None:
    """Have a file's data, or a folder's names, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def aside(path: Path) -> Path:
    """Create a new, empty, private file beside a path, to be renamed to it when whole."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return partial


def write_durably(path: Path, data: bytes) -> None:
    """Write aside, sync, rename, sync the folder: whole or not at all, also after a power cut."""
    private_folder(path.parent)
    partial = aside(path)
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync(path.parent)
