"""DIANet-R with streams of three convolutions on pictures of 56 px, for a processor. All ours."""

from dataclasses import replace
from functools import partial

from train.models.dianet import MODEL as FULL
from train.models.dianet import DIANet

MODEL = replace(
    FULL,
    build=partial(DIANet, widths=(16, 32, 64), dim=32, heads=2, hidden=64),
    pretrained=False,
    takes=tuple(replace(one, size=(56, 56)) for one in FULL.takes),
    fit=replace(FULL.fit, epochs=40, learning_rate=3e-3, augment=()),
)
