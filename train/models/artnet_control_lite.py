"""`artnet_control` at the sizes of `artnet_lite`, whose control it is. Ours."""

from dataclasses import replace
from functools import partial

from train.models.artnet_control import ARTNetControl
from train.models.artnet_lite import MODEL as LITE

MODEL = replace(
    LITE, build=partial(ARTNetControl, widths=(8, 16, 32, 32), layers=1, heads=2, hidden=64)
)
