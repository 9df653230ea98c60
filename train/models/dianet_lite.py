"""DIANet-R with streams of three convolutions on pictures of 56 px, for a processor. All ours."""

from functools import partial

from train.config import FitConfig
from train.models.base import Input, Model
from train.models.dianet import GREY_LEVELS, DIANet

SIZE = (56, 56)  # px

MODEL = Model(
    partial(DIANet, widths=(16, 32, 64), dim=32, heads=2, hidden=64),
    takes=(
        Input("rise_image", size=SIZE, scale=GREY_LEVELS),
        Input("fall_image", size=SIZE, scale=GREY_LEVELS),
    ),
    recipe="dianet",
    fit=FitConfig(
        epochs=30,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=0.05,
        optimizer="adamw",
        schedule="cosine",
    ),
)
