"""OFF-ApexNet: two small convolutional streams, one for u and one for v.

Gan, Liong, Yau, Huang and Tan, "OFF-ApexNet on micro-expression recognition system", Signal
Processing: Image Communication 74, 2019. Theirs: the two streams, 28 px, 5 x 5 filters, 6 and
16 of them, two hidden layers of 1024, dropout 0.5, Adam at 1e-4, 3,000 epochs. Ours, where the
paper is silent: the dropout follows each hidden layer, batches of 32, no weight decay, and
flow of merkit's own scale in place of 8-bit pictures. The paper counts 2.77 million
parameters; these layers have 2,664,475.
"""

import torch
from torch import Tensor, nn

from train.config import FitConfig
from train.models.base import Input, Model
from train.planes import FLOW


def stream() -> nn.Sequential:
    """(B, 1, 28, 28) -> (B, 784)."""
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 14 x 14
        nn.Conv2d(6, 16, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 7 x 7
        nn.Flatten(),
    )


class OffApexNet(nn.Module):
    """Flow (B, 2, 28, 28) float32 -> (B, classes) logits.

    Parameters
    ----------
    dropout : after each hidden layer
    """

    def __init__(self, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.streams = nn.ModuleList((stream(), stream()))  # u, v
        self.head = nn.Sequential(
            nn.Linear(2 * 784, 1024),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(1024, 1024),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(1024, classes),
        )

    def forward(self, flow: Tensor) -> Tensor:
        """Logits of a batch."""
        planes = (flow[:, :1], flow[:, 1:])  # u and v, (B, 1, 28, 28) each
        found = [stream(plane) for stream, plane in zip(self.streams, planes, strict=True)]
        return self.head(torch.cat(found, dim=1))


MODEL = Model(
    OffApexNet,
    takes=(Input("flow", size=(28, 28), scale=(2.0, 2.0), per_width=True, planes=FLOW),),
    recipe="flow",
    fit=FitConfig(epochs=3000, batch_size=32, learning_rate=1e-4),
)
