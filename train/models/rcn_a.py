"""RCN-A: a convolution used twice over, and a map of the face that costs no parameter.

Xia, Peng, Khor, Feng and Zhao, "Revealing the invisible with model and data shrinking for
composite-database micro-expression recognition", IEEE TIP 29, 2020. After the authors' code:
32 maps pooled to 5 x 5 are those of its read-me (its defaults are 64 and 7), 60 px is the size
that others use with it. The recipe is theirs: SGD at 5e-4 with momentum 0.9, batches of 64, 100
epochs, the rate halved every 10 epochs.

Ours: no bias before a batch norm, which would subtract it again (three times `maps`
parameters fewer), and a map without any spread is 0 where theirs divides by zero.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d

from train.config import FitConfig
from train.models.base import Input, Model
from train.planes import FLOW, STRAIN


def block(planes: int, maps: int, kernel: int, padding: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU: (B, planes, H, W) -> (B, maps, H', W')."""
    return nn.Sequential(
        nn.Conv2d(planes, maps, kernel, padding=padding, bias=False),
        nn.BatchNorm2d(maps),
        nn.ReLU(),
    )


class Recurrent(nn.Module):
    """One 3 x 3 convolution, applied twice: (B, maps, H, W) -> the same."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.first = block(maps, maps, kernel=1, padding=0)
        self.again = block(maps, maps, kernel=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Its output comes back to it once, beside what came in."""
        y = self.first(x)
        y = self.again(x + y)
        return self.again(x + y)


def activation_map(features: Tensor, weight: Tensor) -> Tensor:
    """Where in the face the classifier looks, over all classes.

    Parameters
    ----------
    features : (B, maps, P, P)
    weight : (classes, maps * P * P), the classifier's

    Returns
    -------
    (B, 1, P, P) within [0, 1]
        The mean of the classes' maps, each stretched to [0, 1]; 0 where one has no spread.
    """
    weights = torch.unflatten(weight, 1, features.shape[1:])  # (classes, maps, P, P)
    seen = torch.einsum("bmyx,kmyx->bkyx", features, weights)
    low = seen.amin((2, 3), keepdim=True)
    spread = seen.amax((2, 3), keepdim=True) - low
    stretched = (seen - low) / torch.where(spread > 0, spread, 1.0)
    return stretched.mean(1, keepdim=True)


def initialise(network: nn.Module, head: nn.Linear) -> None:
    """Give a network of this family the authors' first weights."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)


class RCNA(nn.Module):
    """Flow (B, 2, 60, 60) and strain (B, 1, 60, 60) float32 -> (B, classes) logits.

    Parameters
    ----------
    maps : of each convolution
    pool : the face is P x P cells for the classifier
    dropout : after each pooling
    """

    def __init__(self, classes: int, maps: int = 32, pool: int = 5, dropout: float = 0.5) -> None:
        super().__init__()
        self.pool = pool
        self.stem = block(3, maps, kernel=5, padding=0)
        self.recurrent = Recurrent(maps)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(maps * pool * pool, classes)
        initialise(self, self.head)

    def forward(self, flow: Tensor, strain: Tensor) -> Tensor:
        """Logits of a batch."""
        x = self.stem(torch.cat([flow, strain], dim=1))  # (B, maps, 56, 56)
        x = self.dropout(max_pool2d(x, 2))  # 28 x 28
        look = activation_map(adaptive_avg_pool2d(x, self.pool), self.head.weight)  # (B, 1, P, P)
        x = self.dropout(max_pool2d(self.recurrent(x), 2))  # 14 x 14
        x = adaptive_avg_pool2d(x, self.pool) * look  # (B, maps, P, P)
        return self.head(x.flatten(1))


MODEL = Model(
    RCNA,
    takes=(
        Input("flow", size=(60, 60), scale=(2.0, 2.0), per_width=True, planes=FLOW),
        Input("strain", size=(60, 60), scale=(0.05,), planes=STRAIN),
    ),
    recipe="flow",
    fit=FitConfig(epochs=100, batch_size=64, learning_rate=5e-4, optimizer="sgd", schedule="steps"),
)
