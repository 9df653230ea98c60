"""Workers: the same functions on this machine's cores or on somebody's cluster.

On this machine: processes of one thread each, started anew and never forked, bound to loopback.
"""

import logging
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import click

from features.console import MerError
from features.memory import keep_freed
from features.progress import follow

# Ctrl-C goes to every process of a terminal; it is the client's to answer, which then closes us.
DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
WINDOW = 3  # Dask tasks in flight a worker: enough to keep it busy, few enough to stop at once
TASK_S = 0.5  # short items share a Dask task of about this length: one costs Dask 2 to 5 ms
ALONE = 3  # tries of an item whose worker died: machines lose workers for reasons of their own
MOST = 16  # items of a task: an item that kills its worker sends no more than these back
# The measures that a dashboard would show cost as much CPU as two tasks a second and worker.
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
# Dask lets go of a worker's place if it is empty 15 s after a death: also if the worker has come
# back meanwhile and just died again.
PATIENT = {"distributed.deploy.lost-worker-timeout": "365 days"}
LOOK_S = 1.0  # between two looks whether a worker has been given up


class Engine:
    """Starts its workers when they are first needed, and lets them go at the end.

    Parameters
    ----------
    workers : processes on this machine; None = as many as cores we may use, 0 = none: this process
    scheduler : address of a running Dask scheduler, whose workers are used instead
    """

    def __init__(self, workers: int | None = None, scheduler: str | None = None) -> None:
        self._workers, self._scheduler = workers, scheduler
        self._client: Any = None
        self._cluster: Any = None
        self._spill = ""
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        for thing in (self._client, self._cluster):
            if thing is not None:
                thing.close()
        if self._spill:
            shutil.rmtree(self._spill, ignore_errors=True)

    def map(
        self, function: Callable[[Any], Any], items: Sequence[Any]
    ) -> Iterator[tuple[Any, Any]]:
        """Call the function for every item; yield (item, result) as they are done.

        A result that is an exception was raised by the function, or is a KilledWorker: the item
        kills its worker. Whoever shared a worker with such an item is tried again, alone. A
        function may run twice for an item, so it must not mind.
        """
        if not items:
            return
        if self._workers == 0 and not self._scheduler:
            yield from ((item, _called(function, item)) for item in items)
            return
        from distributed import KilledWorker

        client = self._connect()
        suspects = []
        for item, result in _spread(client, function, items, _count(client)):
            if isinstance(result, KilledWorker):
                suspects.append(item)
            else:
                yield item, result
        for item in suspects:
            yield item, _alone(client, function, item)

    def size(self) -> int:
        """How many workers there are, or would be."""
        if self._scheduler:
            return _count(self._connect())
        from dask.system import cpu_count

        return cpu_count() if self._workers is None else max(1, self._workers)

    def _connect(self) -> Any:
        if self._client is None:
            from distributed import Client

            logging.getLogger("distributed").setLevel(logging.CRITICAL)
            if self._scheduler:
                self._client = self._remote()
            else:
                self._cluster = self._local()
                self._client = Client(self._cluster)
        return self._client

    def _remote(self) -> Any:
        from distributed import Client

        if told := exposed(str(self._scheduler)):
            click.echo(told, err=True)
        try:
            client = Client(self._scheduler, timeout="10s")
        except TypeError as error:  # what Dask says to tls:// without certificates
            raise MerError(
                f"{self._scheduler}: Dask has no certificates to show there",
                "name them in its settings: DASK_DISTRIBUTED__COMM__TLS__CA_FILE and its kin",
            ) from error
        except (OSError, ValueError) as error:
            raise MerError(
                f"{self._scheduler}: no Dask scheduler answers ({type(error).__name__})",
                "start one with dask scheduler, then dask worker, or leave --scheduler out",
            ) from error
        try:
            client.wait_for_workers(1, timeout=60)
        except TimeoutError:
            client.close()
            raise MerError(
                f"{self._scheduler}: the scheduler has no workers",
                f"start some: dask worker {self._scheduler} --nthreads 1 --nworkers 8",
            ) from None
        return client

    def _local(self) -> Any:
        import dask
        from distributed import LocalCluster

        self._spill = tempfile.mkdtemp(prefix="merkit-")  # 0700
        dask.config.set(
            {
                "distributed.worker.multiprocessing-method": "spawn",
                "distributed.scheduler.allowed-failures": 0,  # we try again ourselves, one by one
                **QUIET,
                **PATIENT,
            }
        )
        cluster = LocalCluster(
            n_workers=self.size(),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            memory_limit=0,
            local_directory=self._spill,
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
            preload=[DEAF],
        )
        threading.Thread(target=self._keep_up, args=(cluster, self.size()), daemon=True).start()
        return cluster

    def _keep_up(self, cluster: Any, workers: int) -> None:
        """Replace a worker that could not be started again; else everybody waits for ever."""

        def look() -> None:
            for name, nanny in list(cluster.workers.items()):
                if nanny.status.name in ("closed", "failed"):
                    del cluster.workers[name]
            cluster.scale(workers)  # starts those that are missing

        while not self._closing.wait(LOOK_S):
            cluster.loop.add_callback(look)


def over(engine: Engine, function: Callable[[Any], Any], items: Sequence[Any], title: str) -> None:
    """Call a function for every item on the engine's workers; the first error ends it."""
    for _, result in follow(engine.map(function, items), len(items), title):
        if isinstance(result, BaseException):
            raise result


def exposed(scheduler: str) -> str:
    """What to know of a scheduler whose wire others can read; nothing if they cannot."""
    if not scheduler.startswith("tcp://") or urlsplit(scheduler).hostname in LOOPBACK:
        return ""
    return (
        f"{scheduler}: nothing on the way is encrypted, and whoever reaches a scheduler can run"
        " code there; tls:// is for networks with others on them"
    )


def _count(client: Any) -> int:
    return max(1, len(client.scheduler_info(n_workers=-1)["workers"]))


def _spread(
    client: Any, function: Callable[[Any], Any], items: Sequence[Any], workers: int
) -> Iterator[tuple[Any, Any]]:
    """Keep a few Dask tasks in flight a worker, and none of their results."""
    from distributed import as_completed

    waiting = deque(items)
    flying: dict[str, list[Any]] = {}
    size, done = 1, as_completed()

    def submit() -> None:
        while waiting and len(flying) < WINDOW * workers:
            fair = -(-len(waiting) // (2 * workers))  # towards the end nobody waits for one
            some = [waiting.popleft() for _ in range(min(size, fair))]
            future = client.submit(_each, function, some, pure=False)
            flying[future.key] = some
            done.add(future)

    submit()
    try:
        for future in done:
            some = flying.pop(future.key)
            try:  # waits once more if the result died with its worker and is being made again
                results, seconds = future.result()
                size = max(1, min(MOST, int(TASK_S * len(some) / max(seconds, 1e-9))))
            except Exception as error:
                results = [error] * len(some)
            future.release()
            submit()
            yield from zip(some, results, strict=True)
    finally:
        client.cancel(list(done.futures))


def _alone(client: Any, function: Callable[[Any], Any], item: Any) -> Any:
    """What comes of an item that has no other to blame, if it is tried a few times."""
    from distributed import KilledWorker

    for _ in range(ALONE):
        ((_, result),) = _spread(client, function, [item], 1)
        if not isinstance(result, KilledWorker):
            break
    return result


def _each(function: Callable[[Any], Any], items: Sequence[Any]) -> tuple[list[Any], float]:
    """In a worker: the results of some items, and the seconds they took together."""
    started = time.perf_counter()
    results = [_called(function, item) for item in items]
    return results, time.perf_counter() - started


def _called(function: Callable[[Any], Any], item: Any) -> Any:
    """What a function returns or raises."""
    keep_freed()
    try:
        return function(item)
    except Exception as error:
        return error
