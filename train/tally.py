"""How many epochs each fit of a run has had, in memory that the processes of the run share.

A fit writes to its own place there and nobody else does, so nobody waits for a lock.
"""

from collections.abc import Iterable
from ctypes import c_int64
from multiprocessing.sharedctypes import RawArray

from features.progress import Steps

Key = tuple[int, str]  # seed and fold


class Tally:
    """Epochs of every fit: had, to be had, and had before this process began.

    Parameters
    ----------
    fits : all there are, also those that only choose an epoch
    epochs : that each of them has, until it says otherwise
    """

    def __init__(self, fits: Iterable[Key], epochs: int) -> None:
        self._place = {key: place for place, key in enumerate(fits)}
        self.epochs, count = epochs, len(self._place)
        self._done = RawArray(c_int64, count)
        self._total = RawArray(c_int64, [epochs] * count)
        self._before = RawArray(c_int64, count)

    def begin(self, fit: Key, done: int, until: int) -> None:
        """Say that a fit goes on after an epoch, 0 for none, and which is its last."""
        place = self._place[fit]
        self._before[place] = self._done[place] = done
        self._total[place] = until

    def add(self, fit: Key) -> None:
        """Count an epoch of a fit."""
        self._done[self._place[fit]] += 1

    def steps(self) -> Steps:
        """Count those of all fits."""
        return Steps(sum(self._done), sum(self._total), sum(self._before))
