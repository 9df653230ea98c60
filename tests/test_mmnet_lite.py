import pytest
import torch

from tests.learning import (
    gradients_of_two_folds,
    inputs,
    parameters,
    steps_to_learn,
    without_gradient,
)
from train.models.mmnet_lite import MODEL

torch.set_num_threads(1)
FRAMES = [(2, 3, 112, 112)]


def network():
    torch.manual_seed(0)
    return MODEL.build(3)


def test_it_has_less_than_an_80th_of_the_parameters_and_49_tokens():
    net = network()
    assert parameters(net) < 9_438_841 / 80
    assert net.position.where.shape == (49, 64)
    assert net(*inputs(FRAMES)).shape == (2, 3)


def test_every_parameter_learns():
    assert without_gradient(network(), FRAMES) == set()


def test_folds_can_be_trained_at_once():
    at_once, alone = gradients_of_two_folds(network, FRAMES)
    torch.testing.assert_close(at_once, alone, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_it_learns_16_samples_by_heart():
    assert steps_to_learn(network(), FRAMES, rate=2e-3) <= 60
