"""SSSNet: one shallow stream over flow and strain, with dropout of whole filters.

As the MEB library has it: Varanka, Li, Peng and Zhao, "Data Leakage and Evaluation Issues in
Micro-Expression Analysis", IEEE TAFFC 2024, where it is the best of the small networks when
no epoch is chosen on the test subject. Its recipe there: Adam at 1e-4, weight decay 1e-3,
batches of 32, 200 epochs. Ours is the scale of the planes (theirs are stretched to [0, 1] clip
by clip, which loses the flow's sign and size), and that logits are never put through a softmax
before the loss, which that library can do.
"""

import torch
from torch import Tensor, nn

from train.config import FitConfig
from train.models.base import Input, Model
from train.planes import FLOW, STRAIN


class SSSNet(nn.Module):
    """Flow (B, 2, 64, 64) and strain (B, 1, 64, 64) float32 -> (B, classes) logits.

    Parameters
    ----------
    dropout : of whole filters after each pool, of single values in the hidden layer
    """

    def __init__(self, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, kernel_size=5),  # 60 x 60
            nn.ReLU(),
            nn.MaxPool2d(3),  # 20 x 20
            nn.BatchNorm2d(32),
            nn.Dropout2d(dropout),
            nn.Conv2d(32, 64, kernel_size=3),  # 18 x 18
            nn.ReLU(),
            nn.MaxPool2d(2),  # 9 x 9
            nn.BatchNorm2d(64),
            nn.Dropout2d(dropout),
            nn.Flatten(),
            nn.Linear(64 * 9 * 9, 256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, classes),
        )

    def forward(self, flow: Tensor, strain: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.layers(torch.cat([flow, strain], dim=1))


MODEL = Model(
    SSSNet,
    takes=(
        Input("flow", size=(64, 64), scale=(2.0, 2.0), per_width=True, planes=FLOW),
        Input("strain", size=(64, 64), scale=(0.05,), planes=STRAIN),
    ),
    recipe="flow",
    fit=FitConfig(epochs=200, batch_size=32, learning_rate=1e-4, weight_decay=1e-3),
)
