"""Clips on the device all together or, where they have no room there, sent batch by batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from features.base import Array

ROOM = 0.3  # of a GPU's free memory: a fold's part is a copy beside all clips; the rest is a step's


class Streamed:
    """Clips that stay in memory; rows of them are on the device when they are asked for.

    Parameters
    ----------
    whole : (N, …), in memory
    rows : of `whole` that can be asked for, (n,) int64 in memory; None: all
    """

    def __init__(self, whole: Tensor, device: torch.device, rows: Tensor | None = None) -> None:
        self.whole, self.device, self.rows = whole, device, rows

    def __len__(self) -> int:
        return len(self.whole if self.rows is None else self.rows)

    def __getitem__(self, asked: Tensor | slice) -> Tensor:
        """Some of them, (B, …) on the device."""
        return self.whole[self._of_whole(asked)].to(self.device)

    def part(self, rows: Tensor) -> "Streamed":
        """Some of them, still in memory and not copied."""
        return Streamed(self.whole, self.device, self._of_whole(rows))

    def _of_whole(self, asked: Tensor | slice) -> Tensor:
        here = asked if isinstance(asked, slice) else asked.cpu()
        return (torch.arange(len(self.whole)) if self.rows is None else self.rows)[here]


Clips = Tensor | Streamed


def part(clips: Sequence[Clips], rows: Tensor) -> list[Clips]:
    """Some rows of each, where they are."""
    return [x.part(rows) if isinstance(x, Streamed) else x[rows] for x in clips]


def placed(arrays: Sequence[Array], device: torch.device, free: int | None) -> list[Clips]:
    """All inputs of a network, on the device if they have room there.

    Parameters
    ----------
    arrays : (N, …) each
    free : bytes of the device that are free; None: any number, it is the memory they are in
    """
    there = [torch.from_numpy(x) for x in arrays]
    if fits(arrays, free):
        return [x.to(device) for x in there]
    return [Streamed(x, device) for x in there]


def fits(arrays: Sequence[Array], free: int | None) -> bool:
    """Whether they have room on a device of so many free bytes, and a fold's part beside them."""
    return free is None or sum(x.nbytes for x in arrays) <= ROOM * free
