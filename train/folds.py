"""Who is tested when: a rule that turns samples into folds, and the check that none leaks."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold

from features.base import Array
from features.console import INTEGRITY, USAGE, MerError, nearest

LOSO = "loso"


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


def leave_one_dataset_out(group: Array) -> list[Fold]:
    """Train on all datasets but one, test on that one (MEGC's holdout-database evaluation)."""
    datasets = np.array([name.partition("/")[0] for name in group], object)
    if len(set(datasets)) < 2:
        raise MerError(
            f"the samples are of one dataset, {datasets[0]}: none can be left out",
            "train on a store of several datasets, or take another --split",
            USAGE,
        )
    splits = LeaveOneGroupOut().split(np.zeros(len(group)), groups=datasets)
    return [Fold(str(datasets[test[0]]), train, test) for train, test in splits]


def k_fold(group: Array, truth: Array, k: int) -> list[Fold]:
    """Split the people into k parts, alike in classes; the same every time, whatever the seed.

    Of several labels, alike in the rarest unit that a sample shows.
    """
    people = len(set(group))
    if not 2 <= k <= people:
        raise MerError(f"{k} folds of {people} subjects", f"take 2 to {people}", USAGE)
    splits = people_apart(group, truth, k)
    return [Fold(f"fold{n}", train, test) for n, (train, test) in enumerate(splits, start=1)]


def people_apart(group: Array, truth: Array, k: int) -> Iterator[tuple[Array, Array]]:
    """Rows to train on and to test on, k times."""
    splitter = StratifiedGroupKFold(k, shuffle=True, random_state=0)
    strata = truth if truth.ndim == 1 else rarest(truth, k)
    return splitter.split(np.zeros(len(group)), strata, group)


def rarest(truth: Array, k: int) -> Array:
    """Find the unit of each sample that the fewest others show, (N, C) -> (N,).

    C for none, and for a unit that is the rarest of fewer than k samples: they cannot be spread.
    """
    samples, units = truth.shape
    seen = np.where(truth == 1, truth.sum(0), samples + 1)
    found = np.where(truth.any(1), seen.argmin(1), units)
    few = np.bincount(found, minlength=units + 1) < k
    return np.where(few[found], units, found)


def folds(group: Array, truth: Array, digest: Array, split: str = LOSO) -> list[Fold]:
    """Make the folds that a split names, and see to it that none leaks.

    Parameters
    ----------
    group : (N,) str, the person of each sample, ``dataset/subject``
    truth : (N,) int64, the class of each sample; or (N, C) of 0 and 1, the units that it shows
    digest : (N,) str, the store's digest of each sample's arrays
    split : ``loso``, ``dataset`` (leave one out), or ``5-fold`` and its kin

    Raises
    ------
    MerError
        If a person or a clip would be on both sides; exit code 2 if there is no such split.
    """
    if split == LOSO:
        made = loso(group)
    elif split == "dataset":
        made = leave_one_dataset_out(group)
    elif match := re.fullmatch(r"(\d+)-fold", split):
        made = k_fold(group, truth, int(match[1]))
    else:
        cause = f"no split {split!r}{nearest(split, (LOSO, 'dataset', '5-fold'))}"
        raise MerError(cause, "known: loso, dataset, or 5-fold and its kin", USAGE)
    check(made, group, digest)
    return made


def validation(fold: Fold, group: Array, truth: Array, parts: int) -> Fold:
    """Split the training part of a fold once more, by people: to choose the epoch on.

    Parameters
    ----------
    parts : one of so many, alike in classes, is held out; the same one whatever the seed

    Raises
    ------
    MerError
        Exit code 2: the fold trains on fewer people than that.
    """
    people = len(set(group[fold.train]))
    if people < parts:
        raise MerError(
            f"fold {fold.name} trains on {people} subjects: one in {parts} cannot be held out",
            f"give --validation at most {people}, or 0 for none",
            USAGE,
        )
    kept, held = next(people_apart(group[fold.train], truth[fold.train], parts))
    return Fold(f"{fold.name}, validation", fold.train[kept], fold.train[held])


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
