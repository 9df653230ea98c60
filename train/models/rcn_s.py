"""RCN-S: RCN-A's convolution with every earlier result beside it, and no map.

Xia et al., IEEE TIP 29, 2020, as in `rcn_a`, whose recipe and input it shares. After the authors'
code, except for a second 3 x 3 convolution that they make and never use.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d

from train.models.base import Model
from train.models.rcn_a import MODEL as RCN_A
from train.models.rcn_a import block, initialise


class Shortcuts(nn.Module):
    """One 3 x 3 convolution, applied three times: (B, maps, H, W) -> the same."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.first = block(maps, maps, kernel=1, padding=0)
        self.again = block(maps, maps, kernel=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Each time it sees the sum of all that was before."""
        x = x + self.first(x)
        x = x + self.again(x)
        x = x + self.again(x)
        return self.again(x)


class RCNS(nn.Module):
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
        self.shortcuts = Shortcuts(maps)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(maps * pool * pool, classes)
        initialise(self, self.head)

    def forward(self, flow: Tensor, strain: Tensor) -> Tensor:
        """Logits of a batch."""
        x = self.stem(torch.cat([flow, strain], dim=1))  # (B, maps, 56, 56)
        x = self.dropout(max_pool2d(x, 2))  # 28 x 28
        x = self.dropout(max_pool2d(self.shortcuts(x), 2))  # 14 x 14
        return self.head(adaptive_avg_pool2d(x, self.pool).flatten(1))


MODEL = Model(RCNS, takes=RCN_A.takes, recipe=RCN_A.recipe, fit=RCN_A.fit)
