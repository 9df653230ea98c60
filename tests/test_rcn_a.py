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
from train.models import rcn_a, rcn_s, rcn_w
from train.models.rcn_a import RCNA, Recurrent, activation_map
from train.models.rcn_s import RCNS, Shortcuts
from train.models.rcn_w import RCNW

ALL = pytest.mark.parametrize("kind", [RCNA, RCNS, RCNW])
PLANES = (noise(4, 2, 60, 60), noise(4, 1, 60, 60, seed=1))


@pytest.fixture(autouse=True)
def one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.mark.parametrize(("maps", "theirs"), [(64, 51_139), (32, 15_331)])
def test_it_has_the_parameters_of_the_authors_but_for_biases_before_a_batch_norm(maps, theirs):
    assert parameters(lambda: RCNA(3, maps=maps)) == theirs - 3 * maps


def test_shortcuts_cost_no_parameter_more():
    assert parameters(lambda: RCNS(3)) == parameters(lambda: RCNA(3))


def test_three_streams_take_the_place_of_a_stem_of_5_by_5():
    stem, streams = 32 * 3 * 25 + 64, 32 * 3 * 9 + 32 + 64
    assert parameters(lambda: RCNW(3)) == parameters(lambda: RCNA(3)) - stem + streams


@pytest.mark.parametrize(("kind", "part"), [(RCNA, "recurrent"), (RCNS, "shortcuts")])
def test_60_px_are_56_after_the_stem_and_28_after_its_pool(kind, part):
    network = kind(3)
    seen = {}
    network.stem.register_forward_hook(lambda _, x, y: seen.update(stem=y))
    getattr(network, part).register_forward_hook(lambda _, x, y: seen.update(inner=y))
    network(*PLANES)
    assert (seen["stem"].shape[2:], seen["inner"].shape[2:]) == ((56, 56), (28, 28))


@ALL
def test_dropout_is_there_twice_and_falls_silent_in_eval_mode(kind):
    network = kind(3).train()
    seen = []
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.register_forward_hook(lambda _, x, y: seen.append(torch.equal(x[0], y)))
    network(*PLANES)
    assert len(seen) == (4 if kind is RCNW else 2)
    assert not any(seen)
    seen.clear()
    network.eval()(*PLANES)
    assert all(seen)


@ALL
@pytest.mark.parametrize("classes", [3, 5])
def test_a_sample_gets_one_logit_a_class(kind, classes):
    assert kind(classes)(*PLANES).shape == (4, classes)


@ALL
@pytest.mark.parametrize("side", [28, 60])
def test_the_classifier_sees_5_by_5_cells_whatever_the_size(kind, side):
    network = kind(3)
    assert network(noise(2, 2, side, side), noise(2, 1, side, side)).shape == (2, 3)
    assert network.head.in_features == 32 * 5 * 5


@ALL
def test_every_parameter_is_taught(kind):
    assert untaught(kind(3), PLANES) == []


@ALL
def test_a_sample_in_eval_mode_has_one_answer(kind):
    assert_eval_repeats_and_ignores_the_batch(kind(3), PLANES)


def test_the_same_convolution_comes_again_with_the_same_weights():
    block = Recurrent(8).eval()
    x = noise(2, 8, 6, 6)
    calls = []
    block.again.register_forward_hook(lambda _, inputs, out: calls.append((inputs[0], out)))
    out = block(x)
    (first_in, first_out), (second_in, second_out) = calls
    torch.testing.assert_close(first_in, x + block.first(x))
    torch.testing.assert_close(second_in, x + first_out)
    assert torch.equal(out, second_out)


def test_shortcuts_add_all_that_was_before():
    block = Shortcuts(8).eval()
    x = noise(2, 8, 6, 6)
    y = block.first(x)
    z = block.again(x + y)
    e = block.again(x + y + z)
    torch.testing.assert_close(block(x), block.again(x + y + z + e))


def test_streams_look_1_2_and_3_px_apart():
    streams = RCNW(3).streams
    assert [stream[0].out_channels for stream in streams] == [16, 8, 8]
    for apart, (conv, *_) in zip((1, 2, 3), streams, strict=True):
        torch.nn.init.ones_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
        x = torch.zeros(1, 3, 60, 60, requires_grad=True)
        conv(x)[0, 0, 10, 10].backward()
        rows = x.grad[0, 0].any(1).nonzero().flatten().tolist()
        assert rows == [30 - apart, 30, 30 + apart]
        assert conv(x).shape[2:] == (20, 20)


def test_the_map_is_brightest_where_the_classifier_finds_most():
    features = torch.zeros(1, 2, 5, 5)
    features[0, :, 3, 1] = 1
    weight = torch.full((3, 2 * 25), 0.5)
    found = activation_map(features, weight)
    assert found.shape == (1, 1, 5, 5)
    assert found[0, 0, 3, 1] == 1
    assert found.sum() == 1


def test_each_class_has_its_own_say_in_the_map():
    """Of two classes that look at opposite corners, each lights one half."""
    weight = torch.zeros(2, 1, 5, 5)
    weight[0, 0, 0, 0] = weight[1, 0, 4, 4] = 7
    found = activation_map(torch.ones(1, 1, 5, 5), weight.flatten(1))
    assert found[0, 0, 0, 0] == found[0, 0, 4, 4] == 0.5
    assert found.sum() == 1


def test_a_face_without_motion_gives_numbers_and_a_gradient():
    """Where a map has no spread, theirs divides by zero."""
    features = torch.zeros(2, 4, 5, 5, requires_grad=True)
    found = activation_map(features, noise(3, 100))
    found.sum().backward()
    assert torch.equal(found, torch.zeros(2, 1, 5, 5))
    assert features.grad.isfinite().all()


def test_the_map_weighs_what_the_classifier_sees():
    network = RCNA(3).eval()
    torch.nn.init.zeros_(network.head.weight)  # no class prefers any place: the map is 0
    torch.nn.init.constant_(network.head.bias, 2.0)
    assert torch.equal(network(*PLANES), torch.full((4, 3), 2.0))
    torch.nn.init.normal_(network.head.weight)
    seen = {}
    network.head.register_forward_hook(lambda _, x, y: seen.update(head=x[0]))
    network.recurrent.register_forward_hook(lambda _, x, y: seen.update(stem=x[0], out=y))
    network(*PLANES)
    pool = torch.nn.functional.adaptive_avg_pool2d
    cells = pool(torch.nn.functional.max_pool2d(seen["out"], 2), 5)
    expected = cells * activation_map(pool(seen["stem"], 5), network.head.weight)
    torch.testing.assert_close(seen["head"], expected.flatten(1))


@ALL
def test_16_random_samples_are_learned_by_heart(kind):
    planes = (noise(16, 2, 28, 28), noise(16, 1, 28, 28, seed=1))
    assert learned(kind(3), planes, torch.arange(16) % 3, steps=40, rate=3e-3) == 1


@ALL
def test_folds_can_be_trained_side_by_side(kind):
    assert_folds_train_together(lambda: kind(3), PLANES)


@pytest.mark.parametrize("file", [rcn_a, rcn_s, rcn_w])
def test_it_takes_flow_and_strain_at_60_px(file):
    assert [(taken.feature, taken.size) for taken in file.MODEL.takes] == [
        ("flow", (60, 60)),
        ("strain", (60, 60)),
    ]
