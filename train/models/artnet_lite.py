"""ARTNet, small enough for a CPU: 28 px, a quarter of the width, one layer. Sizes are ours."""

from dataclasses import replace
from functools import partial

from train.models.artnet import MODEL as FULL
from train.models.artnet import ARTNet

MODEL = replace(
    FULL,
    build=partial(ARTNet, widths=(8, 16, 32, 32), layers=1, heads=2, hidden=64),
    takes=tuple(replace(one, size=(28, 28)) for one in FULL.takes),
    fit=replace(FULL.fit, epochs=20, learning_rate=2e-3),
)
