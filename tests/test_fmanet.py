import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from features.mm_cof import MmCofConfig, mm_cof
from tests.learning import parameters as count
from train.models.fmanet import MODEL, FusionAttention, Modulation, focal, normalised
from train.models.fmanet_lite import MODEL as LITE

CLASSES = 4
pytestmark = pytest.mark.usefixtures("one_thread")


def lite(**changes):
    torch.manual_seed(0)
    return LITE.build(CLASSES, **changes)


def flows(samples=4, side=28, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(samples, 2, side, side, generator=generator) for _ in range(2)]


@pytest.fixture(scope="module")
def full():
    torch.manual_seed(0)
    return MODEL.build(5).eval()


def test_it_takes_the_two_flows_of_the_recipe_fmanet_in_this_order():
    assert [given.feature for given in MODEL.takes] == ["rise_flow", "fall_flow"]
    assert MODEL.recipe == LITE.recipe == "fmanet"
    assert all(given.per_width for given in MODEL.takes)  # px


def test_the_modulation_of_both_phases_is_8_numbers(full):
    assert [count(stem[0]) for stem in (full.rise, full.fall)] == [4, 4]


def test_its_trunk_is_the_last_three_layers_of_resnet_18_the_last_narrower(full):
    first, second, third = (count(part) for part in full.trunk)
    assert (first, second) == (525_568, 2_099_712)  # torchvision's layer2 and layer3
    assert third == 4 * 9 * 256**2 + 256**2 + 5 * 2 * 256


def test_it_has_5_million_parameters_and_the_lite_one_37_thousand(full):
    stems = 2 * (4 + 9 * 3 * 32 + 2 * 32 + 9 * 32 * 64 + 2 * 64)
    fusion = (192 * 64 + 64) + (64 * 2 + 2) + 2 * (2 * 64 * 16 + 16 + 64) + (2 * 7 * 7 + 1)
    assert count(full) == stems + fusion + count(full.trunk) + 256 * 5 + 5 == 5_109_778
    assert count(LITE.build(3)) == 37_240


def test_full_size_flows_give_one_logit_a_class(full):
    with torch.inference_mode():
        logits = full(*flows(1, side=112))
    assert logits.shape == (1, 5)
    assert logits.isfinite().all()


def test_every_parameter_gets_a_gradient_from_the_losses():
    network = lite().train()
    network.losses(flows(), torch.arange(4), None).backward()
    grads = {name: p.grad for name, p in network.named_parameters()}
    assert [n for n, g in grads.items() if g is None or not g.any() or not g.isfinite().all()] == []


def test_a_flow_of_nothing_gives_finite_gradients():
    network = lite().train()
    rise, fall = flows()
    rise[0], fall[0], fall[1] = 0, 0, 0
    network.losses((rise, fall), torch.arange(4), None).backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_in_eval_mode_it_repeats_itself_and_a_sample_does_not_depend_on_its_batch():
    network = lite().eval()
    rise, fall = flows()
    torch.testing.assert_close(network(rise, fall), network(rise, fall), rtol=0, atol=0)
    torch.testing.assert_close(network(rise, fall)[:1], network(rise[:1], fall[:1]))


def test_modulation_and_fusion_are_the_same_in_train_and_eval_mode():
    torch.manual_seed(0)
    (rise, fall), there = flows(), torch.ones(4)
    modulation, fusion = Modulation(), FusionAttention(2, 2)
    found = [
        (part.train()(*given), part.eval()(*given))
        for part, given in ((modulation, (rise,)), (fusion, (rise, fall, there)))
    ]
    for trained, tested in found:
        torch.testing.assert_close(trained, tested, rtol=0, atol=0)


def test_in_train_mode_logits_are_dropped_out():
    network = lite().train()
    assert not torch.equal(network(*flows()), network(*flows()))


def test_a_range_is_that_of_numpys_percentiles():
    magnitude = torch.rand(3, 12, 9, generator=torch.Generator().manual_seed(0)) * 7
    for one, given in zip(normalised(magnitude), magnitude, strict=True):
        least, most = np.percentile(given.numpy(), [5, 99])
        wanted = ((given.numpy() - least) / (most - least)).clip(0, 1)
        np.testing.assert_allclose(one.numpy(), wanted, atol=1e-5)


def test_in_a_flow_of_one_length_nothing_stands_out():
    assert not normalised(torch.full((2, 6, 6), 3.0)).any()


def test_the_gate_begins_as_that_of_mm_cof():
    """Of one phase, MM-COF's modulated magnitude is M times this gate, no more than 1."""
    rise = np.random.default_rng(0).normal(size=(2, 24, 24)).astype(np.float32)
    config = MmCofConfig(theta=1.0, modulation="smooth")
    wanted = mm_cof(rise, np.zeros_like(rise), config)[2]
    magnitude = torch.from_numpy(np.hypot(*rise))[None]
    with torch.no_grad():
        found = (Modulation().gate(magnitude) * normalised(magnitude)).clamp(max=1)[0]
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-4)


def test_salient_motion_is_enhanced_and_weak_motion_suppressed():
    with torch.no_grad():
        gate = Modulation().gate(torch.linspace(0, 1, 101).view(1, 1, 101))[0, 0]
    assert gate.diff().min() >= 0
    assert gate[0] == pytest.approx(0.5, abs=0.01)
    assert gate[-1] == pytest.approx(1.5, abs=0.01)


def test_modulation_keeps_direction_and_adds_the_length():
    flow = flows(2)[0]
    with torch.no_grad():
        found = Modulation()(flow)
    torch.testing.assert_close(found[:, :2].square().sum(1).sqrt(), found[:, 2])
    torch.testing.assert_close(
        torch.atan2(found[:, 1], found[:, 0]), torch.atan2(flow[:, 1], flow[:, 0])
    )


def test_how_strong_a_motion_is_stays_known():
    flow = flows(2)[0]
    with torch.no_grad():
        modulation = Modulation()
        torch.testing.assert_close(modulation(2 * flow), 2 * modulation(flow))


def test_a_tag_in_one_place_is_modulated_in_that_place_alone():
    flow = torch.zeros(2, 2, 9, 9)
    flow[1, 0, 4, 6] = 2.0
    with torch.no_grad():
        found = Modulation()(flow)
    assert found.nonzero().tolist() == [[1, 0, 4, 6], [1, 2, 4, 6]]


def test_the_shares_of_the_phases_add_up_to_one_at_each_place():
    torch.manual_seed(0)
    shares = FusionAttention(4, 2).shares(torch.randn(3, 4, 5, 6), torch.ones(3))
    assert shares.shape == (3, 2, 5, 6)
    torch.testing.assert_close(shares.sum(1), torch.ones(3, 5, 6))
    assert shares.std() > 0.01


def test_without_a_fall_the_rise_has_the_whole_share():
    torch.manual_seed(0)
    shares = FusionAttention(4, 2).shares(torch.randn(2, 4, 5, 6), torch.tensor([1.0, 0.0]))
    assert (shares[1, 0] == 1).all()
    assert (shares[1, 1] == 0).all()
    assert (shares[0] < 1).all()


def test_phases_are_fused_place_by_place():
    """A tag in one place of a phase changes that place, and by the mask those 3 around it."""
    torch.manual_seed(0)
    fusion = FusionAttention(4, 2).eval()
    with torch.no_grad():
        fusion.place.weight.zero_()  # no mask
        for excite in fusion.channel:
            excite[2].weight.zero_()  # what is asked of the whole face
        rise, fall, there = torch.rand(1, 4, 9, 9), torch.rand(1, 4, 9, 9), torch.ones(1)
        tagged = fall.clone()
        tagged[0, 1, 2, 6] += 5.0
        changed = (fusion(rise, tagged, there) != fusion(rise, fall, there)).any(1)
    assert changed.nonzero().tolist() == [[0, 2, 6]]


def test_places_and_channels_are_attended_to():
    torch.manual_seed(0)
    fusion = FusionAttention(4, 2).eval()
    rise, fall = torch.rand(2, 1, 4, 9, 9).unbind()
    tagged = fall.clone()
    tagged[0, 1, 2, 6] += 5.0
    there = torch.ones(1)
    with torch.no_grad():
        changed = (fusion(rise, tagged, there) - fusion(rise, fall, there)).abs()[0]
    near = torch.zeros(9, 9, dtype=torch.bool)
    near[:6, 3:] = True  # 3 px around (2, 6): the mask
    assert changed[:, near].mean() > changed[:, ~near].mean()
    assert changed[:, ~near].gt(0).any()  # the channels' weights, of the whole face
    with torch.no_grad():
        fusion.place.weight.zero_()
        changed = (fusion(rise, tagged, there) - fusion(rise, fall, there)).abs()[0]
        changed[:, 2, 6] = 0
    assert changed[:, near].gt(0).any()


def test_the_formula_of_the_fusion():
    torch.manual_seed(0)
    fusion = FusionAttention(4, 2).eval()
    rise, fall = torch.rand(2, 3, 4, 6, 6).unbind()
    with torch.no_grad():
        seen = fusion.compare(torch.cat([rise, fall, (rise - fall).abs()], 1))
        share = fusion.shares(seen, torch.ones(3))
        mask = fusion.place(torch.stack([seen.mean(1), seen.amax(1)], 1)).sigmoid()
        one = fusion.channel[0](rise.mean((2, 3)))[..., None, None] * rise
        two = fusion.channel[1](fall.mean((2, 3)))[..., None, None] * fall
        wanted = mask * (share[:, :1] * one + share[:, 1:] * two) + (rise + fall) / 2
        torch.testing.assert_close(fusion(rise, fall, torch.ones(3)), wanted)


def test_a_clip_without_a_fall_is_judged_by_its_rise_alone():
    network = lite().eval()
    rise, fall = flows()
    fall[2] = 0
    before = network(rise, fall)
    with torch.no_grad():
        for parameter in [*network.fall.parameters(), *network.fusion.channel[1].parameters()]:
            parameter.add_(0.3)
    after = network(rise, fall)
    torch.testing.assert_close(after[2], before[2], rtol=0, atol=0)
    assert all(not torch.allclose(after[n], before[n], atol=1e-4) for n in (0, 1, 3))


def test_without_a_fall_the_mean_of_the_phases_is_the_rise():
    torch.manual_seed(0)
    fusion = FusionAttention(4, 2)
    rise, fall = torch.rand(2, 1, 4, 6, 6).unbind()
    with torch.no_grad():
        fusion.place.bias.fill_(-100.0)  # nothing is attended to
        fusion.place.weight.zero_()
        torch.testing.assert_close(fusion(rise, fall, torch.zeros(1)), rise)
        torch.testing.assert_close(fusion(rise, fall, torch.ones(1)), (rise + fall) / 2)


def test_a_return_along_the_same_way_does_not_cancel():
    """Rise and fall add up to no flow at all, yet not to what no motion gives."""
    network = lite().eval()
    rise, _ = flows()
    still = torch.zeros_like(rise)
    assert not torch.allclose(network(rise, -rise), network(still, still), atol=1e-3)
    assert not torch.allclose(network(rise, -rise), network(rise, still), atol=1e-3)


def test_focal_loss_without_focus_is_cross_entropy():
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    truth, weight = torch.tensor([0, 1, 2, 2, 1, 0]), torch.tensor([1.0, 2.0, 0.5])
    for told in (None, weight):
        torch.testing.assert_close(
            focal(logits, truth, told, 0.0), cross_entropy(logits, truth, told)
        )


def test_focal_loss_of_known_probabilities():
    logits = torch.tensor([[0.9, 0.1], [0.4, 0.6]]).log()
    truth = torch.tensor([0, 0])
    wanted = (-(0.1**2) * np.log(0.9) - 0.6**2 * np.log(0.4)) / 2
    assert focal(logits, truth, None, 2.0).item() == pytest.approx(wanted, rel=1e-5)


def test_its_loss_is_the_focal_one_with_the_classes_weights():
    network = lite(gamma=3.0).eval()
    truth, weight = torch.arange(4), torch.tensor([1.0, 2.0, 3.0, 4.0])
    wanted = focal(network(*flows()), truth, weight, 3.0)
    torch.testing.assert_close(network.losses(flows(), truth, weight), wanted)


@pytest.mark.slow
def test_it_learns_16_random_samples_by_heart():
    network = lite(dropout=0.0).train()
    inputs = flows(16)
    truth = torch.randint(CLASSES, (16,), generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(25):
        loss = network.losses(inputs, truth, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network.eval()(*inputs).argmax(1) == truth).all()
