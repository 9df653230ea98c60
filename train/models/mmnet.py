"""MMNet: muscle motion by continuous attention, placed by the face at rest.

Li, Sui, Zhu and Zhao, "MMNet: Muscle motion-guided network for micro-expression recognition",
IJCAI 2022 (arXiv 2201.05297). A main branch sees the difference apex − onset alone; the attention
of each of its blocks is multiplied by that of the block before. A second branch, a small vision
transformer, sees the onset at a 16th of its size and says what lies where.

Sizes are the authors' for five classes of CASME II, for any number of classes here (their script
for three, which differs in depth, cannot run). Left out is what theirs holds and never uses:
heads for action units, a class token, a time embedding, dropout: 532,106 parameters. The onset is
brought to 14 x 14 by averaging, where theirs picks pixels.

Training is theirs: the rate falls for 50 of the 74 epochs, clips are mirrored and moved. Ours: the
last epoch counts, whatever it scores; clips are moved by 5 % at most and not turned, where theirs
are by 7 % and 3°; no jitter in time, as the store holds two frames.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d

from train.config import FitConfig
from train.models.base import Input, Model
from train.planes import FRAME

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's R, G, B
SHRINKS = 16  # the stem and three of the four blocks halve height and width


def convolution(planes: int, width: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """(B, planes, H, W) -> (B, width, H / stride, W / stride), normed by batch."""
    return nn.Sequential(
        nn.Conv2d(planes, width, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(width),
    )


class ContinuousAttention(nn.Module):
    """A residual block whose attention goes on from the block before.

    (B, planes, H, W) -> (B, width, H / stride, W / stride), and the attention (B, 1, …) in (0, 1).
    """

    def __init__(self, planes: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(planes, width, 3, stride), nn.ReLU(), convolution(width, width, 1)
        )
        same = stride == 1 and planes == width
        self.shortcut = nn.Identity() if same else convolution(planes, width, 1, stride)
        self.attention = nn.Sequential(convolution(2, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """Maps, weighted by attention; and the attention, for the next block."""
        x = (self.body(x) + self.shortcut(x)).relu()
        attention = self.attention(torch.cat([x.mean(1, True), x.amax(1, True)], dim=1))
        if before is not None:
            attention = attention * max_pool2d(before, 3, stride=2, padding=1)
        return x * attention, attention


class Attention(nn.Module):
    """Every token asks all: (B, N, width) -> (B, N, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Mixtures of the tokens' values."""
        asked = self.qkv(x).unflatten(2, (3, self.heads, -1))  # (B, N, 3, heads, width / heads)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        shares = (query @ key.mT * query.shape[3] ** -0.5).softmax(3)  # (B, heads, N, N)
        return self.merge((shares @ value).transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """Attention, then a perceptron, each beside a shortcut and after a norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        x = x + self.attention(self.norm1(x))
        return x + self.perceptron(self.norm2(x))


class Position(nn.Module):
    """The onset's places: (B, 3, H, W) -> (B, width, side, side), one token a place."""

    def __init__(self, side: int, width: int, depth: int) -> None:
        super().__init__()
        self.side = side
        self.embed = nn.Linear(3, width)
        self.where = nn.Parameter(torch.empty(side * side, width))
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads=4) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        nn.init.trunc_normal_(self.where, std=0.02)

    def forward(self, onset: Tensor) -> Tensor:
        """Maps of a batch."""
        small = adaptive_avg_pool2d(onset, self.side)
        tokens = self.embed(small.flatten(2).mT) + self.where  # (B, side², width), row by row
        return self.norm(self.blocks(tokens)).mT.unflatten(2, (self.side, self.side))


class MMNet(nn.Module):
    """Onset and apex (B, 2, 3, size, size) float32 in 0 … 1, RGB -> (B, classes) logits.

    Parameters
    ----------
    size : height and width of a frame, px; a multiple of 16
    stem : widths of the two first convolutions
    widths : of the four blocks
    depth : transformer blocks of the position branch
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self,
        classes: int,
        size: int = 224,
        stem: tuple[int, int] = (180, 128),
        widths: tuple[int, ...] = (128, 128, 256, 512),
        depth: int = 2,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(SPREAD).view(3, 1, 1), persistent=False)
        self.stem = nn.Sequential(
            convolution(3, stem[0], 3, stride=2),
            nn.ReLU(),
            convolution(stem[0], stem[1], 3),
            nn.ReLU(),
        )
        self.blocks = nn.ModuleList(
            ContinuousAttention(planes, width, stride)
            for planes, width, stride in zip((stem[1], *widths), widths, (1, 2, 2, 2), strict=False)
        )
        side = size // SHRINKS
        self.position = Position(side, widths[-1], depth)
        self.head = nn.Linear(widths[-1] * side * side, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, frames: Tensor) -> Tensor:
        """Logits of a batch."""
        onset = ((frames - self.mean) / self.spread)[:, 0]
        return self.head((self.motion(frames) + self.position(onset)).flatten(1))

    def motion(self, frames: Tensor) -> Tensor:
        """Maps of what moved: (B, 2, 3, size, size) -> (B, width, size / 16, size / 16)."""
        onset, apex = frames.unbind(1)
        x = self.stem((apex - onset) / self.spread)  # (B, stem, size / 2, size / 2)
        attention = None
        for block in self.blocks:
            x, attention = block(x, attention)
        return x


MODEL = Model(
    MMNet,
    takes=(Input("frames", size=(224, 224), scale=(255.0,), planes=FRAME),),
    recipe="mmnet",
    fit=FitConfig(
        epochs=74,
        batch_size=32,
        learning_rate=8e-4,
        weight_decay=0.6,
        optimizer="adamw",
        schedule="steps",
        decay=0.987,
        decay_every=1,
        floor=0.987**50,
        augment=("flip", "shift"),
    ),
)
