"""A step of many rows is a step of torch's optimizer on each."""

from dataclasses import replace

import pytest
import torch

from train.config import FitConfig
from train.fit import flattened
from train.models.base import load
from train.optimizers import MOMENTUM, slots, step

CONFIG = FitConfig(learning_rate=0.03, weight_decay=0.2)
KINDS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("name", KINDS)
def test_each_row_goes_where_torchs_optimizer_takes_it(name, decay):
    generator = torch.Generator().manual_seed(0)
    config = replace(CONFIG, optimizer=name, weight_decay=decay)
    start, slopes = (
        torch.randn(2, 7, generator=generator),
        torch.randn(6, 2, 7, generator=generator),
    )
    rows = {"weights": start.clone(), **slots(config, start)}
    of_torch = start.clone().requires_grad_()
    given = {"lr": config.learning_rate, "weight_decay": decay}
    if name == "sgd":
        given["momentum"] = MOMENTUM
    theirs = KINDS[name]([of_torch], **given)
    for number, slope in enumerate(slopes):
        learning = config.learning_rate / (number + 1)
        theirs.param_groups[0]["lr"] = learning
        of_torch.grad = slope.clone()
        theirs.step()
        step(config, learning, rows, slope.clone())
    torch.testing.assert_close(rows["weights"], of_torch.detach(), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(rows["weights"], start, atol=1e-2)


def test_a_networks_parameters_are_views_of_one_row_laid_out_as_they_were():
    network = load("ststnet").build(3)
    before = {name: one.detach().clone() for name, one in network.named_parameters()}
    strides = {name: one.stride() for name, one in network.named_parameters()}
    weights, slopes = flattened(network)
    assert weights.shape == slopes.shape == (1, sum(map(torch.numel, before.values())))
    x = [torch.randn(2, planes, 28, 28) for planes in (2, 1)]
    network(*x).sum().backward()
    for name, one in network.named_parameters():
        assert torch.equal(one, before[name])
        assert one.stride() == strides[name]
    found = torch.cat([one.grad.as_strided((one.numel(),), (1,)) for one in network.parameters()])
    assert torch.equal(found, slopes[0])
    weights.zero_()
    assert all(not one.any() for one in network.parameters())
    assert slopes.abs().min() < slopes.abs().max()


def test_torchs_compiler_is_not_loaded_to_train_one_network():
    import subprocess
    import sys

    code = (
        "import sys, torch\n"
        "from train.fit import fit\n"
        "from train.models.base import load\n"
        "from dataclasses import replace\n"
        "model = load('ststnet')\n"
        "x = [torch.randn(6, planes, 28, 28) for planes in (2, 1)]\n"
        "fit(model, 2, x, torch.arange(6) % 2, replace(model.fit, epochs=1), 0)\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
