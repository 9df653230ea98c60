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
from train.models.sssnet import MODEL, SSSNet

PLANES = (noise(4, 2, 64, 64), noise(4, 1, 64, 64, seed=1))


@pytest.fixture(autouse=True)
def one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def test_it_has_the_1349251_parameters_of_the_meb_library():
    assert parameters(lambda: SSSNet(3)) == 1_349_251


@pytest.mark.parametrize("classes", [3, 5])
def test_a_sample_gets_one_logit_a_class(classes):
    assert SSSNet(classes)(*PLANES).shape == (4, classes)


def test_logits_are_no_probabilities():
    assert not torch.allclose(SSSNet(3)(*PLANES).sum(1), torch.ones(4))


def test_every_parameter_is_taught():
    assert untaught(SSSNet(3), PLANES) == []


def test_a_sample_in_eval_mode_has_one_answer():
    assert_eval_repeats_and_ignores_the_batch(SSSNet(3), PLANES)


def test_training_leaves_out_whole_filters():
    torch.manual_seed(0)
    first = SSSNet(3).train().layers[:5](torch.cat(PLANES, dim=1))  # (4, 32, 20, 20)
    gone = (first == 0).flatten(2)
    assert torch.equal(gone.all(2), gone.any(2))
    assert 0.3 < gone.all(2).float().mean() < 0.7


def test_strain_is_its_third_plane():
    network = SSSNet(3).eval()
    u_v = network.layers[0](torch.cat([PLANES[0], torch.zeros(4, 1, 64, 64)], dim=1))
    strain = torch.nn.functional.conv2d(PLANES[1], network.layers[0].weight[:, 2:])
    torch.testing.assert_close(
        network.layers[0](torch.cat(PLANES, dim=1)), u_v + strain, rtol=1e-4, atol=1e-5
    )
    assert not torch.allclose(network(*PLANES), network(PLANES[0], torch.zeros(4, 1, 64, 64)))


def test_16_random_samples_are_learned_by_heart():
    planes = (noise(16, 2, 64, 64), noise(16, 1, 64, 64, seed=1))
    assert learned(SSSNet(3), planes, torch.arange(16) % 3, steps=15, rate=1e-3) == 1


def test_folds_can_be_trained_side_by_side():
    assert_folds_train_together(lambda: SSSNet(3), PLANES)


def test_it_takes_flow_and_strain_at_64_px():
    assert [(taken.feature, taken.size) for taken in MODEL.takes] == [
        ("flow", (64, 64)),
        ("strain", (64, 64)),
    ]
