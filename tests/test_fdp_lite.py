import pytest
import torch

from tests.learning import gradients_of_two_folds, inputs, parameters, steps_to_learn
from train.models.fdp import Global
from train.models.fdp_lite import MODEL, UNet

torch.set_num_threads(1)
SHAPES = [(8, 1, 32, 32), (1, 16, 16)]


def network():
    torch.manual_seed(0)
    return MODEL.build(3)


def test_it_has_a_hundredth_of_the_parameters_and_all_four_global_blocks():
    net = network()
    assert parameters(net) < 1e6
    assert parameters(net.drawing) < 5e5
    assert sum(isinstance(module, Global) for module in net.modules()) == 4
    assert net(*inputs(SHAPES)).shape == (2, 3)


def test_the_drawing_branch_has_three_levels_joined_by_shortcuts():
    torch.manual_seed(0)
    net, x = UNet(8).eval(), torch.rand(1, 8, 16, 16)
    before = net(x)
    assert before.shape == (1, 1, 16, 16)
    sizes = []
    for layer in (*net.down, *net.up):
        layer.register_forward_hook(lambda m, given, found: sizes.append(tuple(found.shape[1:])))
    net(x)
    assert sizes == [(8, 16, 16), (16, 8, 8), (32, 4, 4), (16, 8, 8), (8, 16, 16)]
    net.up[1][0].weight.data[:, 16:] = 0  # what comes from the finest level
    assert not torch.allclose(net(x), before)


def test_every_parameter_of_the_drawing_branch_learns():
    torch.manual_seed(0)
    net = UNet(8)
    net(torch.rand(2, 8, 16, 16)).square().mean().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in net.parameters())


def test_folds_can_be_trained_at_once():
    at_once, alone = gradients_of_two_folds(network, SHAPES)
    torch.testing.assert_close(at_once, alone, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_it_learns_16_samples_by_heart():
    assert steps_to_learn(network(), SHAPES, rate=2e-3) <= 60


def test_what_does_not_move_is_not_seen():
    net = network().eval()
    frames, picture = inputs(SHAPES)
    face = torch.rand(2, 1, 1, 32, 32)
    torch.testing.assert_close(net(frames + face, picture), net(frames, picture), atol=1e-4, rtol=0)
