"""Support vector machines, the baselines of the field, in the shape of a network.

The files `svm_….py` say which feature and which kernel. What is fixed is ours, and was before any
score was seen: C = 1, the gamma of the RBF kernel is scikit-learn's "scale", and every column is
standardised by mean and deviation of the training samples. One machine a class tells it from all
others. Nothing is drawn: seeds differ only where labels are shuffled.

The softmax of their values orders the classes; it is no calibrated probability.

A kept network holds support vectors: training samples, which can be had back from it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor, nn
from torch.nn.functional import one_hot

Kernel = Literal["linear", "rbf"]

NEVER = -math.inf  # the value of a class that no training sample has
ALWAYS = math.inf  # of a label, one of several, that all of them have


class SVM(nn.Module):
    """Inputs (B, …) float32 -> (B, classes) float32, what the machine of each class says.

    All inputs of a sample are laid side by side in one row of d columns. Inside, numbers are
    float64, as scikit-learn's are. What is learnt lies in buffers, whose sizes are known only
    after `solve` or once a state is loaded: before, it cannot be called.
    """

    mean: Tensor  # (d,)
    scale: Tensor  # (d,)
    gamma: Tensor  # ()
    support: Tensor  # (m, d), standardised
    dual: Tensor  # (classes, m)
    intercept: Tensor  # (classes,)

    def __init__(self, classes: int, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel
        shapes = {
            "mean": (0,), "scale": (0,), "gamma": (), "support": (0, 0), "dual": (classes, 0),
            "intercept": (classes,),
        }  # fmt: skip
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        self.register_load_state_dict_pre_hook(take_sizes)  # type: ignore[no-untyped-call]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Decision values of a batch."""
        x = (side_by_side(inputs) - self.mean) / self.scale
        if self.kernel == "linear":
            alike = x @ self.support.T  # (B, m)
        else:
            alike = torch.exp(-self.gamma * torch.cdist(x, self.support).square())
        return (alike @ self.dual.T + self.intercept).float()

    def solve(self, inputs: Sequence[Tensor], truth: Tensor, weight: Tensor | None) -> None:
        """Learn from training samples.

        Parameters
        ----------
        inputs : (n, …) float32 each
        truth : (n,) int64, or (n, classes) of 0 and 1: a machine for every label
            A class that it lacks is never predicted.
        weight : (classes,), by which C is multiplied; None for 1
            For the samples of a class in all machines; of several labels, for those that show it
            in its own.
        """
        scaler = StandardScaler()
        x = scaler.fit_transform(side_by_side(inputs).cpu().numpy())
        gamma = 1 / max(x.shape[1] * x.var(), 1)  # the variance is 0 if all samples are alike
        several = truth.ndim == 2
        shown = (truth if several else one_hot(truth, len(self.intercept))).bool().cpu().numpy()
        dual = np.zeros((len(self.intercept), len(x)))
        intercept = np.full(len(dual), NEVER)
        for number in np.flatnonzero(shown.any(0)):
            chosen = shown[:, number]
            if chosen.all():
                intercept[number] = ALWAYS if several else 0
                continue
            weights = None
            if weight is not None:
                factor = weight.cpu().numpy()
                weights = np.where(chosen, factor[number], 1.0) if several else shown @ factor
            machine = SVC(C=1.0, kernel=self.kernel, gamma=gamma).fit(x, chosen, weights)
            dual[number, machine.support_] = machine.dual_coef_[0]
            intercept[number] = machine.intercept_[0]
        used = dual.any(0)
        self.mean, self.scale = self._buffer(scaler.mean_), self._buffer(scaler.scale_)
        self.gamma, self.support = self._buffer(gamma), self._buffer(x[used])
        self.dual, self.intercept = self._buffer(dual[:, used]), self._buffer(intercept)

    def _buffer(self, array: Any) -> Tensor:
        return torch.tensor(array, dtype=torch.float64, device=self.intercept.device)


def side_by_side(inputs: Sequence[Tensor]) -> Tensor:
    """(B, …) each -> (B, d) float64."""
    return torch.cat([one.flatten(1) for one in inputs], dim=1).double()


def take_sizes(machine: SVM, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    """Bring buffers to the sizes of a state before it is loaded; the classes stay as built."""
    for name in ("mean", "scale", "support", "dual"):
        if (found := state.get(prefix + name)) is not None:
            setattr(machine, name, machine.intercept.new_empty(found.shape))
