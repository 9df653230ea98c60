"""Several folds' networks in one pass, as torch.func has it, must learn what they learn apart."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

from train.models import afn_lite, dianet_lite, fmanet_lite


class Loss(nn.Module):
    """torch.func calls a network; this one is called for its loss."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, inputs, truth):
        return self.network.losses(inputs, truth, None)


@pytest.mark.parametrize(
    ("model", "planes", "side"),
    [(afn_lite.MODEL, 3, 56), (dianet_lite.MODEL, 3, 56), (fmanet_lite.MODEL, 2, 28)],
    ids=["afn_lite", "dianet_lite", "fmanet_lite"],
)
def test_two_networks_at_once_get_the_gradients_they_get_apart(model, planes, side):
    torch.manual_seed(0)
    losses = [Loss(model.build(3, dropout=0.0)).train() for _ in range(2)]
    inputs = [torch.randn(2, 4, planes, side, side) for _ in model.takes]
    inputs[1][0, 3] = 0  # one clip without a fall
    truth = torch.randint(3, (2, 4))
    one = copy.deepcopy(losses[0]).to("meta")
    found = vmap(grad(lambda *state_and_batch: functional_call(
        one, state_and_batch[:2], state_and_batch[2:]
    )))(*stack_module_state(losses), inputs, truth)  # fmt: skip
    for number, loss in enumerate(losses):
        loss([x[number] for x in inputs], truth[number]).backward()
        for name, parameter in loss.named_parameters():
            torch.testing.assert_close(found[name][number], parameter.grad, rtol=1e-3, atol=1e-6)
