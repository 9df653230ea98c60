import pytest
import torch

from tests.learning import parameters, without_gradient
from train.models.mmnet import MMNet, Position, TransformerBlock

torch.set_num_threads(1)
SMALL = {"size": 32, "stem": (6, 4), "widths": (4, 4, 6, 8), "depth": 1}
FRAMES = [(2, 3, 32, 32)]


def network(**given):
    torch.manual_seed(0)
    return MMNet(3, **(SMALL | given))


def frames(samples=2):
    return torch.rand(samples, 2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_it_has_the_parameters_that_the_release_uses():
    with torch.device("meta"):
        net = MMNet(5)
    position = parameters(net.position)
    assert (parameters(net), position) == (9_438_841, 6_408_192)


def test_its_maps_are_as_large_as_published():
    with torch.device("meta"):
        net, x = MMNet(5), torch.rand(2, 2, 3, 224, 224)
        sizes = []
        y = net.stem(x[:, 0])
        attention = None
        for block in net.blocks:
            y, attention = block(y, attention)
            assert attention.shape == (2, 1, *y.shape[2:])
            sizes.append(tuple(y.shape[1:]))
        assert net(x).shape == (2, 5)
    assert sizes == [(128, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14)]


def test_the_main_branch_sees_only_what_differs():
    net, x = network().eval(), frames()
    face = torch.rand(3, 32, 32)
    torch.testing.assert_close(net.motion(x + face), net.motion(x))
    assert not torch.allclose(net(x + face), net(x))  # the position branch sees the face


def test_a_face_that_does_not_move_gives_the_main_branch_nothing_to_tell_it_by():
    net, x = network().eval(), frames()
    still = torch.stack([x[:, 0], x[:, 0]], dim=1)
    first, second = net.motion(still)
    torch.testing.assert_close(first, second)


def test_the_position_branch_sees_the_onset_alone():
    net, x = network().eval(), frames()
    onset = x.clone()
    onset[:, 0] = 0.5
    seen = []
    net.position.register_forward_hook(lambda module, given, found: seen.append(found))
    net(x)
    x[:, 1] = 0.5
    net(x)
    net(onset)
    torch.testing.assert_close(seen[0], seen[1])
    assert not torch.allclose(seen[0], seen[2])


def test_colours_are_scaled_as_the_release_scales_them():
    net = network()
    seen = []
    net.position.register_forward_hook(lambda module, given, found: seen.append(given[0]))
    net.stem.register_forward_hook(lambda module, given, found: seen.append(given[0]))
    x = torch.zeros(2, 2, 3, 32, 32)
    x[:, 0] = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    x[:, 1] = x[:, 0] + torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    net(x)
    difference, onset = seen
    torch.testing.assert_close(difference, torch.ones_like(difference))
    torch.testing.assert_close(onset, torch.zeros_like(onset))


def test_attention_goes_on_from_block_to_block():
    net = network().eval()
    x, before = net.blocks[0](net.stem(frames()[:, 0]), None)
    none, own = net.blocks[1](x, torch.zeros_like(before))
    assert not none.any()
    assert not own.any()
    maps, first = net.blocks[1](x, torch.ones_like(before))
    assert 0 < first.min() < first.max() < 1
    spot = torch.zeros_like(before)
    spot[..., 4, 6] = 1  # the largest of 3 x 3 px, every second one
    _, second = net.blocks[1](x, spot)
    assert second[0, 0].nonzero().tolist() == [[2, 3]]
    torch.testing.assert_close(second[..., 2, 3], first[..., 2, 3])
    torch.testing.assert_close(
        net.blocks[1](x, before)[0], maps * torch.nn.functional.max_pool2d(before, 3, 2, 1)
    )


def test_a_token_is_one_place_of_the_face_row_by_row():
    branch = Position(side=4, width=8, depth=0).eval()
    branch.norm = torch.nn.Identity()
    x = torch.rand(1, 3, 64, 64)
    before = branch(x)
    x[:, :, 16:32, 48:64] += 1
    changed = (branch(x) - before).abs().sum((0, 1))
    assert changed.nonzero().tolist() == [[1, 3]]
    with torch.no_grad():
        before = branch(x)
        branch.where[4 * 2 + 1] += 1  # row 2, column 1
    changed = (branch(x) - before).abs().sum((0, 1))
    assert changed.nonzero().tolist() == [[2, 1]]


def test_each_token_is_the_mean_of_its_patch():
    branch = Position(side=2, width=8, depth=0)
    x = torch.rand(1, 3, 32, 32)
    means = x.unflatten(3, (2, 16)).unflatten(2, (2, 16)).mean((3, 5))
    torch.testing.assert_close(branch(x), branch(means))


@pytest.mark.parametrize("part", ["block", "branch"])
def test_attention_is_over_all_places_and_mixes_them(part):
    torch.manual_seed(0)
    if part == "block":
        x = torch.rand(1, 16, 8)
        block = TransformerBlock(8, heads=4)
        far, change = block(x), x.clone()
        change[:, 13] = -change[:, 13]
        assert (block(change) - far)[0, 2].abs().max() > 1e-4
    else:
        branch, x = Position(side=14, width=8, depth=1), torch.rand(1, 3, 14, 14)
        far, change = branch(x), x.clone()
        change[:, :, 13, 13] += 1
        assert ((branch(change) - far).abs().amax((0, 1)) > 1e-9).all()


def test_attention_without_positions_does_not_care_for_the_order_of_places():
    block, x = TransformerBlock(8, heads=4), torch.rand(2, 16, 8)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(x[:, order]), block(x)[:, order])


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    attention = TransformerBlock(8, heads=4).attention
    torchs = torch.nn.MultiheadAttention(8, 4, batch_first=True)
    torchs.in_proj_weight, torchs.in_proj_bias = attention.qkv.weight, attention.qkv.bias
    torchs.out_proj = attention.merge
    x = torch.rand(2, 5, 8)
    torch.testing.assert_close(attention(x), torchs(x, x, x)[0])


def test_every_parameter_learns():
    assert without_gradient(network(), FRAMES) == set()


def test_in_eval_mode_it_answers_the_same_twice_and_keeps_no_statistics():
    net, x = network().eval(), frames()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert torch.equal(net(x), net(x))
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
