import pytest
import torch

from tests.net_facts import (
    assert_eval_repeats_and_ignores_the_batch,
    assert_folds_train_together,
    learned,
    noise,
    parameters,
    untaught,
)
from train.models import off_apexnet, off_apexnet_single
from train.models.off_apexnet import OffApexNet, stream
from train.models.off_apexnet_single import OffApexNetSingle

BOTH = pytest.mark.parametrize("kind", [OffApexNet, OffApexNetSingle])
FLOW = noise(4, 2, 28, 28)


@pytest.fixture(autouse=True)
def one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def test_two_streams_have_the_2664475_parameters_that_its_layers_add_up_to():
    assert parameters(lambda: OffApexNet(3)) == 2_664_475


def test_one_stream_has_the_807909_parameters_of_the_meb_library():
    assert parameters(lambda: OffApexNetSingle(3)) == 807_909


def test_a_stream_ends_in_784_numbers():
    assert stream()(FLOW[:, :1]).shape == (4, 784)


@BOTH
@pytest.mark.parametrize("classes", [3, 5])
def test_a_sample_gets_one_logit_a_class(kind, classes):
    assert kind(classes)(FLOW).shape == (4, classes)


@BOTH
def test_every_parameter_is_taught(kind):
    assert untaught(kind(3), [FLOW]) == []


@BOTH
def test_a_sample_in_eval_mode_has_one_answer(kind):
    assert_eval_repeats_and_ignores_the_batch(kind(3), [FLOW])


@BOTH
def test_dropout_is_all_that_training_mode_changes(kind):
    network = kind(3, dropout=0.0)
    assert torch.equal(network.train()(FLOW), network.eval()(FLOW))
    network = kind(3)
    assert not torch.equal(network.train()(FLOW), network.eval()(FLOW))


def test_u_goes_through_the_first_stream_alone_and_v_through_the_second():
    network = OffApexNet(3).eval()
    seen = {}
    for name, one in zip("uv", network.streams, strict=True):
        one.register_forward_hook(lambda _, x, y, name=name: seen.update({name: (x[0], y)}))
    changed = FLOW.clone()
    changed[:, 1] += 1  # v alone
    network(FLOW)
    before = dict(seen)
    network(changed)
    assert torch.equal(before["u"][0], FLOW[:, :1])
    assert torch.equal(before["v"][0], FLOW[:, 1:])
    assert torch.equal(before["u"][1], seen["u"][1])
    assert not torch.equal(before["v"][1], seen["v"][1])


@BOTH
def test_16_random_samples_are_learned_by_heart(kind):
    flow, truth = noise(16, 2, 28, 28), torch.arange(16) % 3
    assert learned(kind(3), [flow], truth, steps=20, rate=1e-3) == 1


@BOTH
def test_folds_can_be_trained_side_by_side(kind):
    assert_folds_train_together(lambda: kind(3), [FLOW])


@pytest.mark.parametrize("file", [off_apexnet, off_apexnet_single])
def test_it_takes_flow_at_28_px_by_the_recipe_of_its_authors(file):
    (taken,) = file.MODEL.takes
    assert (taken.feature, taken.size, taken.per_width) == ("flow", (28, 28), True)
    assert (file.MODEL.fit.epochs, file.MODEL.fit.learning_rate) == (3000, 1e-4)
