"""A linear support vector machine on HOOF, the histograms of oriented flow.

Each histogram sums to 1 as it is stored, and is not normalised again. What is fixed is told in
`svm.py`.
"""

from functools import partial

from train.config import FitConfig
from train.models.base import Input, Model
from train.models.svm import SVM

MODEL = Model(
    partial(SVM, kernel="linear"),
    takes=(Input("hoof", clamp=None),),
    recipe="classical",
    fit=FitConfig(epochs=1),
    solved=True,
)
