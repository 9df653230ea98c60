"""FDP for a CPU: a sixth of the width, four blocks of each kind, a small drawing branch.

All of fdp.py is there, at sizes of ours, which no paper has tried. So are the recipe of training
and the weights of the losses, and the clip's mean frame is subtracted: at this size the encoder
else sees who it is, and not what moves.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from train.config import FitConfig
from train.models.base import Input, Model
from train.models.fdp import FDP, step
from train.planes import PICTURE


class UNet(nn.Module):
    """Draw a picture: (B, planes, H, W) -> (B, 1, H, W) logits; H and W multiples of 4.

    Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015, at three levels of 8, 16 and 32 planes.
    """

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.down = nn.ModuleList([step((planes, 8)), step((8, 16)), step((16, 32))])
        self.up = nn.ModuleList([step((32 + 16, 16)), step((16 + 8, 8))])
        self.last = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures of a batch."""
        fine = self.down[0](x)  # (B, 8, H, W)
        middle = self.down[1](max_pool2d(fine, 2))  # (B, 16, H / 2, W / 2)
        x = self.down[2](max_pool2d(middle, 2))  # (B, 32, H / 4, W / 4)
        for layer, twin in zip(self.up, (middle, fine), strict=True):
            x = layer(torch.cat([interpolate(x, scale_factor=2.0), twin], dim=1))
        return self.last(x)


MODEL = Model(
    partial(
        FDP,
        stem_widths=(8, 8, 8, 16),
        depths=(1, 1, 1, 1),
        local_widths=(16, 32, 64, 128),
        global_widths=(16, 32, 64, 128),
        head_width=4,
        side=16,
        drawing=UNet,
        picture_weight=1.0,
        rank_weight=0.01,
        still=False,
    ),
    takes=(
        Input("eight", size=(32, 32), scale=(255.0,), planes=(PICTURE,)),
        Input("target", size=(16, 16), scale=(255.0,), planes=(PICTURE,)),
    ),
    recipe="fdp",
    fit=FitConfig(
        epochs=20,
        batch_size=16,
        learning_rate=2e-3,
        weight_decay=1e-4,
        optimizer="adam",
        schedule="cosine",
    ),
)
