"""ARTNet, small enough for a CPU: 28 px, a quarter of the width, one layer. Sizes are ours."""

from dataclasses import replace
from functools import partial

from train.models.artnet import MODEL as ARTNET
from train.models.artnet import ARTNet
from train.models.base import Input, Model

MODEL = Model(
    partial(ARTNet, widths=(8, 16, 32, 32), layers=1, heads=2, hidden=64),
    takes=(Input("tokens", size=(28, 28), clamp=None),),
    recipe=ARTNET.recipe,
    fit=replace(ARTNET.fit, epochs=30, learning_rate=2e-3),
)
