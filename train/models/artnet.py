"""ARTNet: one token for each gain of a magnifier, related by a transformer.

Chen, Cheng, Song, Wan and Zhang, ARTNet, Sensors 26(1):247, 2026: motion is amplified, flow
is computed of the amplified frames, a transformer relates the amplifications, since no single
gain suits every person. Nothing more of the paper is known to us: gains, magnifier, sizes,
loss and recipe are ours. Also ours is the choice of one token a gain, rather than one for each
gain and place.

An ideal magnifier makes the flow of gain g exactly g times the first, and then there is nothing
to relate but noise and clipping. `artnet_control` is this network on just that: a result counts
for the magnifier where it is better than the control's.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from train.config import FitConfig
from train.loss import label_loss
from train.models.attention import Layer
from train.models.base import Input, Model
from train.planes import FLOW, STRAIN

FULL_SCALE = (2.0, 2.0, 0.05)  # px, px, px/px, at gain 1: merkit's for flow and strain
LIMIT = 3.0


def stem(widths: tuple[int, int, int, int]) -> nn.Sequential:
    """(B, 3, 56, 56) -> (B, widths[-1])."""
    layers: list[nn.Module] = []
    for planes, maps, stride in zip((3, *widths), widths, (1, 2, 2, 2), strict=False):
        layers += [
            nn.Conv2d(planes, maps, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(maps),
            nn.GELU(),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())  # of 7 x 7


class ARTNet(nn.Module):
    """Tokens (B, gains, 3, 56, 56) float32 of u, v (px), strain (px/px) -> (B, classes) logits.

    u, v and strain of gain g are divided by √g times their scale and clamped to ±3. That is done
    here, since it goes by the gain. A token is never stretched to a range of its own: all
    gains of a linear magnifier would then look the same.

    Parameters
    ----------
    gains : of the tokens in their order, the first 1 and none below
    widths : of the stem; the last is a token's
    layers, heads, hidden : of the transformer
    dropout : within the transformer
    token_dropout : share of gains above 1 that are left out in training; the first never is
    smoothing : share of the truth that the loss gives to all classes
    """

    scale: Tensor
    octaves: Tensor

    several_labels = True

    def __init__(
        self,
        classes: int,
        gains: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0),
        widths: tuple[int, int, int, int] = (32, 64, 128, 128),
        layers: int = 2,
        heads: int = 4,
        hidden: int = 256,
        dropout: float = 0.2,
        token_dropout: float = 0.1,
        smoothing: float = 0.1,
    ) -> None:
        super().__init__()
        if gains[0] != 1 or min(gains) < 1:
            raise ValueError(f"gains are {gains}; expected 1 first and none below")
        self.smoothing = smoothing
        gain = torch.tensor(gains)
        scale = gain.sqrt()[:, None] * torch.tensor(FULL_SCALE)
        self.register_buffer("scale", scale[..., None, None], persistent=False)  # (K, 3, 1, 1)
        self.register_buffer("octaves", gain.log2()[:, None], persistent=False)  # (K, 1)
        dim = widths[-1]
        self.stem = stem(widths)
        self.by_gain = nn.Linear(1, dim, bias=False)
        self.by_index = nn.Parameter(torch.empty(len(gains), dim))
        self.asking = nn.Parameter(torch.empty(1, dim))  # the class token
        for embedding in (self.by_index, self.asking):
            nn.init.trunc_normal_(embedding, std=0.02)
        self.leave_out = nn.Dropout1d(token_dropout)
        self.layers = nn.Sequential(*(Layer(dim, heads, hidden, dropout) for _ in range(layers)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def seen(self, tokens: Tensor) -> Tensor:
        """Each gain's token by itself, (B, gains, dim)."""
        planes = (tokens / self.scale).clamp(-LIMIT, LIMIT)
        found = self.stem(planes.flatten(0, 1)).unflatten(0, (-1, len(self.octaves)))
        return found + self.by_gain(self.octaves) + self.by_index

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of a batch."""
        x = self.seen(tokens)
        asking = self.asking.expand(len(x), 1, -1)
        x = torch.cat([asking, x[:, :1], self.leave_out(x[:, 1:])], dim=1)  # (B, 1 + gains, dim)
        return self.head(self.norm(self.layers(x)[:, 0]))

    def losses(self, inputs: Sequence[Tensor], truth: Tensor, weight: Tensor | None) -> Tensor:
        """Cross-entropy against a truth of which all classes get a little."""
        return label_loss(self(*inputs), truth, weight, self.smoothing)


MODEL = Model(
    ARTNet,
    takes=(Input("tokens", clamp=None, planes=(*FLOW, *STRAIN)),),
    recipe="artnet",
    fit=FitConfig(
        epochs=60,
        batch_size=32,
        learning_rate=5e-4,
        weight_decay=0.05,
        optimizer="adamw",
        schedule="cosine",
        warmup=5,
        class_weights="root",
        augment=("flip", "magnify"),
    ),
)
