"""Stores as PyTorch's loaders want them."""

import pickle
import shutil
import warnings

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from features.console import MerError
from features.protocol import load as load_protocol
from features.store import Store
from tests.tiny_store import EMOTIONS, SIDE, row, rows, tiny_store
from tests.tiny_units import unit_store
from train.data import read
from train.dataset import FeatureDataset, fold_names
from train.folds import folds
from train.models.base import load


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    samples = [*rows(), row("unlabelled", "s0", "")]
    return tiny_store(tmp_path_factory.mktemp("store") / "tiny.h5", samples)


def stored(path, name, sample_id):
    with Store(path) as opened:
        number = list(opened.index["sample_id"]).index(sample_id)
        return torch.from_numpy(opened.read(name, number))


def own_copy(store, folder):
    return shutil.copy(store, folder / "copy.h5")


def test_a_sample_is_its_array_as_stored_its_label_and_its_name(store):
    dataset = FeatureDataset([store], ["flow"], fold="tiny/s1", train=False)
    inputs, label, sample_id = dataset[4]
    assert (inputs.shape, inputs.dtype) == ((2, SIDE, SIDE), torch.float32)
    assert torch.equal(inputs, stored(store, "flow", sample_id).float())
    assert type(label) is int
    assert dataset.classes == EMOTIONS
    assert EMOTIONS[label] in sample_id


def test_several_features_come_as_a_tuple_in_the_order_asked_for(store):
    dataset = FeatureDataset([store], ["strain", "flow"], fold="tiny/s0")
    (strain, flow), _, sample_id = dataset[0]
    assert torch.equal(strain, stored(store, "strain", sample_id).float())
    assert torch.equal(flow, stored(store, "flow", sample_id).float())


def test_the_folds_are_those_of_mer_train(store):
    examples = read([store], load("ststnet"), load_protocol("loso"))
    made = folds(examples.group, examples.truth, examples.digest)
    assert fold_names([store]) == [fold.name for fold in made]
    for fold in made:
        for train, chosen in ((True, fold.train), (False, fold.test)):
            dataset = FeatureDataset([store], ["flow"], fold=fold.name, train=train)
            assert list(dataset.sample_id) == list(examples.sample_id[chosen])
            assert list(dataset.label) == list(examples.truth[chosen])


def test_a_protocol_may_leave_out_a_dataset_and_give_a_sample_several_labels(tmp_path):
    store = unit_store(tmp_path / "units.h5")
    assert fold_names([store], "cd6me") == ["casme2", "mmew", "samm"]
    dataset = FeatureDataset([store], ["flow"], protocol="cd6me", fold="mmew", train=False)
    _, label, sample_id = dataset[0]
    assert sample_id.startswith("mmew")
    assert (label.shape, label.dtype) == ((12,), torch.int64)
    assert set(label.tolist()) <= {0, 1}


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ({"fold": "tiny/s9"}, "no fold 'tiny/s9'; did you mean 'tiny/s"),
        ({"features": ["flaw"]}, "no feature 'flaw'; did you mean 'flow'?"),
        ({"protocol": "lozo"}, "no protocol 'lozo'; did you mean 'loso'?"),
    ],
)
def test_a_mistyped_name_is_hinted_at(store, asked, hint):
    asked = {"features": ["flow"], "fold": "tiny/s0", **asked}
    with pytest.raises(MerError) as caught:
        FeatureDataset([store], **asked)
    assert caught.value.cause.startswith(hint)
    assert caught.value.exit_code == 2


def test_no_feature_at_all_is_refused(store):
    with pytest.raises(MerError, match="no feature is asked for"):
        FeatureDataset([store], [], fold="tiny/s0")


def test_features_of_two_stores_are_matched_by_sample(store, tmp_path):
    samples = rows()[5:]
    other = tiny_store(tmp_path / "other.h5", samples, ["strain"])
    with pytest.raises(MerError, match=r"strain is in .* and in "):
        FeatureDataset([store, other], ["flow", "strain"], fold="tiny/s1")
    flow = tiny_store(tmp_path / "flow.h5", columns=["flow"])
    dataset = FeatureDataset([flow, other], ["flow", "strain"], fold="tiny/s1", train=False)
    for (first, second), _, sample_id in dataset:
        assert torch.equal(first, stored(flow, "flow", sample_id).float())
        assert torch.equal(second, stored(other, "strain", sample_id).float())


def test_a_transform_sees_the_inputs_and_its_result_stands_for_them(store):
    asked = {"features": ["flow", "strain"], "fold": "tiny/s0"}
    plain = FeatureDataset([store], **asked)
    joined = FeatureDataset([store], **asked, transform=torch.cat)
    assert torch.equal(joined[3][0], torch.cat(plain[3][0]))


def test_a_number_beyond_the_last_ends_a_loop(store):
    dataset = FeatureDataset([store], ["flow"], fold="tiny/s0", train=False)
    assert len(list(dataset)) == len(dataset) == 9
    with pytest.raises(IndexError):
        dataset[9]


def loaded(dataset, context):
    loader = DataLoader(dataset, batch_size=4, num_workers=2, multiprocessing_context=context)
    with warnings.catch_warnings():  # of forking where threads run; the point is that it works
        warnings.simplefilter("ignore", DeprecationWarning)
        return [
            (sample_id, inputs, int(label))
            for batch, labels, names in loader
            for sample_id, inputs, label in zip(names, batch, labels, strict=True)
        ]


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_two_workers_load_what_one_process_does_though_it_has_read_before(store, context):
    dataset = FeatureDataset([store], ["flow"], fold="tiny/s0", train=False)
    here = [(sample_id, inputs, label) for inputs, label, sample_id in dataset]
    there = loaded(dataset, context)
    assert [name for name, _, _ in there] == [name for name, _, _ in here]
    for (_, ours, label), (_, theirs, same) in zip(here, there, strict=True):
        assert torch.equal(ours, theirs)
        assert label == same


class Process:
    """A transform that tells which process opened what is read from."""

    def __init__(self):
        self.dataset = None

    def __call__(self, inputs):
        return torch.tensor(self.dataset._opened[0])


def test_a_forked_worker_opens_the_store_anew(store):
    watch = Process()
    watch.dataset = FeatureDataset([store], ["flow"], fold="tiny/s0", train=False, transform=watch)
    pid = int(watch.dataset[0][0])
    pids = {int(seen) for _, seen, _ in loaded(watch.dataset, "fork")}
    assert len(pids) == 2
    assert pid not in pids


def test_what_is_pickled_holds_no_open_file(store):
    dataset = FeatureDataset([store], ["flow"], fold="tiny/s0")
    before = dataset[0]
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again[0][0], before[0])


def test_nothing_but_labels_is_read_before_a_sample_is_asked_for(store, tmp_path):
    copy = own_copy(store, tmp_path)
    damage(copy, "s2-happiness-1")
    dataset = FeatureDataset([copy], ["flow"], fold="tiny/s2", train=False)
    names = list(dataset.sample_id)
    assert dataset[names.index("s2-happiness-0")][2] == "s2-happiness-0"
    with pytest.raises(MerError, match="flow of s2-happiness-1 is damaged") as caught:
        dataset[names.index("s2-happiness-1")]
    assert caught.value.exit_code == 4


def damage(path, sample_id):
    with h5py.File(path, "r+") as file:
        number = list(file["index/sample_id"].asstr()[:]).index(sample_id)
        array = file["features/flow"][number]
        array[0, 0, 0] += np.float32(1)
        file["features/flow"][number] = array


def test_a_store_that_was_replaced_meanwhile_is_not_mixed_with_its_labels(store, tmp_path):
    copy = own_copy(store, tmp_path)
    dataset = FeatureDataset([copy], ["flow"], fold="tiny/s0")
    tiny_store(tmp_path / "new.h5", rows(subjects=3)).replace(copy)
    with pytest.raises(MerError, match="another store") as caught:
        dataset[0]
    assert caught.value.exit_code == 4
