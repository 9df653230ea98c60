import pickle
import re

import pytest
import torch
from safetensors.torch import save_file

from features.console import MerError
from tests.learning import inputs, parameters, without_gradient
from train.models.resnet import Backbone, Block, ResNet18

torch.set_num_threads(1)
PLANES = [(2, 64, 64), (1, 64, 64)]


def network():
    torch.manual_seed(0)
    return ResNet18(3)


def names_of_torchvision():
    """The 122 names in a file of torchvision's ResNet-18."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = ["conv1.weight", *(f"bn1.{n}" for n in norm), "fc.weight", "fc.bias"]
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            at = f"layer{layer}.{block}"
            names += [f"{at}.conv{c}.weight" for c in (1, 2)]
            names += [f"{at}.bn{c}.{n}" for c in (1, 2) for n in norm]
        if layer > 1:
            at = f"layer{layer}.0.downsample"
            names += [f"{at}.0.weight", *(f"{at}.1.{n}" for n in norm)]
    return names


def test_it_has_the_parameters_of_resnet_18_under_the_names_of_torchvision():
    with torch.device("meta"):
        net = ResNet18(1000)
    assert parameters(net) == 11_689_512
    assert sorted(net.state_dict()) == sorted(names_of_torchvision())


def test_its_maps_halve_from_layer_to_layer():
    with torch.device("meta"):
        net, x = Backbone(), torch.rand(2, 3, 224, 224)
        sizes = []
        for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
            layer.register_forward_hook(lambda m, given, found: sizes.append(tuple(found.shape)))
        assert net(x).shape == (2, 512, 7, 7)
    assert sizes == [(2, 64, 56, 56), (2, 128, 28, 28), (2, 256, 14, 14), (2, 512, 7, 7)]


def test_a_block_adds_to_its_shortcut():
    block, x = Block(4, 4, 1).eval(), torch.rand(2, 4, 8, 8)
    torch.nn.init.zeros_(block.bn2.weight)
    torch.testing.assert_close(block(x), x)
    shrinking = Block(4, 6, 2).eval()
    torch.nn.init.zeros_(shrinking.bn2.weight)
    torch.testing.assert_close(shrinking(x), shrinking.downsample(x).relu())


def test_flow_and_strain_are_its_planes_in_this_order():
    net = network().eval()
    flow, strain = inputs(PLANES)
    with torch.no_grad():
        net.conv1.weight[:, 2] = 0
    torch.testing.assert_close(net(flow, strain), net(flow, 0 * strain))
    assert not torch.allclose(net(flow, strain), net(0 * flow, strain))
    torch.testing.assert_close(net(flow, strain), net(torch.cat([flow, strain], dim=1)))


def test_it_begins_by_the_rule_of_kaiming():
    net = network()
    assert net.layer4[0].conv1.weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, 0.02)
    assert net.conv1.weight.std().item() == pytest.approx((2 / (49 * 64)) ** 0.5, 0.05)


def test_every_parameter_learns():
    assert without_gradient(network(), PLANES) == set()


def test_in_eval_mode_it_answers_the_same_twice_whatever_its_batch():
    net, x = network().eval(), inputs(PLANES)
    assert torch.equal(net(*x), net(*x))
    torch.testing.assert_close(net(*(part[:1] for part in x)), net(*x)[:1])


@pytest.mark.parametrize("kind", ["safetensors", "pth", "old pth"])
def test_a_file_of_weights_is_taken_but_for_its_classifier(tmp_path, kind):
    torch.manual_seed(1)
    given = ResNet18(1000).state_dict()
    if kind == "old pth":
        given = {n: v for n, v in given.items() if "num_batches_tracked" not in n}
    path = tmp_path / ("weights.safetensors" if kind == "safetensors" else "weights.pth")
    (save_file if kind == "safetensors" else torch.save)(given, path)
    torch.manual_seed(2)
    found = ResNet18(3, weights=path).state_dict()
    assert found["fc.weight"].shape == (3, 512)
    for name, value in given.items():
        assert name.startswith("fc.") or torch.equal(found[name], value), name


def refusal(path):
    with pytest.raises(MerError, match=re.escape(str(path))) as caught:
        Backbone(path)
    return caught.value


def test_a_file_that_is_not_there_is_named(tmp_path):
    for name in ("none.pth", "none.safetensors"):
        error = refusal(tmp_path / name)
        assert "no such file" in error.cause
        assert error.exit_code == 2


def test_a_folder_is_refused(tmp_path):
    assert "cannot be read" in refusal(tmp_path).cause


@pytest.mark.parametrize("name", ["torn.pth", "torn.safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"not weights at all"])
def test_a_damaged_file_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert "cannot be read as weights" in refusal(path).cause


class Trap:
    """What a pickle could do to whoever opens it."""

    def __init__(self, sprung):
        self.sprung = sprung

    def __reduce__(self):
        return (open, (str(self.sprung), "w"))


def plain_pickle(thing, path):
    path.write_bytes(pickle.dumps(thing, protocol=2))


@pytest.mark.parametrize("write", [torch.save, plain_pickle])
def test_nothing_in_a_file_is_run(tmp_path, write):
    path = tmp_path / "trap.pth"
    write({"conv1.weight": Trap(tmp_path / "sprung")}, path)
    assert "cannot be read as weights" in refusal(path).cause
    assert not (tmp_path / "sprung").exists()


def test_something_other_than_named_tensors_is_refused(tmp_path):
    path = tmp_path / "nested.pth"
    torch.save({"state_dict": {}, "epoch": 3}, path)
    assert "other than named tensors" in refusal(path).cause


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda w: w.pop("layer3.1.conv2.weight"), "layer3.1.conv2.weight"),
        (lambda w: w.update({"layer5.0.conv1.weight": torch.zeros(1)}), "layer5.0.conv1.weight"),
        (lambda w: w.update({"conv1.weight": torch.zeros(64, 1, 7, 7)}), "conv1.weight"),
    ],
)
def test_weights_of_another_network_are_refused_and_the_first_is_named(tmp_path, spoil, named):
    weights = Backbone().state_dict()
    spoil(weights)
    path = tmp_path / "other.pth"
    torch.save(weights, path)
    cause = refusal(path).cause
    assert "is no ResNet-18: 1 tensors" in cause
    assert cause.endswith(f"first {named}")
