import pytest
import torch

from tests.learning import parameters as count
from train.models.dianet import MODEL, CrossAttention, Exchange, tokens
from train.models.dianet_lite import MODEL as LITE

CLASSES = 4
pytestmark = pytest.mark.usefixtures("one_thread")


def lite(**changes):
    torch.manual_seed(0)
    return LITE.build(CLASSES, **changes)


def pictures(samples=4, side=56, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(samples, 3, side, side, generator=generator) for _ in range(2)]


@pytest.fixture(scope="module")
def full():
    torch.manual_seed(0)
    return MODEL.build(5).eval()


def test_it_takes_the_two_phases_of_the_recipe_dianet_in_this_order():
    assert [given.feature for given in MODEL.takes] == ["rise_image", "fall_image"]
    assert MODEL.recipe == LITE.recipe == "dianet"


def test_its_parameters_are_two_resnet_18_and_one_exchange_each_way(full):
    narrow = 512 * 256 + 256
    exchange = 3 * 2 * 256 + 4 * 256 * 256 + 256 + 2 * 256 * 512 + 512 + 256
    others = 49 * 256 + (512 * 256 + 256) + (512 * 5 + 5)  # places, gate, head
    assert count(full) == 2 * (11_176_512 + narrow + exchange) + others == 23_815_813


def test_the_lite_one_has_72_thousand_parameters():
    assert count(LITE.build(3)) == 72_419


def test_full_size_pictures_give_one_logit_a_class(full):
    with torch.inference_mode():
        logits = full(*pictures(1, side=224))
    assert logits.shape == (1, 5)
    assert logits.isfinite().all()


def test_every_parameter_gets_a_gradient_from_the_losses():
    network = lite().train()
    network.losses(pictures(), torch.arange(4), None).backward()
    grads = {name: p.grad for name, p in network.named_parameters()}
    assert [n for n, g in grads.items() if g is None or not g.any() or not g.isfinite().all()] == []


def test_in_eval_mode_it_repeats_itself_and_a_sample_does_not_depend_on_its_batch():
    network = lite().eval()
    rise, fall = pictures()
    torch.testing.assert_close(network(rise, fall), network(rise, fall), rtol=0, atol=0)
    torch.testing.assert_close(network(rise, fall)[:1], network(rise[:1], fall[:1]))


def test_attention_is_the_same_in_train_and_eval_mode():
    torch.manual_seed(0)
    attention = CrossAttention(8, 2)
    x, y = torch.randn(2, 2, 5, 8).unbind()
    torch.testing.assert_close(attention.train()(x, y), attention.eval()(x, y), rtol=0, atol=0)


def test_in_train_mode_logits_are_dropped_out():
    network = lite().train()
    assert not torch.equal(network(*pictures()), network(*pictures()))


def test_a_tag_in_one_place_comes_out_in_that_places_token_alone():
    maps = torch.zeros(2, 3, 7, 7)
    maps[1, 2, 4, 5] = 1.0
    found = tokens(maps)
    assert found.shape == (2, 49, 3)
    assert found.nonzero().tolist() == [[1, 4 * 7 + 5, 2]]


def test_heads_split_a_token_and_mix_no_two():
    attention = CrossAttention(6, 3)
    x = torch.zeros(2, 5, 6)
    x[1, 4, 3] = 1.0  # the second of head 1's two
    assert attention.split(x).shape == (2, 3, 5, 2)
    assert attention.split(x).nonzero().tolist() == [[1, 1, 4, 1]]


def test_49_tokens_ask_49_and_what_they_take_adds_up_to_one():
    network = lite().eval()
    seen = []
    for part in network.exchange:
        part.attention.register_forward_pre_hook(lambda part, given: seen.append((part, given)))
    network(*pictures(2))
    assert len(seen) == 2
    for part, (asking, asked) in seen:
        shares = part.shares(asking, asked)
        assert shares.shape == (2, 2, 49, 49)
        torch.testing.assert_close(shares.sum(-1), torch.ones(2, 2, 49))
        assert shares.std() > 1e-4  # no mean in disguise


def test_every_asked_token_changes_every_asking_one():
    torch.manual_seed(0)
    attention = CrossAttention(8, 2).double()
    asking, asked = (torch.randn(1, n, 8, dtype=torch.float64) for n in (4, 6))
    slopes = torch.autograd.functional.jacobian(lambda y: attention(asking, y), asked)
    assert slopes[0].abs().sum((1, 4)).squeeze().gt(1e-9).all()  # (4 asking, 6 asked)


def test_the_order_of_the_asked_does_not_matter_and_that_of_the_asking_is_kept():
    torch.manual_seed(0)
    attention = CrossAttention(8, 2)
    asking, asked = torch.randn(2, 2, 6, 8).unbind()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    found = attention(asking, asked)
    torch.testing.assert_close(attention(asking, asked[:, order]), found)
    torch.testing.assert_close(attention(asking[:, order], asked), found[:, order])


def test_a_share_is_the_softmax_of_products_over_the_root_of_a_heads_width():
    attention = CrossAttention(4, 1)
    for part in (attention.query, attention.key):
        part.weight.data = torch.eye(4)
    asked = torch.tensor([[[2.0, 0, 0, 0], [0, 3.0, 0, 0]]])
    shares = attention.shares(torch.ones(1, 1, 4), asked)[0, 0, 0]
    torch.testing.assert_close(shares, torch.tensor([2.0 / 2, 3.0 / 2]).softmax(0))


def test_sharp_attention_fetches_the_one_token_that_matches():
    attention = CrossAttention(4, 1)
    for part in (attention.query, attention.key, attention.value, attention.answer):
        part.weight.data = torch.eye(4)
    attention.answer.bias.data.zero_()
    asked = torch.eye(4)[None]
    asking = 100 * asked[:, [2]]
    torch.testing.assert_close(attention(asking, asked), asked[:, [2]])


def test_both_phases_ask_at_once():
    """Given equal halves, neither is heard after it has already listened."""
    network = lite().eval()
    for apart in ("narrow", "exchange"):
        first, second = getattr(network, apart)
        second.load_state_dict(first.state_dict())
    network.fall.load_state_dict(network.rise.state_dict())
    rise, fall = pictures()
    there = torch.ones(4, 1, 1)
    a, b = network.phases(rise, fall, there)
    b_too, a_too = network.phases(fall, rise, there)
    torch.testing.assert_close(a, a_too)
    torch.testing.assert_close(b, b_too)


def test_places_are_told_apart():
    """Without places, attention and the mean over tokens could not see where motion is."""
    network = lite().eval()
    rise, fall = (torch.zeros(1, 3, 7, 7), torch.ones(1, 3, 7, 7))
    network.rise = network.fall = torch.nn.Conv2d(3, 64, 1)
    rise[..., 1, 1] = 5.0
    elsewhere = rise.roll((3, 3), (2, 3))
    assert not torch.allclose(network(rise, fall), network(elsewhere, fall), atol=1e-6)
    with torch.no_grad():
        network.place.zero_()
    torch.testing.assert_close(network(rise, fall), network(elsewhere, fall))


def test_where_there_is_no_other_phase_nothing_is_heard_of_it():
    torch.manual_seed(0)
    exchange = Exchange(8, 2, 16)
    own, other, another = torch.randn(3, 2, 5, 8).unbind()
    there = torch.tensor([1.0, 0.0])[:, None, None]
    one, two = exchange(own, other, there), exchange(own, another, there)
    assert not torch.allclose(one[0], two[0])
    torch.testing.assert_close(one[1], two[1], rtol=0, atol=0)


def test_a_clip_without_a_fall_is_judged_by_its_rise_alone():
    network = lite().eval()
    rise, fall = pictures()
    fall[2] = 0
    before = network(rise, fall)
    with torch.no_grad():
        for parameter in [*network.fall.parameters(), *network.narrow[1].parameters()]:
            parameter.add_(0.3)
        for parameter in network.exchange[1].parameters():
            parameter.add_(0.3)
    after = network(rise, fall)
    torch.testing.assert_close(after[2], before[2], rtol=0, atol=0)
    assert all(not torch.allclose(after[n], before[n], atol=1e-4) for n in (0, 1, 3))


def test_a_fall_that_is_barely_there_is_heard():
    network = lite().eval()
    rise, fall = pictures()
    fall = 0 * fall
    without = network(rise, fall)
    fall[1, 2, 30, 30] = 1e-3
    assert not torch.allclose(network(rise, fall)[1], without[1], atol=1e-3)


def test_the_phases_are_no_two_names_of_one():
    network = lite().eval()
    rise, fall = pictures()
    assert not torch.allclose(network(rise, fall), network(fall, rise))


def test_classes_weigh_in_the_loss():
    network = lite(smoothing=0.0).eval()
    truth = torch.arange(4)
    only = torch.tensor([0.0, 0.0, 1.0, 0.0])
    wanted = -network(*pictures()).log_softmax(1)[2, 2]
    torch.testing.assert_close(network.losses(pictures(), truth, only), wanted)


def test_labels_are_smoothed():
    network = lite(smoothing=1.0).eval()
    wanted = -network(*pictures()).log_softmax(1).mean()
    torch.testing.assert_close(network.losses(pictures(), torch.arange(4), None), wanted)


@pytest.mark.slow
def test_it_learns_16_random_samples_by_heart():
    network = lite(dropout=0.0).train()
    inputs = pictures(16)
    truth = torch.randint(CLASSES, (16,), generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(25):
        loss = network.losses(inputs, truth, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network.eval()(*inputs).argmax(1) == truth).all()
