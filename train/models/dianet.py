"""DIANet-R: dynamic images of the rise and of the fall, each asking the other.

After Khuong et al., DIANet, 4DMR workshop at IJCAI 2025: a picture of onset to apex, one of
apex to offset, a network for each, and cross-attention that weighs both by their context. Only
the abstract is known to us. So all below it is ours: ResNet-18 streams, 49 tokens of width 256
with places that are learned and shared by both, one layer of 4 heads in each direction
(normalised before, Xiong et al., ICML 2020), a gate a feature, what the phases differ in beside
what they agree on; the scale of 2 grey levels; and the recipe of training, AFN-R's.

A clip whose offset is its apex has a fall of zeros: it is then left out of the answer.

Queries, keys and values have no biases: softmax would take a key's out again.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from train.loss import label_loss
from train.models.afn import GREY_LEVELS
from train.models.afn import MODEL as AFN
from train.models.base import Input, Model
from train.models.streams import stream
from train.phases import present
from train.planes import IMAGE

SIZE = (224, 224)  # px
PLACES = 7 * 7  # of the maps at either size


class CrossAttention(nn.Module):
    """Tokens ask others: (B, N, dim) and (B, M, dim) -> what was answered, (B, N, dim).

    Vaswani et al., NeurIPS 2017, section 3.2. Written out, since torch's own layer takes
    another path in eval mode.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.answer = nn.Linear(dim, dim)

    def split(self, x: Tensor) -> Tensor:
        """(B, N, dim) -> (B, heads, N, dim / heads)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def shares(self, asking: Tensor, asked: Tensor) -> Tensor:
        """How much each token takes of each other, (B, heads, N, M); a row adds up to 1."""
        query, key = self.split(self.query(asking)), self.split(self.key(asked))
        return (query @ key.mT * query.shape[-1] ** -0.5).softmax(-1)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        """The answers."""
        mixed = self.shares(asking, asked) @ self.split(self.value(asked))
        return self.answer(mixed.transpose(1, 2).flatten(2))


class Exchange(nn.Module):
    """One phase's tokens, told of the other's: (B, N, dim) twice -> (B, N, dim).

    Parameters
    ----------
    hidden : width between the two linear maps that follow
    """

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.asking, self.asked, self.between = (nn.LayerNorm(dim) for _ in range(3))
        self.attention = CrossAttention(dim, heads)
        self.think = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, own: Tensor, other: Tensor, there: Tensor) -> Tensor:
        """Tokens after it; `there`, (B, 1, 1), is 0 where the other phase holds nothing."""
        own = own + there * self.attention(self.asking(own), self.asked(other))
        return own + self.think(self.between(own))


def tokens(maps: Tensor) -> Tensor:
    """(B, dim, h, w) -> (B, h w, dim): a token a place, row by row."""
    return maps.flatten(2).transpose(1, 2)


class DIANet(nn.Module):
    """Images of rise and fall, (B, 3, H, W) float32 each -> (B, classes) logits.

    Parameters
    ----------
    weights : a file of torchvision's ResNet-18 from which both streams start; None: random
    widths : of smaller streams instead, see `streams.stream`; their maps must be 7 x 7
    dim, heads, hidden : of the tokens, the attention and what follows it
    smoothing : share of a label that is spread over all classes
    """

    several_labels = True

    def __init__(
        self,
        classes: int,
        weights: Path | None = None,
        widths: tuple[int, ...] = (),
        dim: int = 256,
        heads: int = 4,
        hidden: int = 512,
        dropout: float = 0.5,
        smoothing: float = 0.1,
    ) -> None:
        super().__init__()
        self.rise, width = stream(widths, weights)
        self.fall, _ = stream(widths, weights)
        self.narrow = nn.ModuleList(nn.Conv2d(width, dim, kernel_size=1) for _ in range(2))
        self.place = nn.Parameter(nn.init.trunc_normal_(torch.empty(PLACES, dim), std=0.02))
        self.exchange = nn.ModuleList(Exchange(dim, heads, hidden) for _ in range(2))
        self.gate = nn.Linear(2 * dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * dim, classes)
        self.smoothing = smoothing

    def phases(self, rise: Tensor, fall: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of each phase after both have asked each other, (B, 49, dim) each.

        Both ask at once: neither hears what the other has just been told.
        """
        rise = tokens(self.narrow[0](self.rise(rise))) + self.place
        fall = tokens(self.narrow[1](self.fall(fall))) + self.place
        return self.exchange[0](rise, fall, there), self.exchange[1](fall, rise, there)

    def forward(self, rise: Tensor, fall: Tensor) -> Tensor:
        """Logits of a batch."""
        there = present(fall).to(rise.dtype)[:, None]  # (B, 1)
        risen, fallen = (phase.mean(1) for phase in self.phases(rise, fall, there[..., None]))
        of_fall = there * (1 - self.gate(torch.cat([risen, fallen], dim=1)).sigmoid())
        agreed = (1 - of_fall) * risen + of_fall * fallen
        differ = there * (risen - fallen).abs()
        return self.head(self.dropout(torch.cat([agreed, differ], dim=1)))

    def losses(self, inputs: Sequence[Tensor], truth: Tensor, weight: Tensor | None) -> Tensor:
        """Cross-entropy with smoothed labels.

        Parameters
        ----------
        inputs : images of rise and fall
        truth : (B,) int64, or (B, classes) of 0 and 1
        weight : (classes,) or None

        Returns
        -------
        Scalar
        """
        return label_loss(self(*inputs), truth, weight, self.smoothing)


MODEL = Model(
    DIANet,
    takes=(
        Input("rise_image", size=SIZE, scale=GREY_LEVELS, planes=IMAGE),
        Input("fall_image", size=SIZE, scale=GREY_LEVELS, planes=IMAGE),
    ),
    recipe="dianet",
    pretrained=True,
    fit=AFN.fit,
)
