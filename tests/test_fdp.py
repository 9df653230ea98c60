import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from features.dynamic_image import DynamicImageConfig, dynamic_image
from tests.learning import inputs, loss, parameters, without_gradient
from train.models.fdp import (
    FDP,
    FRAMES,
    Attention,
    DropPath,
    Global,
    Local,
    SegNet,
    rank_loss,
    standardised,
    step,
    stretched,
)

torch.set_num_threads(1)
TRUTH = torch.tensor([0, 1])
SHAPES = [(FRAMES, 1, 32, 32), (1, 12, 12)]


class Drawing(torch.nn.Sequential):
    """The least that draws."""

    def __init__(self, planes):
        super().__init__(step((planes, 4)), torch.nn.Conv2d(4, 1, 3, padding=1))


def network(**given):
    torch.manual_seed(0)
    small = {
        "stem_widths": (4, 4, 4, 8),
        "depths": (1, 2),
        "local_widths": (8, 16),
        "global_widths": (16, 32),
        "head_width": 4,
        "side": 12,
        "drawing": Drawing,
    }
    return FDP(3, **(small | given))


def clip(samples=2):
    return inputs(SHAPES, samples)[0]


def test_without_its_global_blocks_its_encoder_has_the_parameters_of_the_release():
    with torch.device("meta"):
        net = FDP(5)
    far = sum(parameters(block) for block in net.encoder[1] if isinstance(block, Global))
    more = (128 - 96) * 192 + (256 - 192) * 384 + (512 - 384) * 768  # a stage takes in more planes
    more += (1024 - 768) * (2 + 4096)  # and so do the last norm and the features
    assert parameters(net.encoder) - far - more == 54_952_448
    assert parameters(net.pool) + parameters(net.head) == 905_293


def test_its_drawing_branch_has_the_parameters_of_the_release_less_idle_biases():
    with torch.device("meta"):
        net, x = SegNet(8), torch.rand(2, 8, 64, 64)
        assert net(x).shape == (2, 1, 64, 64)
    normed = sum(layer.num_features for layer in net.modules() if hasattr(layer, "num_features"))
    assert parameters(net) == 29_446_465 - normed


def test_the_published_size_gives_logits_and_features_of_4096():
    with torch.device("meta"):
        net, x = FDP(5), torch.rand(2, FRAMES, 1, 64, 64)
        assert net.features(x).shape == (2, FRAMES, 4096)
        assert net(x).shape == (2, 5)


def test_every_stage_ends_with_a_global_block_that_works():
    with torch.device("meta"):
        kinds = "".join(type(block).__name__[0] for block in FDP(5).encoder[1])
    assert kinds == "LLLG" + "LLLLG" + 10 * "L" + "G" + "LLLG"
    net = network().eval()
    x = clip()
    before = net(x)
    for block in net.encoder[1]:
        if isinstance(block, Global):
            merge = block.attention[1].merge.weight
            kept = merge.data.clone()
            merge.data *= -3
            assert not torch.allclose(net(x), before, atol=1e-6)
            merge.data = kept


def test_every_frame_has_features_of_its_own():
    net = network().eval()
    frames = clip()
    frames[1, 5] = frames[1, 2]
    features = net.features(frames)
    torch.testing.assert_close(features[1, 5], features[1, 2])
    assert not torch.allclose(features[1, 5], features[1, 4])
    assert not torch.allclose(features[0, 5], features[0, 2])
    assert features.shape == (2, FRAMES, 144)


def test_a_frame_stays_a_plane_of_its_own_when_time_is_pooled():
    net = network()
    seen = []
    net.pool.register_forward_hook(lambda module, given, found: seen.append(given[0]))
    features = torch.zeros(2, FRAMES, 144)
    features[1, 5, 3 * 12 + 7] = 1
    net.pooled(features)
    assert seen[0].nonzero().tolist() == [[1, 5, 3, 7]]


def test_pooling_is_a_convolution_in_three_dimensions_as_long_as_the_clip():
    net = network()
    features = torch.rand(2, FRAMES, 144)
    volume = features.unflatten(2, (12, 12)).permute(0, 2, 3, 1)[:, None]  # time is the last axis
    weight = net.pool.weight.permute(0, 2, 3, 1)[:, None]  # 8 x 1 x 3 x 3 x 8
    pooled = torch.nn.functional.conv3d(volume, weight, net.pool.bias, padding=(1, 1, 0))
    torch.testing.assert_close(net.pooled(features), pooled[..., 0])


def test_the_order_of_the_frames_matters():
    net = network().eval()
    assert not torch.allclose(net(clip()), net(clip().flip(1)), atol=1e-5)


def test_recognition_and_drawing_share_what_is_pooled():
    net = network()
    seen = []
    for part in (net.head, net.drawing):
        part.register_forward_hook(lambda module, given, found: seen.append(given[0]))
    loss(net, inputs(SHAPES), TRUTH)
    assert seen[0] is seen[1]


def test_logits_do_not_depend_on_the_picture():
    net = network().eval()
    frames, picture = inputs(SHAPES)
    assert torch.equal(net(frames, picture), net(frames, torch.zeros_like(picture)))


def test_steady_light_does_not_matter_and_other_clips_do_not():
    net = network().eval()
    frames = clip()
    torch.testing.assert_close(net(0.5 * frames + 0.2), net(frames), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(net(frames[:1]), net(frames)[:1], rtol=1e-3, atol=1e-5)


def test_a_clip_is_standardised_as_a_whole_not_frame_by_frame():
    frames = clip()
    frames[:, 3] += 1
    found = standardised(frames)
    torch.testing.assert_close(found.mean((1, 2, 3, 4)), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.std((1, 2, 3, 4), correction=0), torch.ones(2))
    assert (found[:, 3].mean((1, 2, 3)) > 1).all()
    assert not standardised(torch.full((1, FRAMES, 1, 4, 4), 0.5)).any()


def test_the_picture_drawn_is_that_of_the_release_whatever_the_scale_of_the_store():
    frames = 255 * torch.rand(FRAMES, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([-8.4607, -1.4607, 1.0393, 2.0393, 2.2893, 2.0893, 1.5893, 0.875])
    pooled = torch.einsum("t,tcyx->cyx", weights, frames)
    release = (pooled - pooled.min()) / (pooled.max() - pooled.min())
    stored = torch.from_numpy(dynamic_image(frames.numpy(), DynamicImageConfig(form="harmonic")))
    torch.testing.assert_close(stretched(stored[None] / 255)[0], release, rtol=0, atol=1e-4)


def test_a_picture_of_nothing_is_drawn_as_nothing():
    assert not stretched(torch.full((1, 1, 4, 4), 0.3)).any()


def test_the_rank_loss_counts_pairs_out_of_order():
    in_order = torch.arange(8.0)[None]
    assert rank_loss(in_order) == 0
    assert rank_loss(torch.zeros(1, 8)) == 1
    pairs = np.array([j - i for i in range(8) for j in range(i + 1, 8)])
    assert rank_loss(-in_order).item() == pytest.approx(1 + pairs.mean())
    assert rank_loss(in_order / 2).item() == pytest.approx(0.5 * 7 / 28)
    swapped = in_order.clone()
    swapped[0, [2, 3]] = swapped[0, [3, 2]]
    assert rank_loss(swapped).item() == pytest.approx(2 / 28)


def test_the_three_losses_come_with_their_weights_and_classes_with_theirs():
    net = network().eval()
    x, weight = inputs(SHAPES), torch.tensor([1.0, 5.0, 1.0])
    features = net.features(x[0])
    recognised = cross_entropy(net(*x), TRUTH, weight)
    drawn = mse_loss(net.drawing(net.pooled(features)).sigmoid(), stretched(x[1]))
    ranked = rank_loss(net.scorer(features).squeeze(2))
    torch.testing.assert_close(
        net.losses(x, TRUTH, weight), recognised + 100 * drawn + 0.1 * ranked
    )
    plain = network(picture_weight=0.0, rank_weight=0.0).eval()
    torch.testing.assert_close(plain.losses(x, TRUTH, None), cross_entropy(net(*x), TRUTH))


def test_the_rank_loss_alone_teaches_the_order_of_frames_in_which_something_grows():
    net = network()
    first, last = clip(4)[:, :1], clip(4)[:, 1:2]
    frames = first + torch.linspace(0, 1, FRAMES).view(1, FRAMES, 1, 1, 1) * (last - first)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    losses = []
    for _ in range(30):
        scores = net.scorer(net.features(frames)).squeeze(2)
        losses.append(rank_loss(scores))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 4
    assert (scores[:, -1] > scores[:, 0]).all()


def test_every_parameter_learns_but_shifts_that_a_batch_norm_takes_out():
    net = network()
    for module in net.modules():
        if isinstance(module, DropPath):
            module.rate = 0.0  # what is left out now and then is not the same in all samples
    idle = set()
    for number, block in enumerate(net.encoder[1]):
        last = number + 1 == len(net.encoder[1])
        followed = last or type(net.encoder[1][number + 1]) is Global or type(block) is Global
        if followed:
            idle.add(f"encoder.1.{number}.perceptron.3.bias")
        if isinstance(block, Global):
            at = f"encoder.1.{number}"
            idle |= {f"{at}.embed.1.bias", f"{at}.attention.1.key_value.bias"}
            idle |= {f"{at}.attention.1.merge.bias"}
    assert without_gradient(net, SHAPES) == idle


def test_every_parameter_of_the_published_drawing_branch_learns():
    torch.manual_seed(0)
    net = SegNet(2)
    net(torch.rand(2, 2, 64, 64)).square().mean().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in net.parameters())


def test_the_drawing_branch_puts_a_value_back_where_it_was_the_greatest():
    seen = []
    with torch.device("meta"):
        net, x = SegNet(8), torch.rand(2, 8, 64, 64)
        for layer in (*net.down, *net.up):
            layer.register_forward_hook(lambda m, given, found: seen.append(given[0].shape[2]))
        net(x)
    assert seen == [64, 32, 16, 8, 4, 4, 8, 16, 32, 64]


@pytest.mark.parametrize("side", [2, 4, 8, 16])
def test_every_place_asks_four_averages_and_is_changed_by_the_farthest_place(side):
    torch.manual_seed(0)
    attention, x = Attention(8, 4), torch.rand(1, 8, side, side)
    seen = []
    attention.key_value.register_forward_hook(lambda m, given, found: seen.append(given[0].shape))
    before = attention(x)
    assert seen == [(1, 4, 8)]
    change = x.clone()
    change[:, :, -1, -1] += 3
    assert (attention(change) - before)[0, :, 0, 0].abs().max() > 1e-4
    assert not torch.allclose(before[..., 0, 0], before[..., -1, -1])


def test_attention_on_four_places_is_that_of_torch():
    torch.manual_seed(0)
    attention, torchs = Attention(8, 4), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    torchs.in_proj_weight.data = torch.cat([attention.query.weight, attention.key_value.weight])
    torchs.in_proj_bias.data = torch.cat([attention.query.bias, attention.key_value.bias])
    torchs.out_proj = attention.merge
    x = torch.rand(2, 8, 2, 2)
    tokens = x.flatten(2).mT
    torch.testing.assert_close(attention(x).flatten(2).mT, torchs(tokens, tokens, tokens)[0])


def test_attention_does_not_care_for_the_order_of_four_places():
    attention, x = Attention(8, 4), torch.rand(2, 8, 2, 2)
    torch.testing.assert_close(attention(x.flip(2)), attention(x).flip(2))


def test_a_local_block_reaches_one_px_and_a_global_one_all():
    torch.manual_seed(0)
    for block, everywhere in ((Local(8, 8, 1, 0.0), False), (Global(8, 8, 2, 0.0), True)):
        block.eval()
        x = torch.rand(1, 8, 9, 9)
        before = block(x)
        x[:, :, 4, 4] += 3
        changed = (block(x) - before).abs().amax((0, 1)) > 1e-7
        assert bool(changed.all()) is everywhere
        if not everywhere:
            assert changed.nonzero().min() == 3
            assert changed.nonzero().max() == 5


def test_a_residual_branch_is_left_out_for_whole_samples_and_in_training_only():
    torch.manual_seed(0)
    drop, x = DropPath(0.25), torch.ones(1000, 2, 3, 3)
    kept = drop(x)
    assert sorted(set(kept.flatten().tolist())) == pytest.approx([0, 4 / 3])
    assert torch.equal(kept.amin((1, 2, 3)), kept.amax((1, 2, 3)))
    assert kept.mean().item() == pytest.approx(1, abs=0.1)
    assert torch.equal(drop.eval()(x), x)


def test_residual_branches_are_left_out_more_often_the_deeper_they_lie():
    with torch.device("meta"):
        rates = [block.drop.rate for block in FDP(5).encoder[1]]
    np.testing.assert_allclose(rates, np.linspace(0, 0.1, 24), atol=1e-7)


def test_in_eval_mode_it_answers_the_same_twice():
    net = network().eval()
    assert torch.equal(net(clip()), net(clip()))


def test_all_frames_of_a_clip_lose_a_branch_together():
    torch.manual_seed(0)
    kept = DropPath(0.5).train()(torch.ones(64 * 8, 1, 1, 1)).view(64, 8)
    assert (kept == kept[:, :1]).all()
    assert sorted(set(kept.flatten().tolist())) == [0, 2]
    assert 16 < (kept[:, 0] == 0).sum() < 48
