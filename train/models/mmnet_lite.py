"""MMNet for a CPU: half the picture, an eighth of the width, one transformer block.

All of mmnet.py is there, at sizes of ours, which no paper has tried. So is the recipe of training.
"""

from functools import partial

from train.config import FitConfig
from train.models.base import Input, Model
from train.models.mmnet import MMNet

MODEL = Model(
    partial(MMNet, size=112, stem=(16, 8), widths=(8, 16, 32, 64), depth=1),
    takes=(Input("frames", size=(112, 112), scale=(255.0,)),),
    recipe="mmnet",
    fit=FitConfig(
        epochs=20,
        batch_size=32,
        learning_rate=2e-3,
        weight_decay=0.1,
        optimizer="adamw",
        schedule="cosine",
    ),
)
