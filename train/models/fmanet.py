"""FMANet-R: the flows of both phases, their magnitudes modulated, fused by attention.

After Nguyen et al., FMANet, arXiv 2510.07810: a network that learns what MM-COF (the feature
`mm_cof`) fixes by hand, that is how much each phase counts and which motion is salient, and
that attends to regions of the face. Only the abstract, and its magnitudes that are normalised
to 0 … 1 before they are added, are known to us. So all below it is ours: range from the 5th to
the 99th percentile; a gate that begins as MM-COF's smooth one; attention to phases, channels
and places; the trunk, ResNet-18's last three layers; focal loss (Lin et al., ICCV 2017, which a
network of the same group uses); and the recipe of training.

A fall goes back the way the rise came, so flows are never added before they are maps, and each
phase has a stem of its own. A fall that is 0 everywhere, of a clip whose offset is its apex,
counts for nothing, as in MM-COF.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, nll_loss, softplus

from train.config import FitConfig
from train.models.base import Input, Model
from train.models.resnet import layer
from train.models.streams import convolution
from train.phases import present
from train.planes import FLOW

SIZE = (112, 112)  # px
PX = (2.0, 2.0)  # u and v of the flow that becomes 1, on a face 224 px wide
LOW, HIGH, STEEPNESS, TAU = 0.5, 1.5, 20.0, 0.35  # the gate at first, as of MM-COF
LEAST, MOST = 0.05, 0.99  # quantiles that become 0 and 1
FLAT = 1e-6  # a range below which nothing stands out


def normalised(magnitude: Tensor) -> Tensor:
    """(B, H, W) -> the same, each clip's 5th percentile at 0 and its 99th at 1, clipped.

    For the gate alone: how strong a clip's motion is stays in the flow.
    """
    ordered = magnitude.flatten(1).sort(1).values  # torch.quantile would stop vmap
    least, most = (quantile(ordered, share)[:, None, None] for share in (LEAST, MOST))
    return ((magnitude - least) / (most - least).clamp(min=FLAT)).clamp(0, 1)


def quantile(ordered: Tensor, share: float) -> Tensor:
    """(B, N) ascending -> (B,), linear between neighbours."""
    last = ordered.shape[1] - 1
    below = int(share * last)
    low, high = ordered[:, below], ordered[:, min(below + 1, last)]
    return low + (share * last - below) * (high - low)


class Modulation(nn.Module):
    """Flow (B, 2, H, W) -> u, v and magnitude (B, 3, H, W), the salient enhanced, the weak not.

    Four numbers are learned: low, high and steepness, kept above 0 by softplus, and tau.
    """

    def __init__(self) -> None:
        super().__init__()
        start = [math.log(math.expm1(value)) for value in (LOW, HIGH, STEEPNESS)]
        self.low, self.high, self.steepness = (nn.Parameter(torch.tensor(value)) for value in start)
        self.tau = nn.Parameter(torch.tensor(TAU))

    def gate(self, magnitude: Tensor) -> Tensor:
        """(B, H, W) -> by how much each place's flow is multiplied."""
        low, high, steepness = (softplus(raw) for raw in (self.low, self.high, self.steepness))
        salient = (steepness * (normalised(magnitude) - self.tau)).sigmoid()
        return low + (high - low) * salient

    def forward(self, flow: Tensor) -> Tensor:
        """The three planes, modulated."""
        magnitude = flow.square().sum(1).sqrt()
        return self.gate(magnitude)[:, None] * torch.cat([flow, magnitude[:, None]], dim=1)


class FusionAttention(nn.Module):
    """Maps of two phases, (B, width, h, w) each -> one set of maps, (B, width, h, w).

    Parameters
    ----------
    squeezed : units of the attention to channels (squeeze and excitation, Hu et al., CVPR 2018)
    """

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.compare = nn.Sequential(nn.Conv2d(3 * width, width, kernel_size=1), nn.ReLU())
        self.phase = nn.Conv2d(width, 2, kernel_size=1)
        self.channel = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, squeezed), nn.ReLU(), nn.Linear(squeezed, width), nn.Sigmoid()
            )
            for _ in range(2)
        )
        self.place = nn.Conv2d(2, 1, kernel_size=7, padding=3)

    def shares(self, compared: Tensor, there: Tensor) -> Tensor:
        """How much of each place comes from which phase, (B, 2, h, w); the two add up to 1."""
        logits = self.phase(compared)
        absent = torch.stack([torch.zeros_like(there), 1 - there], dim=1).bool()  # (B, 2)
        return logits.masked_fill(absent[..., None, None], -math.inf).softmax(1)

    def forward(self, rise: Tensor, fall: Tensor, there: Tensor) -> Tensor:
        """The fused maps; `there`, (B,), is 0 where there is no fall, 1 elsewhere."""
        fall = there[:, None, None, None] * fall
        compared = self.compare(torch.cat([rise, fall, (rise - fall).abs()], dim=1))
        both = torch.stack([rise, fall], dim=1)  # (B, 2, width, h, w)
        channels = torch.stack(
            [excite(both[:, n].mean((2, 3))) for n, excite in enumerate(self.channel)], dim=1
        )
        attended = both * channels[..., None, None] * self.shares(compared, there)[:, :, None]
        seen = torch.stack([compared.mean(1), compared.amax(1)], dim=1)  # (B, 2, h, w)
        mean = both.sum(1) / (1 + there)[:, None, None, None]  # of the phases that are there
        return self.place(seen).sigmoid() * attended.sum(1) + mean


class FMANet(nn.Module):
    """Flows of rise and fall, (B, 2, H, W) float32 each -> (B, classes) logits.

    Parameters
    ----------
    stem : widths of the two convolutions of a phase, the second of which halves H and W
    squeezed : see `FusionAttention`
    trunk : widths of the residual layers, each of which halves height and width
    gamma : exponent of the focal loss; 0 is cross-entropy
    """

    def __init__(
        self,
        classes: int,
        stem: tuple[int, int] = (32, 64),
        squeezed: int = 16,
        trunk: tuple[int, ...] = (128, 256, 256),
        dropout: float = 0.5,
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        self.rise, self.fall = (
            nn.Sequential(Modulation(), convolution(3, stem[0]), convolution(*stem, stride=2))
            for _ in range(2)
        )
        self.fusion = FusionAttention(stem[1], squeezed)
        steps = zip((stem[1], *trunk), trunk, strict=False)
        self.trunk = nn.Sequential(*(layer(planes, width, 2) for planes, width in steps))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(trunk[-1], classes)
        self.gamma = gamma

    def forward(self, rise: Tensor, fall: Tensor) -> Tensor:
        """Logits of a batch."""
        there = present(fall).to(rise.dtype)  # (B,)
        maps = self.trunk(self.fusion(self.rise(rise), self.fall(fall), there))
        return self.head(self.dropout(maps.mean((2, 3))))

    def losses(self, inputs: Sequence[Tensor], truth: Tensor, weight: Tensor | None) -> Tensor:
        """Focal loss.

        Parameters
        ----------
        inputs : flows of rise and fall
        truth : (B,) int64
        weight : (classes,) or None

        Returns
        -------
        Scalar
        """
        return focal(self(*inputs), truth, weight, self.gamma)


def focal(logits: Tensor, truth: Tensor, weight: Tensor | None, gamma: float) -> Tensor:
    """Cross-entropy in which a sample of probability p weighs (1 − p) to the power gamma.

    Parameters
    ----------
    logits : (B, classes)
    truth : (B,) int64
    weight : (classes,) or None
        The mean is weighted by it, as torch's cross-entropy has it.

    Returns
    -------
    Scalar
    """
    told = log_softmax(logits, 1)
    return nll_loss((1 - told.exp()) ** gamma * told, truth, weight)


MODEL = Model(
    FMANet,
    takes=(
        Input("rise_flow", size=SIZE, scale=PX, per_width=True, planes=FLOW),
        Input("fall_flow", size=SIZE, scale=PX, per_width=True, planes=FLOW),
    ),
    recipe="fmanet",
    fit=FitConfig(
        epochs=60,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=0.0,
        optimizer="adam",
        schedule="cosine",
        floor=0.01,
        class_weights="root",
        augment=("flip", "magnify"),
    ),
)
