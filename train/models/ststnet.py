"""STSTNet: three shallow streams over flow and strain.

Liong et al., "Shallow triple stream three-dimensional CNN (STSTNet) for
micro-expression recognition", FG 2019. Padding, batch norm and dropout are those of
the authors' PyTorch port, which has 1,683 parameters at 3 classes; the paper's Matlab
network has none of the batch norms (1,670). They train with batches of 256 at a rate of
5e-5 for 500 to 800 epochs; how it is trained here is ours (`FitConfig`), and so are the
scales: a micro-expression moves skin by about 2 px on a face 224 px wide and strains it by
about 0.05.
"""

import torch
from torch import Tensor, nn

from train.models.base import Input, Model
from train.planes import FLOW, STRAIN


class STSTNet(nn.Module):
    """Flow (B, 2, 28, 28) and strain (B, 1, 28, 28) float32 -> (B, classes) logits.

    The streams, of 3, 5 and 8 filters, never mix before the head: they are one convolution of 16
    here, the same function. With the filters innermost in memory it trains faster on a CPU.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.streams = nn.Sequential(
            nn.Conv2d(3, 3 + 5 + 8, kernel_size=3, padding=2),  # 30 x 30
            nn.ReLU(),
            nn.BatchNorm2d(16),
            nn.MaxPool2d(kernel_size=3, stride=3, padding=1),  # 10 x 10
            nn.Dropout(0.5),
        )
        self.streams.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(16 * 5 * 5, classes)

    def forward(self, flow: Tensor, strain: Tensor) -> Tensor:
        """Logits of a batch."""
        x = self.streams(torch.cat([flow, strain], dim=1))  # (B, 16, 10, 10)
        x = self.pool(x)  # (B, 16, 5, 5)
        return self.head(x.flatten(1))


MODEL = Model(
    STSTNet,
    takes=(
        Input("flow", (28, 28), scale=(2.0,), per_width=True, planes=FLOW),
        Input("strain", (28, 28), scale=(0.05,), planes=STRAIN),
    ),
    recipe="flow",
)
