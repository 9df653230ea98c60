"""The process that workers are forked from: it loads torch while this one reads the store.

Workers are not forked from this process: torch's threads, once it has any, do not survive that.
"""

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext

LOADED = ["train.workers"]


def begin() -> None:
    """Start it, and wait for nothing."""
    forkserver.set_forkserver_preload(LOADED)
    resource_tracker.ensure_running()  # it would let signals in again
    with no_signals():
        forkserver.ensure_running()


def context() -> ForkServerContext:
    """How workers are started; whoever has not begun begins now."""
    begin()
    return multiprocessing.get_context("forkserver")


@contextmanager
def no_signals() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back; processes started inside get neither before they ask for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
