"""STSTNet as its authors' port writes it, three streams one after another: what is compared with.

`train/models/ststnet.py` is the same function in one convolution; a test has both side by side.
"""

import torch
from torch import Tensor, nn

from train.models.ststnet import STSTNet

WIDTHS = (3, 5, 8)


def stream(width: int) -> nn.Sequential:
    """(B, 3, 28, 28) -> (B, width, 10, 10)."""
    return nn.Sequential(
        nn.Conv2d(3, width, kernel_size=3, padding=2),
        nn.ReLU(),
        nn.BatchNorm2d(width),
        nn.MaxPool2d(kernel_size=3, stride=3, padding=1),
        nn.Dropout(0.5),
    )


class ThreeStreams(nn.Module):
    """Flow (B, 2, 28, 28) and strain (B, 1, 28, 28) float32 -> (B, classes) logits."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.streams = nn.ModuleList(stream(width) for width in WIDTHS)
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(16 * 5 * 5, classes)

    def forward(self, flow: Tensor, strain: Tensor) -> Tensor:
        """Logits of a batch."""
        x = torch.cat([flow, strain], dim=1)
        x = torch.cat([stream(x) for stream in self.streams], dim=1)
        return self.head(self.pool(x).flatten(1))

    def take(self, one: STSTNet) -> None:
        """Begin with the weights of the network in one convolution."""
        self.head.load_state_dict(one.head.state_dict())
        for layer in (0, 2):
            shares = {name: value.split(WIDTHS) if value.ndim else [value] * len(WIDTHS)
                      for name, value in one.streams[layer].state_dict().items()}  # fmt: skip
            for number, mine in enumerate(self.streams):
                mine[layer].load_state_dict({name: part[number] for name, part in shares.items()})
