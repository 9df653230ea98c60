"""RCN-W: three streams that look 1, 2 and 3 px apart, then RCN-A's convolution, and no map.

Xia et al., IEEE TIP 29, 2020, as in `rcn_a`, whose recipe and input it shares. After the authors'
code.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d

from train.models.base import Model
from train.models.rcn_a import MODEL as RCN_A
from train.models.rcn_a import Recurrent, initialise


def stream(maps: int, apart: int, dropout: float) -> nn.Sequential:
    """(B, 3, 60, 60) -> (B, maps, 20, 20), each value of 3 x 3 pixels so many px apart."""
    return nn.Sequential(
        nn.Conv2d(3, maps, kernel_size=3, stride=3, padding=apart, dilation=apart),
        nn.ReLU(),
        nn.BatchNorm2d(maps),
        nn.Dropout(dropout),
    )


class RCNW(nn.Module):
    """Flow (B, 2, 60, 60) and strain (B, 1, 60, 60) float32 -> (B, classes) logits.

    Parameters
    ----------
    maps : half of them from the first stream, a quarter from each other
    pool : the face is P x P cells for the classifier
    dropout : after each stream and after pooling
    """

    def __init__(self, classes: int, maps: int = 32, pool: int = 5, dropout: float = 0.5) -> None:
        super().__init__()
        self.pool = pool
        shares = ((maps // 2, 1), (maps // 4, 2), (maps // 4, 3))
        self.streams = nn.ModuleList(stream(share, apart, dropout) for share, apart in shares)
        self.recurrent = Recurrent(maps)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(maps * pool * pool, classes)
        initialise(self, self.head)

    def forward(self, flow: Tensor, strain: Tensor) -> Tensor:
        """Logits of a batch."""
        planes = torch.cat([flow, strain], dim=1)
        x = torch.cat([stream(planes) for stream in self.streams], dim=1)  # (B, maps, 20, 20)
        x = self.dropout(max_pool2d(self.recurrent(x), 2))  # 10 x 10
        return self.head(adaptive_avg_pool2d(x, self.pool).flatten(1))


MODEL = Model(RCNW, takes=RCN_A.takes, recipe=RCN_A.recipe, fit=RCN_A.fit)
