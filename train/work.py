"""What an interrupted run has done so far, in a hidden folder beside the run to be.

    runs/.NAME.work/
        lock                      held while a run is at work here
        request.json              what all fits here are of
        fits/SEED-FOLD.json       a finished fit: its probabilities
        fits/SEED-FOLD/           the states of a fit under way: checkpoint.py
        fits/stack-DIGEST/        the states of fits that are trained as one
        at_once.json              how many those are
        networks/SEED-FOLD.json   a finished network, its weights beside it, if they are kept
        predictions.partial.csv   what the finished fits said when the run was interrupted

Files are written durably and sealed. Every fit writes its own, in whatever process it runs.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import click
import numpy as np

from features.base import canonical_json, digest
from features.console import MerError, printable
from features.disk import private_folder, write_durably
from train.checkpoint import (
    Facts,
    drop_damaged,
    read,
    save,
    sealed,
    states,
    unsealed,
    write,
)
from train.fit import Tensors
from train.oracle import Answer


@dataclass(frozen=True, slots=True)
class Work:
    """The work folder of a run; goes to the processes of its fits.

    Parameters
    ----------
    of : what every fit of the run depends on, JSON values
    seconds : of work between two states of a fit
    keep_networks : keep the networks of finished fits
    """

    folder: Path
    of: Facts
    seconds: float
    keep_networks: bool

    @property
    def networks(self) -> Path:
        """Where finished networks are kept."""
        return self.folder / "networks"

    @property
    def partial(self) -> Path:
        """Where an interrupted run leaves what it has predicted."""
        return self.folder / "predictions.partial.csv"

    def fit(self, seed: int, fold: str) -> "FitWork":
        """Where one fit keeps what it has done."""
        name = quote(fold, safe="")
        name = f"{seed}-{name if len(name) <= 150 else digest(fold.encode())}"
        fits = self.folder / "fits"
        return FitWork(
            result=fits / f"{name}.json",
            states=fits / name,
            network=self.networks / f"{name}.json" if self.keep_networks else None,
            of={**self.of, "seed": seed, "fold": fold},
            seconds=self.seconds,
        )

    def stack(self, fits: Sequence[tuple[int, str]]) -> "FitWork":
        """Where fits, by seed and fold, that are trained as one keep their states."""
        of = {**self.of, "stack": [list(fit) for fit in fits]}
        name = f"stack-{digest(canonical_json(of['stack']).encode())}"
        folder = self.folder / "fits"
        return FitWork(folder / f"{name}.json", folder / name, None, of, self.seconds)

    def at_once(self, choose: Callable[[], int]) -> int:
        """How many fits are trained as one: what was chosen when the run began, or is now."""
        path = self.folder / "at_once.json"
        try:
            return unsealed(path, self.of)["at_once"]
        except MerError:
            chosen = choose()
            write_durably(path, sealed({**self.of, "at_once": chosen}))
            return chosen


@dataclass(slots=True)
class FitWork:
    """What one fit keeps: its last states, then its result.

    Parameters
    ----------
    network : where the finished network goes, or None
    """

    result: Path
    states: Path
    network: Path | None
    of: Facts
    seconds: float
    last: float = field(default_factory=time.monotonic)  # when a state was saved, or it began

    def newest(self) -> tuple[int, Tensors] | None:
        """The last state saved, and its epoch; None to start from the first weights.

        Raises
        ------
        MerError
            Exit code 4: it is damaged.
        """
        found = states(self.states)
        if not found:
            return None
        tensors, facts = read(found[-1], self.of)
        return facts["epoch"], tensors

    def keep(self, epoch: int, state: Callable[[], Tensors]) -> None:
        """Save the state after an epoch if enough work was done since the last."""
        if time.monotonic() - self.last >= self.seconds:
            save(self.states, epoch, state(), self.of)
            self.last = time.monotonic()

    def finish(self, answer: Answer, network: Tensors) -> None:
        """Keep what a finished fit says, and drop its states."""
        if self.network is not None:
            write(self.network, network, self.of)
        said = {
            "epoch": answer.epoch,
            "probabilities": answer.probabilities.tolist(),
            "oracle_epoch": answer.oracle_epoch,
            "oracle": answer.oracle.tolist(),
            "losses": [repr(loss) for loss in answer.losses],  # inf is no JSON
            "oracle_hits": list(answer.oracle_hits),
        }
        write_durably(self.result, sealed({**self.of, **said}))
        shutil.rmtree(self.states, ignore_errors=True)

    def finished(self) -> Answer | None:
        """What a fit said that was finished before, or None.

        Raises
        ------
        MerError
            Exit code 4: the result or the network is damaged.
        """
        if not self.result.exists():
            return None
        found = unsealed(self.result, self.of)
        if self.network is not None:
            if not self.network.exists():
                return None
            read(self.network, self.of)
        last, oracle = (np.array(found[name], np.float32) for name in ("probabilities", "oracle"))
        return Answer(
            found["epoch"], last, found["oracle_epoch"], oracle,
            tuple(map(float, found["losses"])), tuple(found["oracle_hits"]),
        )  # fmt: skip

    def recover(self) -> Answer | None:
        """As `finished`, but what is damaged is told, dropped, and made again."""
        for error in drop_damaged(self.states, self.of):
            tell(f"{error.cause}: this fit goes on from the state before, or anew")
        try:
            return self.finished()
        except MerError as error:
            tell(f"{error.cause}: this fit is made again")
            self.result.unlink()
            return None


def tell(line: str) -> None:
    """A line for a person, beside the progress."""
    click.echo(printable(line), err=True)


@contextmanager
def work_folder(out: Path, of: Facts, seconds: float, keep_networks: bool) -> Iterator[Work]:
    """Open the work folder of a run, empty if it is new or another run's; remove it at the end.

    It stays if the run is interrupted or fails.

    Raises
    ------
    MerError
        If another process is at work there.
    """
    folder = out.with_name(f".{out.name}.work")
    private_folder(folder)
    with only_one(folder, out):
        work = Work(folder, of, seconds, keep_networks)
        request = folder / "request.json"
        try:
            unsealed(request, of)
        except MerError as error:
            if request.exists():
                tell(f"{error.cause}; this run starts anew")
            for part in (folder / "fits", work.networks):
                if part.exists():
                    shutil.rmtree(part)
            work.partial.unlink(missing_ok=True)
            write_durably(request, sealed(of))
        yield work
        shutil.rmtree(folder)


@contextmanager
def only_one(folder: Path, out: Path) -> Iterator[None]:
    """Hold the lock of a work folder; the kernel lets go of it however this process ends."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MerError(
                f"{out}: another mer-train is making this run",
                "wait until it has ended, or choose another --out",
            ) from error
        except OSError:
            pass  # some network file systems know no locks
        yield
    finally:
        os.close(handle)
