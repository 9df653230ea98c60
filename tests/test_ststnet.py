import torch
from torch.nn.functional import cross_entropy

from benchmarks.three_streams import ThreeStreams
from train.models.ststnet import MODEL, STSTNet


def test_it_has_the_1683_parameters_of_the_authors_port():
    assert sum(p.numel() for p in STSTNet(3).parameters()) == 1683


def test_its_streams_are_16_filters_10_by_10():
    x = torch.zeros(2, 3, *MODEL.takes[0].size)
    assert STSTNet(3).streams(x).shape == (2, 16, 10, 10)


def test_400_features_reach_the_head():
    assert STSTNet(3).head.in_features == 400
    assert STSTNet(3)(torch.zeros(2, 2, 28, 28), torch.zeros(2, 1, 28, 28)).shape == (2, 3)


def test_three_streams_of_3_5_and_8_filters_are_one_of_16():
    """The port has them apart: the same logits, statistics and gradients, asked and in training."""
    torch.manual_seed(0)
    net, apart = STSTNet(3), ThreeStreams(3)
    apart.take(net)
    for one in (net, apart):
        for module in one.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0  # each draws its own
    x, truth = (torch.randn(6, 2, 28, 28), torch.randn(6, 1, 28, 28)), torch.arange(6) % 3
    torch.testing.assert_close(net(*x), apart(*x), rtol=1e-3, atol=1e-4)
    for one in (net, apart):
        one.zero_grad()
        cross_entropy(one(*x), truth).backward()
    for mine, layer in ((net.streams[0], 0), (net.streams[2], 2)):
        theirs = [stream[layer] for stream in apart.streams]
        for name in ("weight", "bias"):
            slopes = torch.cat([getattr(one, name).grad for one in theirs])
            torch.testing.assert_close(getattr(mine, name).grad, slopes, rtol=1e-2, atol=1e-4)
    found = torch.cat([stream[2].running_var for stream in apart.streams])
    torch.testing.assert_close(net.streams[2].running_var, found)
    torch.testing.assert_close(net.eval()(*x), apart.eval()(*x), rtol=1e-3, atol=1e-4)
