"""Who is tested when: a rule that turns samples into folds, and the check that none leaks."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import LeaveOneGroupOut

from features.base import Array
from features.console import INTEGRITY, MerError


@dataclass(frozen=True, slots=True)
class Fold:
    """Train on some rows, test on others.

    Parameters
    ----------
    name : who is tested
    train, test : (n,) int64, rows of the examples, ascending
    """

    name: str
    train: Array
    test: Array


def loso(group: Array) -> list[Fold]:
    """Leave one subject out: each person, a (dataset, subject) pair, is tested once."""
    splits = LeaveOneGroupOut().split(np.zeros(len(group)), groups=group)
    return [Fold(str(group[test[0]]), train, test) for train, test in splits]


def folds(group: Array, digest: Array) -> list[Fold]:
    """Make the folds of a protocol: all of ours leave one subject out.

    Parameters
    ----------
    group : (N,) str, the person of each sample
    digest : (N,) str, the store's digest of each sample's arrays

    Raises
    ------
    MerError
        If a person or a clip would be on both sides.
    """
    made = loso(group)
    check(made, group, digest)
    return made


def check(folds: Iterable[Fold], group: Array, digest: Array) -> None:
    """Refuse folds that leak.

    Raises
    ------
    MerError
        Exit code 4: a fold trains on a subject it tests, or on the same clip under
        another subject's name (equal digests: the same arrays to the last bit).
    """
    for fold in folds:
        if both := shared(group, fold):
            raise MerError(
                f"fold {fold.name}: subject {both[0]} is trained on and tested",
                "this protocol leaks; use one that splits by (dataset, subject)",
                INTEGRITY,
            )
        if both := shared(digest, fold):
            people = sorted(set(group[digest == both[0]]))
            raise MerError(
                f"fold {fold.name}: {len(both)} clips are trained on and tested, "
                f"first one under {' and '.join(people)}",
                "the same clip bears two subjects' names: correct the manifest and make the "
                "store again",
                INTEGRITY,
            )


def shared(column: Array, fold: Fold) -> list[str]:
    """Values of a column that stand on both sides of a fold, sorted."""
    return sorted(set(column[fold.train]) & set(column[fold.test]))
