"""`phase_image_lite` without phases: one picture of the whole clip, in training and after. Ours."""

from dataclasses import replace
from functools import partial

from train.models.phase_image import PhaseImage
from train.models.phase_image_lite import MODEL as LITE

MODEL = replace(LITE, build=partial(PhaseImage, widths=(16, 32, 64), phases=False))
