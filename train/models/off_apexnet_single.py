"""OFF-ApexNet in one stream: the small form that the MEB library measures with.

Varanka, Li, Peng and Zhao, "Data Leakage and Evaluation Issues in Micro-Expression Analysis",
IEEE TAFFC 2024. u and v enter together, filters are 3 x 3, there is one hidden layer, dropout
stands before each linear map. Its recipe there: Adam at 1e-4, weight decay 1e-3, batches of
32, 3,000 epochs. Ours is the scale of the flow: theirs is stretched to [0, 1] clip by clip,
which loses its sign and its size.
"""

from torch import Tensor, nn

from train.config import FitConfig
from train.models.base import Input, Model
from train.planes import FLOW


class OffApexNetSingle(nn.Module):
    """Flow (B, 2, 28, 28) float32 -> (B, classes) logits.

    Parameters
    ----------
    dropout : before each linear map
    """

    def __init__(self, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, 6, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),  # 14 x 14
            nn.Conv2d(6, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),  # 7 x 7
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(784, 1024),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(1024, classes),
        )

    def forward(self, flow: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.layers(flow)


MODEL = Model(
    OffApexNetSingle,
    takes=(Input("flow", size=(28, 28), scale=(2.0, 2.0), per_width=True, planes=FLOW),),
    recipe="flow",
    fit=FitConfig(epochs=3000, batch_size=32, learning_rate=1e-4, weight_decay=1e-3),
)
