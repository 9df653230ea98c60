"""What the command lines share: an error is two lines and an exit code.

Exit codes: 0 all well · 1 error · 2 usage · 3 finished, some samples failed ·
4 integrity or version · 5 no space · 130 interrupted, run again to resume.
"""

import difflib
import errno
import signal
import sys
import threading
import traceback
from collections.abc import Iterable
from typing import Any

import click

NEAR = 0.65  # of difflib's ratio: "ufi" is near "UF1", "mine" is not near "smic_e"
USAGE, SOME_FAILED, INTEGRITY, NO_SPACE, INTERRUPTED = 2, 3, 4, 5, 130


class MerError(Exception):
    """Something a person can mend: the cause in one line, the remedy in one line."""

    def __init__(self, cause: str, remedy: str, exit_code: int = 1) -> None:
        super().__init__(cause)
        self.cause, self.remedy, self.exit_code = cause, remedy, exit_code

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the way back from a worker process."""
        return type(self), (self.cause, self.remedy, self.exit_code)


class Interrupted(BaseException):
    """The batch system asked us to stop; like Ctrl-C, no `except Exception` may keep it."""


def stop_on_sigterm() -> None:
    """Let a batch system's SIGTERM end a run as Ctrl-C does: resumable, exit code 130."""

    def stop(number: int, frame: object) -> None:
        raise Interrupted

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


def examples(*lines: str) -> str:
    """The end of a command's help: what to copy."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"    {line}" for line in lines)])


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for who mistyped, or nothing."""
    spelt = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), list(spelt), n=1, cutoff=NEAR)
    return f"; did you mean {spelt[close[0]]!r}?" if close else ""


def mistyped(names: Iterable[str], absent: Iterable[str]) -> list[str]:
    """Names that mean nothing and are near one that is absent, each with its hint."""
    return [repr(name) + hint for name in names if (hint := nearest(name, absent))]


def one_of(setting: str, value: str, known: Iterable[str]) -> None:
    """See to it that a setting has a value it may have.

    Raises
    ------
    ValueError
        Hints at the nearest one, and lists them all.
    """
    known = list(known)
    if value not in known:
        hint = nearest(str(value), known)
        raise ValueError(f"{setting} is {value!r}, none of {', '.join(known)}{hint}")


def choose(kind: str, name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return the name if it is known.

    Raises
    ------
    MerError
        Exit code 2 (usage): hints at the nearest known name, and lists them all.
    """
    known = sorted(known)
    if name in known:
        return name
    remedy = f"known: {', '.join(known)}" + (f"; or {otherwise}" if otherwise else "")
    raise MerError(f"no {kind} {name!r}{nearest(name, known)}", remedy, USAGE)


class Choice(click.Choice):  # type: ignore[type-arg]
    """A choice of words on a command line that hints at the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click does."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            hint = nearest(str(value), self.choices)
            raise click.BadParameter(error.message.rstrip(".") + hint, ctx, param) from None


def plural(count: int, noun: str) -> str:
    """A count and what is counted: 1 sample, 2 samples."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def printable(text: object) -> str:
    """Text from a file name or a sheet, its control characters shown and not obeyed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


class _Rim:
    """Mixed into a click command: every failure ends in words and a code."""

    params: list[click.Parameter]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(DEBUG)

    def invoke(self, ctx: click.Context) -> Any:
        with Ending(ctx.params.pop("debug", False)):
            return super().invoke(ctx)  # type: ignore[misc]


class Rim(_Rim, click.Group):
    """A group of commands that ends every failure in two lines; a traceback only with --debug."""


class RimCommand(_Rim, click.Command):
    """A single command that ends as `Rim` does."""


DEBUG = click.Option(["--debug"], is_flag=True, help="Show the traceback of an error.")


class Ending:
    """Turn what went wrong into words on stderr and an exit code."""

    def __init__(self, debug: bool) -> None:
        self.debug = debug

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, click.ClickException | click.exceptions.Exit):
            return
        if isinstance(error, SystemExit):
            return
        if self.debug:
            traceback.print_exception(error)
        cause, remedy, code = words(error)
        click.echo(f"error: {printable(cause)}", err=True)
        for line in remedy.splitlines():
            click.echo(f"  {printable(line)}", err=True)
        sys.exit(code)


def words(error: BaseException) -> tuple[str, str, int]:
    """Cause, remedy and exit code of an error."""
    if isinstance(error, MerError):
        return error.cause, error.remedy, error.exit_code
    if isinstance(error, KeyboardInterrupt | Interrupted | click.Abort):
        return "interrupted", "run the same command again: finished features are kept", INTERRUPTED
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"no space left: {error}",
            "free some space and run again: finished work is kept",
            NO_SPACE,
        )
    if isinstance(error, OSError):
        return str(error), "check that the path exists and that you may read or write it", 1
    if isinstance(error, ModuleNotFoundError):
        extras = "pip install 'merkit[features]' for mer-features, 'merkit[train]' for mer-train"
        return f"{error.name} is not installed here", extras, 1
    name = type(error).__name__
    return f"{name}: {error}", "this is a defect of merkit; --debug shows where", 1
