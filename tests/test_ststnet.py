import torch

from train.models.ststnet import MODEL, STSTNet


def test_it_has_the_1683_parameters_of_the_authors_port():
    assert sum(p.numel() for p in STSTNet(3).parameters()) == 1683


def test_its_streams_are_3_5_and_8_wide_and_10_by_10():
    x = torch.zeros(2, 3, *MODEL.takes[0].size)
    assert [tuple(stream(x).shape[1:]) for stream in STSTNet(3).streams] == [
        (3, 10, 10),
        (5, 10, 10),
        (8, 10, 10),
    ]


def test_400_features_reach_the_head():
    assert STSTNet(3).head.in_features == 400
    assert STSTNet(3)(torch.zeros(2, 2, 28, 28), torch.zeros(2, 1, 28, 28)).shape == (2, 3)


def test_three_streams_are_one_convolution_of_16_filters():
    torch.manual_seed(0)
    net = STSTNet(3).eval()
    merged = torch.nn.Conv2d(3, 16, 3, padding=2)
    merged.weight.data = torch.cat([stream[0].weight for stream in net.streams]).data
    merged.bias.data = torch.cat([stream[0].bias for stream in net.streams]).data
    x = torch.randn(2, 3, 28, 28)
    apart = torch.cat([stream[0](x) for stream in net.streams], dim=1)
    torch.testing.assert_close(apart, merged(x))
