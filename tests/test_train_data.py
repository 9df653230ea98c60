import os

import h5py
import numpy as np
import pytest
import torch

from features.console import MerError
from features.protocol import load as load_protocol
from tests.tiny_store import EMOTIONS, SIDE, arrays, row, rows, tiny_store
from tests.tiny_units import UNITS, unit_rows, unit_store
from train.data import prepare, read
from train.models.base import Input, load

MODEL = load("ststnet")
LOSO = load_protocol("loso")
FLOW, STRAIN = MODEL.takes


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    samples = [*rows(), row("unlabelled", "s0", "")]
    return tiny_store(tmp_path_factory.mktemp("store") / "tiny.h5", samples)


def test_planes_come_in_the_models_order_and_size(store):
    flow, strain = read([store], MODEL, LOSO).inputs
    assert (flow.shape, strain.shape) == ((36, 2, 28, 28), (36, 1, 28, 28))
    assert (flow.dtype, strain.dtype) == (torch.float32, torch.float32)


def test_a_sample_without_an_emotion_is_left_out_and_counted(store):
    examples = read([store], MODEL, LOSO)
    assert examples.left_out == 1
    assert "unlabelled" not in examples.sample_id


def test_truth_counts_through_the_sorted_emotions(store):
    examples = read([store], MODEL, LOSO)
    assert examples.classes == EMOTIONS
    for sample_id, truth in zip(examples.sample_id, examples.truth, strict=True):
        assert EMOTIONS[truth] in sample_id


def test_a_person_is_a_subject_of_a_dataset(store):
    assert set(read([store], MODEL, LOSO).group) == {"tiny/s0", "tiny/s1", "tiny/s2", "tiny/s3"}


def test_two_pixels_of_flow_on_a_face_224_wide_are_1():
    x = prepare(np.full((2, 224, 224), 2, np.float16), FLOW)
    torch.testing.assert_close(x, torch.ones(2, 28, 28))


def test_the_same_motion_on_a_face_half_as_wide_is_the_same_number():
    x = prepare(np.full((2, 112, 112), 1, np.float16), FLOW)
    torch.testing.assert_close(x, torch.ones(2, 28, 28))


@pytest.mark.parametrize("width", [112, 224])
def test_a_strain_of_a_twentieth_is_1_at_any_width(width):
    x = prepare(np.full((1, width, width), 0.05, np.float32), STRAIN)
    torch.testing.assert_close(x, torch.ones(1, 28, 28))


def test_a_failed_flow_is_clipped():
    x = prepare(np.array([[[-90.0]], [[90.0]]]), FLOW)
    assert set(x.unique().tolist()) == {-3, 3}


def test_scales_go_round_the_planes_and_time_is_left_alone():
    stored = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
    x = prepare(stored, Input("any", (2, 2), scale=(1.0, 10.0), clamp=None))
    assert x.shape == (2, 3, 2, 2)
    assert x[0, 1, 0, 0] == stored[0, 1, :2, :2].mean()
    assert x[1, 2, 1, 1].item() == pytest.approx(stored[1, 2, 2:, 2:].mean() / 10)


def test_without_a_size_a_feature_stays_as_stored():
    stored = np.random.default_rng(0).uniform(0, 255, (3, 5, 7)).astype(np.float32)
    x = prepare(stored, Input("frames", scale=(255.0,)))
    torch.testing.assert_close(x, torch.from_numpy(stored) / 255)


def test_resizing_averages_areas():
    checks = np.indices((56, 56)).sum(0, keepdims=True) % 2 * 0.1
    x = prepare(checks, STRAIN)
    torch.testing.assert_close(x, torch.ones(1, 28, 28))


def test_no_sample_depends_on_another(store, tmp_path):
    """No statistic over samples: three subjects alone read as they do among four."""
    fewer = read([tiny_store(tmp_path / "few.h5", rows(subjects=3))], MODEL, LOSO)
    kept = np.isin(read([store], MODEL, LOSO).sample_id, fewer.sample_id)
    for all_of_them, few in zip(read([store], MODEL, LOSO).inputs, fewer.inputs, strict=True):
        assert torch.equal(all_of_them[torch.from_numpy(kept)], few)


def test_a_store_without_a_feature_is_refused(tmp_path):
    path = tiny_store(tmp_path / "flow.h5", columns=("flow",))
    with pytest.raises(MerError, match="no strain; it holds flow"):
        read([path], MODEL, LOSO)


@pytest.mark.parametrize(
    ("samples", "cause"),
    [
        (rows(subjects=1), "1 subject among the 9 labelled samples"),
        (rows(emotions=("surprise",)), "1 emotion among the 12 labelled samples"),
        (rows(emotions=("",)), "none of the 12 samples has an emotion"),
        ([*rows(), row("nobody", "", "surprise")], "1 sample without a subject, first nobody"),
    ],
)
def test_samples_that_make_no_folds_are_refused(tmp_path, samples, cause):
    with pytest.raises(MerError, match=cause):
        read([tiny_store(tmp_path / "s.h5", samples)], MODEL, LOSO)


@pytest.mark.parametrize(
    ("dataset", "emotion", "protocol", "cause", "remedy"),
    [
        ("mine", "", "loso", "none of the 12 samples has an emotion", "the emotion column"),
        ("mine", "happiness", "samm-5", "samm-5 counts samples of samm; this store holds mine",
         "a store of samm, or another --protocol"),
        ("samm", "boredom", "samm-3", "samm-3 takes none of the 12 samples: by their emotion",
         "correct the emotion column"),
        ("samm", "happiness", "megc2018", "megc2018 takes none of the 12 samples: by their",
         "correct the objective_class column"),
    ],
)  # fmt: skip
def test_what_leaves_no_sample_with_a_label_is_named(
    tmp_path, dataset, emotion, protocol, cause, remedy
):
    made = [{**one, "dataset": dataset} for one in rows(emotions=(emotion,))]
    with pytest.raises(MerError, match=cause) as refusal:
        read([tiny_store(tmp_path / "s.h5", made)], MODEL, load_protocol(protocol))
    assert remedy in refusal.value.remedy


def test_stores_without_a_common_sample_are_refused(tmp_path):
    flow = tiny_store(tmp_path / "flow.h5", rows()[:9], columns=("flow",))
    strain = tiny_store(tmp_path / "strain.h5", rows()[9:], columns=("strain",))
    with pytest.raises(MerError, match=r"flow.h5 and .*strain.h5: no sample is in each of them"):
        read([flow, strain], MODEL, LOSO)


def test_a_feature_that_is_no_plane_is_refused(tmp_path):
    def flat(sample):
        return {name: array.reshape(len(array), -1) for name, array in arrays(sample).items()}

    with pytest.raises(MerError, match="needs planes"):
        read([tiny_store(tmp_path / "s.h5", make=flat)], MODEL, LOSO)


def test_a_damaged_store_is_refused(tmp_path):
    path = tiny_store(tmp_path / "s.h5")
    os.chmod(path, 0o600)
    with h5py.File(path, "r+") as file:
        file["features/flow"][0, 0, SIDE // 2, 0] = 1
    with pytest.raises(MerError, match="flow of s0-disgust-0 is damaged") as refusal:
        read([path], MODEL, LOSO)
    assert refusal.value.exit_code == 4


def test_by_action_units_truth_is_a_row_of_0_and_1_a_sample(tmp_path):
    made = unit_rows(("casme2", "samm"), subjects=2, clips=2)
    examples = read([unit_store(tmp_path / "s.h5", made)], MODEL, load_protocol("cd6me"))
    assert examples.classes == tuple(f"AU{unit}" for unit in UNITS)
    assert (examples.truth.shape, examples.truth.dtype) == ((8, 12), np.int64)
    shown = {row["sample_id"]: row["action_units"].split("+") for row in made}
    for sample_id, truth in zip(examples.sample_id, examples.truth, strict=True):
        assert truth.tolist() == [name in shown[sample_id] for name in examples.classes]
    assert "casme2: samples 4, expected 256 or 255" in examples.differences


def test_a_protocol_fixes_the_classes_leaves_out_the_rest_and_tells_what_is_short(tmp_path):
    made = [{**one, "dataset": "samm"} for one in rows()]
    for one, emotion in zip(made, ["happiness", "surprise", "others"] * 12, strict=True):
        one["emotion"] = emotion
    examples = read([tiny_store(tmp_path / "s.h5", made)], MODEL, load_protocol("samm-3"))
    assert examples.classes == ("negative", "positive", "surprise")
    assert (len(examples.sample_id), examples.left_out) == (24, 12)
    assert "samm: negative 0, expected 92" in examples.differences
    assert "samm: subjects 4, expected 28" in examples.differences


def test_features_of_two_stores_are_joined_by_sample(tmp_path):
    both = tiny_store(tmp_path / "both.h5", rows())
    flow = tiny_store(tmp_path / "flow.h5", rows()[::-1], columns=("flow",))
    strain = tiny_store(tmp_path / "strain.h5", rows()[2:], columns=("strain",))
    joined, whole = read([flow, strain], MODEL, LOSO), read([both], MODEL, LOSO)
    kept = torch.from_numpy(np.isin(whole.sample_id, joined.sample_id))
    assert int(kept.sum()) == len(joined.truth) == len(rows()) - 2
    for one, other in zip(whole.inputs, joined.inputs, strict=True):
        assert torch.equal(one[kept], other)


def test_a_feature_of_two_stores_is_refused(tmp_path):
    one, two = (tiny_store(tmp_path / name) for name in ("one.h5", "two.h5"))
    with pytest.raises(MerError, match=r"flow is in .*one\.h5 and in .*two\.h5"):
        read([one, two], MODEL, LOSO)


def test_stores_that_disagree_on_a_label_are_refused(tmp_path):
    made = rows()
    other = [{**made[0], "emotion": "surprise"}, *made[1:]]
    one = tiny_store(tmp_path / "one.h5", made, columns=("flow",))
    two = tiny_store(tmp_path / "two.h5", other, columns=("strain",))
    with pytest.raises(MerError, match=f"emotion of {made[0]['sample_id']} is not that of"):
        read([one, two], MODEL, LOSO)
