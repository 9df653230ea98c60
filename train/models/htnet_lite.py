"""HTNet, small enough for a CPU: a sixteenth of the width, four layers. Sizes and recipe ours."""

from functools import partial

from train.config import FitConfig
from train.models.base import Model
from train.models.htnet import MODEL as HTNET
from train.models.htnet import HTNet

MODEL = Model(
    partial(HTNet, dims=(16, 32, 64), heads=(2, 4, 8), depths=(1, 1, 2), dropout=0.1),
    takes=HTNET.takes,
    recipe=HTNET.recipe,
    fit=FitConfig(
        epochs=60,
        batch_size=32,
        learning_rate=3e-3,
        weight_decay=0.05,
        optimizer="adamw",
        schedule="cosine",
    ),
)
