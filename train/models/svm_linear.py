"""A linear support vector machine on resized flow: what every network has to beat.

What is fixed is told in `svm.py`. Flow is standardised there, so that its scale here only says
what is clamped as a failed flow.
"""

from functools import partial

from train.config import FitConfig
from train.models.base import Input, Model
from train.models.svm import SVM

MODEL = Model(
    partial(SVM, kernel="linear"),
    takes=(Input("flow", (28, 28), scale=(2.0,), per_width=True),),
    recipe="flow",
    fit=FitConfig(epochs=1),
    solved=True,
)
