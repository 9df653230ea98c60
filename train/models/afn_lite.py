"""AFN-R with streams of three convolutions on pictures of 56 px, for a processor. All ours."""

from functools import partial

from train.config import FitConfig
from train.models.afn import AFN, GREY_LEVELS
from train.models.base import Input, Model

SIZE = (56, 56)  # px

MODEL = Model(
    partial(AFN, widths=(16, 32, 64), hidden=32),
    takes=(
        Input("trdi", size=SIZE, scale=GREY_LEVELS),
        Input("midi", size=SIZE, scale=GREY_LEVELS),
    ),
    recipe="afn",
    fit=FitConfig(
        epochs=30,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=0.05,
        optimizer="adamw",
        schedule="cosine",
    ),
)
