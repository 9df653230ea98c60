import numpy as np
import pytest

from features.console import MerError
from train.folds import Fold, check, folds

GROUP = np.array(["a/1", "a/1", "a/2", "b/1", "b/1"], object)
DIGEST = np.array(list("vwxyz"), object)


def test_each_person_is_tested_once_and_trained_on_otherwise():
    made = folds(GROUP, DIGEST)
    assert [fold.name for fold in made] == ["a/1", "a/2", "b/1"]
    for fold in made:
        assert set(GROUP[fold.test]) == {fold.name}
        assert sorted([*fold.train, *fold.test]) == [0, 1, 2, 3, 4]


def test_subject_1_of_two_datasets_is_two_people():
    assert {"a/1", "b/1"} <= {fold.name for fold in folds(GROUP, DIGEST)}


def test_a_subject_on_both_sides_is_refused():
    leak = Fold("a/1", train=np.array([1, 2, 3, 4]), test=np.array([0]))
    with pytest.raises(MerError, match="subject a/1 is trained on and tested") as refusal:
        check([leak], GROUP, DIGEST)
    assert refusal.value.exit_code == 4


def test_one_clip_under_two_subjects_is_refused():
    twice = np.array(list("vwvyz"), object)  # the first of a/1 is also a/2's
    with pytest.raises(MerError, match="first one under a/1 and a/2") as refusal:
        folds(GROUP, twice)
    assert refusal.value.exit_code == 4


def test_one_clip_twice_under_one_subject_leaks_nothing():
    assert len(folds(GROUP, np.array(list("vvxyz"), object))) == 3
