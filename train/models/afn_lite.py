"""AFN-R with streams of three convolutions on pictures of 56 px, for a processor. All ours."""

from dataclasses import replace
from functools import partial

from train.models.afn import AFN
from train.models.afn import MODEL as FULL

MODEL = replace(
    FULL,
    build=partial(AFN, widths=(16, 32, 64), hidden=32),
    pretrained=False,
    takes=tuple(replace(one, size=(56, 56)) for one in FULL.takes),
    fit=replace(FULL.fit, epochs=40, learning_rate=3e-3, augment=()),
)
