"""Files that are whole or not there, for their owner alone."""

import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self


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


class Sink:
    """A new file for a library that mishandles a failed write: it never sees one.

    The first failure is kept, everything after it is swallowed, and `check` raises it. Offers
    what h5py asks of a file object.

    Parameters
    ----------
    path : an existing file, to be written from its beginning
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_RDWR)
        self._place = self._end = 0
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._handle)

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Have the file survive a power cut, and be read from the disk when next read."""
        os.fsync(self._handle)
        os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Place the next read or write."""
        self._place = offset + (self._end if whence == os.SEEK_END else 0)
        return self._place

    def tell(self) -> int:
        """Where the next read or write goes."""
        return self._place

    def write(self, data: memoryview) -> int:
        """Write all of `data`, however little the system takes at a time."""
        left, place = memoryview(data).cast("B"), self._place
        size = len(left)
        self._end = max(self._end, place + size)
        try:
            while left and self._error is None:
                written = os.pwrite(self._handle, left, place)
                left, place = left[written:], place + written
        except BaseException as error:  # an interruption too must not reach it
            self._keep(error)
        return size

    def readinto(self, into: memoryview) -> int:
        """Read back; what was swallowed reads as zeros."""
        view = memoryview(into).cast("B")
        count = 0
        try:
            while count < len(view) and self._error is None:
                got = os.preadv(self._handle, [view[count:]], self._place + count)
                if not got:
                    break
                count += got
        except OSError as error:
            self._keep(error)
        view[count:] = bytes(len(view) - count)
        return len(view)

    def read(self, size: int = -1) -> bytes:
        """Read back `size` bytes, or what is left."""
        data = bytearray(self._end - self._place if size < 0 else size)
        self.readinto(memoryview(data))
        return bytes(data)

    def truncate(self, size: int) -> int:
        """Cut or stretch the file."""
        self._end = size
        try:
            if self._error is None:
                os.ftruncate(self._handle, size)
        except OSError as error:
            self._keep(error)
        return size

    def flush(self) -> None:
        """Nothing is held back."""

    def _keep(self, error: BaseException) -> None:
        if isinstance(error, OSError):
            error.filename = str(self.path)
        self._error = error
