import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tests.net_facts import noise
from train.models.attention import Attention, Layer


@pytest.fixture(autouse=True)
def one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def test_it_is_what_torch_computes():
    attention = Attention(12, heads=3)
    x = noise(2, 5, 12)
    query, key, value = attention.split(x)
    assert query.shape == (2, 3, 5, 4)
    mixed = scaled_dot_product_attention(query, key, value)
    expected = attention.answer(mixed.transpose(1, 2).reshape(2, 5, 12))
    torch.testing.assert_close(attention(x), expected)


def test_a_head_has_its_own_share_of_the_channels():
    attention = Attention(12, heads=3)
    asked = attention.ask(noise(2, 5, 12))  # query, key, value of 12 each
    for number, part in enumerate(attention.split(noise(2, 5, 12))):
        for head in range(3):
            start = 12 * number + 4 * head
            assert torch.equal(part[:, head], asked[:, :, start : start + 4])


def test_the_weights_of_a_token_sum_to_1_over_all_tokens():
    weights = Attention(12, heads=3).weights(noise(2, 5, 12))
    assert weights.shape == (2, 3, 5, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5))


def test_the_weights_are_those_it_answers_with():
    attention = Attention(12, heads=3)
    x = noise(2, 5, 12)
    mixed = attention.weights(x) @ attention.split(x)[2]
    torch.testing.assert_close(attention(x), attention.answer(mixed.transpose(1, 2).flatten(2)))


def test_every_token_hears_of_every_other():
    layer = Layer(12, heads=3, hidden=24)
    reached = torch.func.jacrev(lambda x: layer(x[None])[0].sum(1))(noise(5, 12))
    assert (reached.abs().sum(2) > 1e-6).all()  # (to, from)


def test_other_samples_are_not_heard_of():
    layer, x = Layer(12, heads=3, hidden=24), noise(2, 5, 12)
    changed = x.clone()
    changed[1, :, 0] += 3
    assert torch.equal(layer(x)[0], layer(changed)[0])
    assert not torch.allclose(layer(x)[1], layer(changed)[1])


def test_it_knows_no_order():
    layer, x = Layer(12, heads=3, hidden=24), noise(2, 5, 12)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order])


def test_a_width_that_the_heads_do_not_divide_leaves_some_over():
    assert Attention(256, heads=3).answer.in_features == 255
    assert Attention(256, heads=3)(noise(1, 4, 256)).shape == (1, 4, 256)


def test_dropout_falls_on_all_that_a_layer_adds():
    layer, x = Layer(12, heads=3, hidden=24, dropout=1.0), noise(2, 5, 12)
    assert torch.equal(layer.train()(x), x)
    assert not torch.allclose(layer.eval()(x), x)
