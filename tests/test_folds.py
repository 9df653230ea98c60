import numpy as np
import pytest

from features import protocol
from features.console import MerError
from train.folds import Fold, check, folds, loso, validation

GROUP = np.array(["a/1", "a/1", "a/2", "b/1", "b/1"], object)
DIGEST = np.array(list("vwxyz"), object)
TRUTH = np.array([0, 1, 0, 1, 0])


def test_each_person_is_tested_once_and_trained_on_otherwise():
    made = folds(GROUP, TRUTH, DIGEST)
    assert [fold.name for fold in made] == ["a/1", "a/2", "b/1"]
    for fold in made:
        assert set(GROUP[fold.test]) == {fold.name}
        assert sorted([*fold.train, *fold.test]) == [0, 1, 2, 3, 4]


def test_subject_1_of_two_datasets_is_two_people():
    assert {"a/1", "b/1"} <= {fold.name for fold in folds(GROUP, TRUTH, DIGEST)}


def test_a_subject_on_both_sides_is_refused():
    leak = Fold("a/1", train=np.array([1, 2, 3, 4]), test=np.array([0]))
    with pytest.raises(MerError, match="subject a/1 is trained on and tested") as refusal:
        check([leak], GROUP, DIGEST)
    assert refusal.value.exit_code == 4


def test_one_clip_under_two_subjects_is_refused():
    twice = np.array(list("vwvyz"), object)  # the first of a/1 is also a/2's
    with pytest.raises(MerError, match="first one under a/1 and a/2") as refusal:
        folds(GROUP, TRUTH, twice)
    assert refusal.value.exit_code == 4


def test_one_clip_twice_under_one_subject_leaks_nothing():
    assert len(folds(GROUP, TRUTH, np.array(list("vvxyz"), object))) == 3


def annotated(rule, people=3):
    """Two samples a class and person of every dataset of a protocol, and what it does not take."""
    parts = rule.parts or {"casme2": None, "samm": None}
    for dataset, part in parts.items():
        labels = part.classes if part else ("anger", "disgust")
        for subject in range(people):
            for label in [*labels, "no such label"]:
                for take in range(2):
                    yield dataset, f"{subject}", label, f"{dataset}-{subject}-{label}-{take}"


def taken(rule):
    """Person and digest of each sample that a protocol takes."""
    group, digest = [], []
    for dataset, subject, label, sample_id in annotated(rule):
        if rule.label(dataset, sample_id, label, label):
            group.append(f"{dataset}/{subject}")
            digest.append(sample_id)
    return np.array(group, object), np.array(digest, object)


RULES = [name for name in protocol.names() if not protocol.load(name).several_labels]


@pytest.mark.parametrize("name", RULES)
def test_no_fold_of_a_protocol_shares_a_person_or_a_clip(name):
    group, digest = taken(protocol.load(name))
    made = folds(group, np.arange(len(group)) % 2, digest)
    assert {fold.name for fold in made} == set(group)
    assert len(made) == 3 * len({person.partition("/")[0] for person in group})
    for fold in made:
        assert not set(group[fold.train]) & set(group[fold.test])
        assert not set(digest[fold.train]) & set(digest[fold.test])
        assert len(fold.train) + len(fold.test) == len(group)


@pytest.mark.parametrize("name", RULES)
def test_a_clip_planted_under_a_second_person_is_found_in_every_protocol(name):
    group, digest = taken(protocol.load(name))
    other = np.flatnonzero(group != group[0])[-1]
    digest[other] = digest[0]
    with pytest.raises(MerError, match="1 clips are trained on and tested") as refusal:
        folds(group, np.arange(len(group)) % 2, digest)
    assert group[0] in refusal.value.cause
    assert group[other] in refusal.value.cause


def test_a_dataset_is_left_out_whole():
    made = folds(GROUP, TRUTH, DIGEST, "dataset")
    assert [(fold.name, list(fold.test)) for fold in made] == [("a", [0, 1, 2]), ("b", [3, 4])]
    with pytest.raises(MerError, match="of one dataset, a: none can be left out"):
        folds(GROUP[:3], TRUTH[:3], DIGEST[:3], "dataset")


def test_k_folds_hold_each_person_once_and_are_the_same_every_time():
    group = np.repeat([f"d/{n}" for n in range(11)], 4).astype(object)
    truth, digest = np.arange(44) % 3, np.array([str(n) for n in range(44)], object)
    made = folds(group, truth, digest, "5-fold")
    assert [fold.name for fold in made] == ["fold1", "fold2", "fold3", "fold4", "fold5"]
    assert sorted(np.concatenate([fold.test for fold in made])) == list(range(44))
    for fold in made:
        assert not set(group[fold.train]) & set(group[fold.test])
    again = folds(group, truth, digest, "5-fold")
    assert all(np.array_equal(a.test, b.test) for a, b in zip(made, again, strict=True))


def test_validation_people_are_trained_on_by_the_fold_and_by_nobody_else():
    group = np.repeat([f"d/{n}" for n in range(8)], 6).astype(object)
    truth = np.tile(np.arange(3), 16)
    for fold in loso(group):
        inner = validation(fold, group, truth, 4)
        held, kept = set(group[inner.test]), set(group[inner.train])
        assert held
        assert not held & kept
        assert held | kept == set(group[fold.train])
        assert sorted([*inner.train, *inner.test]) == list(fold.train)
        assert set(truth[inner.test]) == {0, 1, 2}
        again = validation(fold, group, truth, 4)
        assert np.array_equal(inner.test, again.test)


def test_validation_people_of_several_labels_are_alike_in_the_rarest():
    group = np.repeat([f"d/{n}" for n in range(8)], 6).astype(object)
    truth = np.tile([[1, 0], [0, 0], [0, 1]], (16, 1))
    for fold in loso(group):
        inner = validation(fold, group, truth, 4)
        assert not set(group[inner.train]) & set(group[inner.test])
        assert truth[inner.test].any(0).all()


def test_validation_on_more_parts_than_people_is_refused():
    group = np.repeat(["d/1", "d/2", "d/3"], 4).astype(object)
    fold = loso(group)[0]
    with pytest.raises(MerError, match="fold d/1 trains on 2 subjects") as refusal:
        validation(fold, group, np.tile([0, 1], 6), 3)
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("split", ["1-fold", "4-fold", "lodo", "-fold", "5-fold-1"])
def test_a_split_that_is_none_is_a_mistake_of_usage(split):
    with pytest.raises(MerError) as refused:
        folds(GROUP, TRUTH, DIGEST, split)
    assert refused.value.exit_code == 2
