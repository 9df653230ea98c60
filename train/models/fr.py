"""FR: features that all expressions share, then those of each one.

Zhou et al., "Feature refinement: An expression-specific feature learning and fusion method for
micro-expression recognition", Pattern Recognition 122, 2022 (arXiv 2101.04838). The paper names
the three parts: inception modules on optical flow (expression-shared features); an expression
proposal module with attention factors and a proposal loss (expression-specific features);
classification of their fusion. Its authors released no code. Widths, kernels, the sum as fusion
and the sigmoid as attention are those of a student project derived from it and of the same
author's Dual-Inception network (FG 2019).

Ours, as no source tells: flow as float divided by 4 px and clipped to ±1 (the kin store it in 8
bits, with steps of 0.12 px); weights of u's and v's stream apart; the form of the proposal loss
and its mean over classes; no biases before batch norms, which would take them out again (264
parameters fewer than with them); the recipe of training, but for Adam's rate and the 50 epochs,
which the student project has. Dropout, in the places of that project.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from train.config import FitConfig
from train.loss import label_loss
from train.models.base import Input, Model
from train.planes import FLOW

SHARED = 1024  # expression-shared features
SIDE = 28  # px
CAP = 10.0  # a rare class weighs at most this much in its own detector; ours


def convolution(planes: int, width: int, kernel: int) -> nn.Sequential:
    """(B, planes, H, W) -> (B, width, H, W)."""
    return nn.Sequential(
        nn.Conv2d(planes, width, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


class Inception(nn.Module):
    """Four paths side by side: (B, planes, H, W) -> (B, 4 width, H, W)."""

    def __init__(self, planes: int, width: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            [
                convolution(planes, width, 1),
                nn.Sequential(convolution(planes, width, 1), convolution(width, width, 3)),
                nn.Sequential(convolution(planes, width, 1), convolution(width, width, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, padding=1), convolution(planes, width, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """The paths' maps, one after another."""
        return torch.cat([path(x) for path in self.paths], dim=1)


def stream() -> nn.Sequential:
    """One component of the flow: (B, 1, 28, 28) -> (B, 3136)."""
    return nn.Sequential(
        Inception(1, 6),  # 24 x 28 x 28
        nn.MaxPool2d(2),  # 24 x 14 x 14
        Inception(24, 16),  # 64 x 14 x 14
        nn.MaxPool2d(2),  # 64 x 7 x 7
        nn.Flatten(),
    )


class Proposal(nn.Module):
    """One expression: what of the shared features tells it, and whether it is there."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.Linear(SHARED, SHARED), nn.Sigmoid())
        self.detector = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(SHARED, 64), nn.ReLU(), nn.Linear(64, 2)
        )

    def forward(self, shared: Tensor) -> tuple[Tensor, Tensor]:
        """Shared features (B, 1024) times this expression's attention factors; the detector's say.

        The factors lie in (0, 1); the detector gives logits (B, 2) of "another" and "mine".
        """
        specific = shared * self.attention(shared)
        return specific, self.detector(specific)


class FR(nn.Module):
    """Flow u, v (B, 2, 28, 28) float32 -> (B, classes) logits.

    Parameters
    ----------
    proposal_weight : of the proposal loss
        0.9 is the student project's; the paper's is not known.
    """

    several_labels = True

    def __init__(self, classes: int, proposal_weight: float = 0.9) -> None:
        super().__init__()
        self.proposal_weight = proposal_weight
        self.streams = nn.ModuleList(stream() for _ in "uv")
        self.merge = nn.Sequential(
            nn.Linear(2 * 64 * (SIDE // 4) ** 2, SHARED), nn.Dropout(0.3), nn.ReLU()
        )
        self.proposals = nn.ModuleList(Proposal() for _ in range(classes))
        self.head = nn.Linear(SHARED, classes)

    def forward(self, flow: Tensor) -> Tensor:
        """Logits of a batch."""
        specific, _ = self.proposed(flow)
        return self.head(specific.sum(1))

    def proposed(self, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Each expression's features (B, classes, 1024), and its detector's logits (…, 2)."""
        planes = torch.split(flow, 1, dim=1)
        parts = [path(plane) for path, plane in zip(self.streams, planes, strict=True)]
        shared = self.merge(torch.cat(parts, dim=1))  # (B, 1024)
        specific, detected = zip(*(proposal(shared) for proposal in self.proposals), strict=True)
        return torch.stack(specific, dim=1), torch.stack(detected, dim=1)

    def losses(self, inputs: Sequence[Tensor], truth: Tensor, weight: Tensor | None) -> Tensor:
        """Cross-entropy of the logits, and of every detector on its own expression."""
        (flow,) = inputs
        specific, detected = self.proposed(flow)
        recognised = label_loss(self.head(specific.sum(1)), truth, weight)
        return recognised + self.proposal_weight * proposal_loss(detected, truth)


def proposal_loss(detected: Tensor, truth: Tensor) -> Tensor:
    """How badly each detector tells its expression from the rest.

    Parameters
    ----------
    detected : (B, K, 2) logits of "another" and "mine"
    truth : (B,) int64 in [0, K); or (B, K) of 0 and 1, what a sample shows

    Returns
    -------
    Scalar
        Cross-entropy of two classes, mean over samples and detectors. Samples of class k, n_k
        of the batch's N, weigh (N − n_k) / n_k in detector k, never more than 10 nor less than
        1/10: else a detector of a rare expression learns to say no.
    """
    if truth.ndim == 1:
        mine = truth[:, None] == torch.arange(detected.shape[1], device=truth.device)
    else:
        mine = truth.bool()  # (B, K)
    share = mine.float().mean(0)
    balance = ((1 - share) / share.clamp(min=1e-6)).clamp(1 / CAP, CAP)
    each = cross_entropy(detected.flatten(0, 1), mine.flatten().long(), reduction="none")
    return (each.view_as(mine) * torch.where(mine, balance, 1.0)).mean()


MODEL = Model(
    FR,
    takes=(
        Input("flow", size=(SIDE, SIDE), scale=(4.0, 4.0), per_width=True, clamp=1.0, planes=FLOW),
    ),
    recipe="fr",
    fit=FitConfig(
        epochs=50,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=1e-4,
        optimizer="adam",
        schedule="cosine",
        class_weights="balanced",
        augment=("flip", "shift", "magnify"),
    ),
)
