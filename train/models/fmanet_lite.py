"""FMANet-R a quarter as wide, on flows of 28 px, for a processor. All ours."""

from dataclasses import replace
from functools import partial

from train.models.fmanet import MODEL as FULL
from train.models.fmanet import FMANet

MODEL = replace(
    FULL,
    build=partial(FMANet, stem=(8, 16), squeezed=4, trunk=(32,)),
    takes=tuple(replace(one, size=(28, 28)) for one in FULL.takes),
    fit=replace(FULL.fit, epochs=30),
)
