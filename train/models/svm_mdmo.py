"""A linear support vector machine on MDMO, the main direction of motion of each cell.

What is fixed is told in `svm.py`.
"""

from functools import partial

from train.config import FitConfig
from train.models.base import Input, Model
from train.models.svm import SVM

MODEL = Model(
    partial(SVM, kernel="linear"),
    takes=(Input("mdmo", clamp=None),),
    recipe="classical",
    fit=FitConfig(epochs=1),
    solved=True,
)
