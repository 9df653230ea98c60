"""MMNet for a CPU: half the picture, an eighth of the width, one transformer block.

All of mmnet.py is there, at sizes of ours, which no paper has tried. So is the recipe of training.
"""

from dataclasses import replace
from functools import partial

from train.models.mmnet import MODEL as FULL
from train.models.mmnet import MMNet

MODEL = replace(
    FULL,
    build=partial(MMNet, size=112, stem=(16, 8), widths=(8, 16, 32, 64), depth=1),
    takes=tuple(replace(one, size=(112, 112)) for one in FULL.takes),
    fit=replace(
        FULL.fit,
        epochs=30,
        batch_size=16,
        learning_rate=5e-3,
        weight_decay=0.01,
        schedule="cosine",
        floor=0.0,
        augment=(),
    ),
)
