"""What the papers often report: each fold at the epoch that was best on its own test subject.

It is no result: choosing an epoch by the people it is scored on adds 6 to 14 points (Varanka et
al., IEEE TAFFC 2024). It is computed beside the honest figure so that the two can be compared, and
shown in a column of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from features.base import Array
from train.labels import THRESHOLD
from train.predict import predict
from train.streamed import Clips


@dataclass(frozen=True, slots=True)
class Answer:
    """What a fit says of its test samples.

    Parameters
    ----------
    epoch : the last, counted from 1
    probabilities : (n_test, classes) float32, after it
    oracle_epoch : the first of the epochs that are best on the test samples
    oracle : (n_test, classes) float32, after that epoch
    losses : the training loss of each epoch; none of a fit without epochs
    oracle_hits : how many test samples each epoch has right; nothing is chosen by it
    """

    epoch: int
    probabilities: Array
    oracle_epoch: int
    oracle: Array
    losses: tuple[float, ...] = ()
    oracle_hits: tuple[int, ...] = ()


class Oracle:
    """Looks at the test samples after every epoch; tells nobody until the fit is over.

    Parameters
    ----------
    inputs : (n, …) float32 each, the test samples
    truth : (n,) int64, or (n, classes) of 0 and 1
    """

    def __init__(self, inputs: Sequence[Clips], truth: Tensor) -> None:
        self._inputs, self._truth = inputs, truth.cpu()
        self.epoch = 0
        self.hits: list[int] = []
        self.probabilities = torch.zeros(0)

    def watch(self, epoch: int, network: nn.Module) -> None:
        """Ask a network after an epoch; leaves no trace in the fit."""
        self.see(epoch, predict(network, self._inputs, self._truth.ndim == 2))

    def see(self, epoch: int, found: Tensor) -> None:
        """Keep an epoch if it is better than all before.

        Parameters
        ----------
        found : (n, classes) float32 on the CPU, probabilities of the test samples
        """
        hits = right(found, self._truth)
        if not self.hits or hits > max(self.hits):
            self.epoch, self.probabilities = epoch, found
        self.hits.append(hits)

    def state(self) -> dict[str, Tensor]:
        """What a fit that is left must remember of it."""
        return {
            "oracle.epoch": torch.tensor(self.epoch),
            "oracle.hits": torch.tensor(self.hits),
            "oracle.probabilities": self.probabilities,
        }

    def restore(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Go back to a state; gives the rest of it, which is the fit's."""
        self.epoch, self.hits = int(state["oracle.epoch"]), state["oracle.hits"].tolist()
        self.probabilities = state["oracle.probabilities"]
        return {name: value for name, value in state.items() if not name.startswith("oracle.")}


def right(probabilities: Tensor, truth: Tensor) -> int:
    """How many samples are told rightly; of several labels, how many units of all samples."""
    if truth.ndim == 2:
        return int(((probabilities > THRESHOLD) == truth.bool()).sum())
    return int((probabilities.argmax(1) == truth).sum())
