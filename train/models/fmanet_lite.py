"""FMANet-R a quarter as wide, on flows of 28 px, for a processor. All ours."""

from functools import partial

from train.config import FitConfig
from train.models.base import Input, Model
from train.models.fmanet import PX, FMANet

SIZE = (28, 28)  # px

MODEL = Model(
    partial(FMANet, stem=(8, 16), squeezed=4, trunk=(32,)),
    takes=(
        Input("rise_flow", size=SIZE, scale=PX, per_width=True),
        Input("fall_flow", size=SIZE, scale=PX, per_width=True),
    ),
    recipe="fmanet",
    fit=FitConfig(
        epochs=30,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=0.0,
        optimizer="adam",
        schedule="cosine",
    ),
)
