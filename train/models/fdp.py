"""FDP: frames ranked in time and pooled to one picture of the change.

Shao, Cheng, Zhang, Shi, Li, Ma and Yeung, arXiv 2509.06015, 2025. Frames of a clip pass a local
and global transformer; a rank scorer learns their order; what is pooled over time serves two
tasks, the recognition and the drawing of the clip's dynamic image. Sizes are those of the authors'
release: 85.3 M parameters there.

Four things that the release meant to have, or got wrong, are here as the paper has them:

- Each stage ends with a global block. The release lists them, yet builds none: no attention.
- Time is an axis of its own when frames are pooled. The release reshapes where it should permute,
  so that its filter in time runs over neighbouring features of one frame.
- There is a rank loss. The release has none; the form and the weight are ours.
- A clip is standardised by itself, where the release uses the mean and the greatest value of all
  clips that are tested together.

Ours as well: keys and values of the attention are means over a 2 x 2 grid of the map, which is what
the release's reductions by 8, 4, 2 and 1 come to at 64 px, in two dimensions; no biases before
batch norms in the drawing branch; the last frame is among the eight, and they are fixed (the
store holds eight: no jitter in time). The recipe of training is the release's, its 500 steps
counted in epochs of CASME II.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    adaptive_avg_pool2d,
    dropout,
    max_pool2d,
    max_unpool2d,
    mse_loss,
)

from train.config import FitConfig
from train.loss import label_loss
from train.models.base import Input, Model
from train.planes import PICTURE

FRAMES = 8
POOLED = 8  # planes of what is pooled over time
KEYS = 2  # keys of attention along each side of a map
DROPPED = 0.1  # a residual branch is left out so often in the last block, rising from 0


class DropPath(nn.Module):
    """Leave a residual branch out for some clips of a batch, in training only.

    For all frames of a clip alike: in one frame alone it would look like motion. (The release
    draws for each frame.)
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Clips' frames in a row, (B, …) -> the same, zero or larger by 1 / (1 - rate)."""
        if not self.training:
            return x
        kept = dropout(x.new_ones(len(x) // FRAMES, 1, 1, 1), self.rate)
        return x * kept.repeat_interleave(FRAMES, dim=0)


def embedding(planes: int, width: int, stride: int = 1) -> nn.Sequential:
    """(B, planes, H, W) -> (B, width, H / stride, W / stride); nothing if nothing changes."""
    layers: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
    if stride > 1 or planes != width:
        layers += [nn.Conv2d(planes, width, 1, bias=False), nn.BatchNorm2d(width)]
    return nn.Sequential(*layers)


def perceptron(width: int, times: int) -> nn.Sequential:
    """(B, width, H, W) -> the same, each place by itself."""
    return nn.Sequential(
        nn.BatchNorm2d(width),
        nn.Conv2d(width, times * width, 1),
        nn.ReLU(),
        nn.Conv2d(times * width, width, 1),
    )


class Local(nn.Module):
    """Places look at their neighbours: (B, planes, H, W) -> (B, width, H / stride, W / stride)."""

    def __init__(self, planes: int, width: int, stride: int, rate: float) -> None:
        super().__init__()
        self.embed = embedding(planes, width, stride)
        self.near = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.perceptron = perceptron(width, 3)
        self.drop = DropPath(rate)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of a batch."""
        x = self.embed(x)
        x = x + self.drop(self.near(x))
        return x + self.drop(self.perceptron(x))


class Attention(nn.Module):
    """Every place asks four averages of the map: (B, width, H, W) -> the same."""

    def __init__(self, width: int, head_width: int) -> None:
        super().__init__()
        self.heads = width // head_width
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.merge = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Mixtures of the four values."""
        few = adaptive_avg_pool2d(x, KEYS).flatten(2).mT  # (B, 4, width)
        query = self.apart(self.query(x.flatten(2).mT))
        key, value = (self.apart(part) for part in self.key_value(few).chunk(2, dim=2))
        shares = (query @ key.mT * query.shape[3] ** -0.5).softmax(3)  # (B, heads, H W, 4)
        mixed = (shares @ value).transpose(1, 2).flatten(2)  # (B, H W, width)
        return self.merge(mixed).mT.reshape(x.shape)

    def apart(self, tokens: Tensor) -> Tensor:
        """(B, N, width) -> (B, heads, N, head width)."""
        return torch.unflatten(tokens, 2, (self.heads, -1)).transpose(1, 2)


class Global(nn.Module):
    """Places look at the whole map: (B, planes, H, W) -> (B, width, H, W).

    Three quarters of the width come from attention, the last from a convolution of it.
    """

    def __init__(self, planes: int, width: int, head_width: int, rate: float) -> None:
        super().__init__()
        far, near = 3 * width // 4, width // 4
        self.embed = embedding(planes, far)
        self.attention = nn.Sequential(nn.BatchNorm2d(far), Attention(far, head_width))
        self.narrow = embedding(far, near)
        self.near = nn.Conv2d(near, near, 3, padding=1, bias=False)
        self.perceptron = perceptron(width, 2)
        self.drop = DropPath(rate)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of a batch."""
        x = self.embed(x)
        x = x + self.drop(self.attention(x))
        y = self.narrow(x)
        x = torch.cat([x, y + self.drop(self.near(y))], dim=1)
        return x + self.drop(self.perceptron(x))


def stem(widths: tuple[int, ...]) -> nn.Sequential:
    """(B, 1, H, W) -> (B, widths[3], H / 4, W / 4)."""
    layers: list[nn.Module] = []
    for planes, width, stride in zip((1, *widths), widths, (2, 1, 1, 2), strict=False):
        layers += [
            nn.Conv2d(planes, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


def stages(
    planes: int,
    depths: tuple[int, ...],
    local_widths: tuple[int, ...],
    global_widths: tuple[int, ...],
    head_width: int,
) -> nn.Sequential:
    """Local blocks, then a global one, stage after stage; all but the first halve the map."""
    rates = iter(torch.linspace(0, DROPPED, sum(depths) + len(depths), device="cpu").tolist())
    blocks: list[nn.Module] = []
    for stage, (depth, near, far) in enumerate(
        zip(depths, local_widths, global_widths, strict=True)
    ):
        for block in range(depth):
            blocks.append(Local(planes, near, 2 if stage and not block else 1, next(rates)))
            planes = near
        blocks.append(Global(near, far, head_width, next(rates)))
        planes = far
    return nn.Sequential(*blocks)


def step(widths: tuple[int, ...]) -> nn.Sequential:
    """3 x 3 convolutions of one step of a drawing branch: (B, widths[0], H, W) -> widths[-1]."""
    layers: list[nn.Module] = []
    for planes, width in pairwise(widths):
        layers += [
            nn.Conv2d(planes, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


class SegNet(nn.Module):
    """Draw a picture: (B, planes, H, W) -> (B, 1, H, W) logits; H and W multiples of 32.

    Badrinarayanan, Kendall and Cipolla, "SegNet", TPAMI 2017: five steps down as in VGG-16 and
    five up, each of which puts values back where its twin found the greatest.
    """

    def __init__(self, planes: int) -> None:
        super().__init__()
        down = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
        first = (planes, 64, 128, 256, 512)
        self.down = nn.ModuleList(step((p, *w)) for p, w in zip(first, down, strict=True))
        up = ((512,) * 4, (512, 512, 512, 256), (256, 256, 256, 128), (128, 128, 64), (64, 64))
        self.up = nn.ModuleList(step(widths) for widths in up)
        self.last = nn.Conv2d(64, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures of a batch."""
        places = []
        for layer in self.down:
            x, place = max_pool2d(layer(x), 2, return_indices=True)
            places.append(place)
        for layer, place in zip(self.up, reversed(places), strict=True):
            x = layer(max_unpool2d(x, place, [2, 2]))
        return self.last(x)


class FDP(nn.Module):
    """Frames (B, 8, 1, H, W) and their dynamic image (B, 1, side, side) -> (B, classes) logits.

    The dynamic image is what training draws; logits do not depend on it.

    Parameters
    ----------
    stem_widths : of the four first convolutions
    depths : local blocks of each stage, before its global one
    local_widths, global_widths : of each stage; global ones multiples of 4 / 3 of `head_width`
    head_width : features of one head of attention
    side : a frame's features are a picture of side x side
    drawing : called with a number of planes
        Network of the dynamic image: (B, planes, side, side) -> (B, 1, side, side) logits.
    picture_weight : of the mean square error of the drawn image; 100 in the release
    rank_weight : of the rank loss; 0 leaves it out
    still : False: the mean of a clip's frames is taken from each, so that what moves is left
    """

    several_labels = True

    def __init__(
        self,
        classes: int,
        stem_widths: tuple[int, ...] = (64, 32, 64, 64),
        depths: tuple[int, ...] = (3, 4, 10, 3),
        local_widths: tuple[int, ...] = (96, 192, 384, 768),
        global_widths: tuple[int, ...] = (128, 256, 512, 1024),
        head_width: int = 8,
        side: int = 64,
        drawing: Callable[[int], nn.Module] = SegNet,
        picture_weight: float = 100.0,
        rank_weight: float = 0.1,
        still: bool = True,
    ) -> None:
        super().__init__()
        self.side, self.picture_weight, self.rank_weight = side, picture_weight, rank_weight
        self.still = still
        self.encoder = nn.Sequential(
            stem(stem_widths),
            stages(stem_widths[-1], depths, local_widths, global_widths, head_width),
            nn.BatchNorm2d(global_widths[-1]),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(global_widths[-1], side * side),
        )
        self.scorer = nn.Linear(side * side, 1, bias=False)  # a score matters against others only
        self.pool = nn.Conv2d(FRAMES, POOLED, 3, padding=1)  # over time, and nearby features
        self.head = nn.Sequential(
            nn.MaxPool2d(3),
            nn.Flatten(),
            nn.Linear(POOLED * (side // 3) ** 2, 256),
            nn.ReLU(),
            nn.Linear(256, classes),
        )
        self.drawing = drawing(POOLED)

    def forward(self, frames: Tensor, _picture: Tensor | None = None) -> Tensor:
        """Logits of a batch."""
        return self.head(self.pooled(self.features(frames)))

    def features(self, frames: Tensor) -> Tensor:
        """Each frame by itself: (B, 8, 1, H, W) -> (B, 8, side²)."""
        if not self.still:
            frames = frames - frames.mean(1, keepdim=True)
        each = self.encoder(standardised(frames).flatten(0, 1))  # frames of one clip in a row
        return each.unflatten(0, (-1, FRAMES))

    def pooled(self, features: Tensor) -> Tensor:
        """The clip as planes, by weights in time: (B, 8, side²) -> (B, 8, side, side).

        A convolution in three dimensions that is as long as the clip is one in two whose
        planes are the frames.
        """
        return self.pool(torch.unflatten(features, 2, (self.side, self.side)))

    def losses(self, inputs: Sequence[Tensor], truth: Tensor, weight: Tensor | None) -> Tensor:
        """Cross-entropy, error of the drawn dynamic image, and rank loss, each by its weight."""
        frames, picture = inputs
        features = self.features(frames)
        pooled = self.pooled(features)
        drawn = self.drawing(pooled).sigmoid()
        return (
            label_loss(self.head(pooled), truth, weight)
            + self.picture_weight * mse_loss(drawn, stretched(picture))
            + self.rank_weight * rank_loss(self.scorer(features).squeeze(2))
        )


def standardised(frames: Tensor) -> Tensor:
    """Each clip with mean 0 and deviation 1, all its frames alike; a blank one 0.

    Light that is steady over the clip goes; change in time stays. A deviation below a grey
    level counts as one.
    """
    axes = tuple(range(1, frames.ndim))
    spread = frames.std(axes, correction=0, keepdim=True)
    return (frames - frames.mean(axes, keepdim=True)) / spread.clamp(min=1 / 255)


def stretched(pictures: Tensor) -> Tensor:
    """Each picture from 0 to 1, as the release draws them; a blank one 0."""
    low = pictures.amin((1, 2, 3), keepdim=True)
    return (pictures - low) / (pictures.amax((1, 2, 3), keepdim=True) - low).clamp(min=1e-6)


def rank_loss(scores: Tensor) -> Tensor:
    """How far frames are from their order in time: max(0, 1 − (s_later − s_earlier)).

    Parameters
    ----------
    scores : (B, T)

    Returns
    -------
    Scalar
        Mean over all pairs; 0 if each frame leads the one before by 1 or more, 1 if all are
        alike.
    """
    lead = scores[:, None, :] - scores[:, :, None]  # of the second index over the first
    count = scores.shape[1]
    earlier, later = torch.triu_indices(count, count, 1, device=scores.device)
    return (1 - lead[:, earlier, later]).relu().mean()


MODEL = Model(
    FDP,
    takes=(
        Input("eight", size=(64, 64), scale=(255.0,), planes=(PICTURE,)),
        Input("target", size=(64, 64), scale=(255.0,), planes=(PICTURE,)),
    ),
    recipe="fdp",
    fit=FitConfig(epochs=71, batch_size=36, learning_rate=1e-4, weight_decay=1e-3),
)
