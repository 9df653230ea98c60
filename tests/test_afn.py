import math

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

from tests.learning import parameters as count
from train.models.afn import AFN, MODEL, AdaptiveFusion
from train.models.afn_lite import MODEL as LITE
from train.models.resnet import Backbone
from train.models.streams import stream

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


def test_it_takes_the_two_images_of_the_recipe_afn_in_this_order():
    assert [given.feature for given in MODEL.takes] == ["trdi", "midi"]
    assert MODEL.recipe == LITE.recipe == "afn"


def test_it_is_two_resnet_18_and_little_else(full):
    fusion = 1024 * 128 + 128 + 128 * 1024 + 1024 + 2 * 7 * 7 + 1
    heads = 3 * (512 * 5 + 5)
    assert count(full.trdi) == count(full.midi) == 11_176_512  # torchvision's, no classifier
    assert count(full) == 2 * 11_176_512 + fusion + heads == 22_624_114


def test_the_lite_one_has_56_thousand_parameters():
    stages = 9 * (3 * 16 + 16 * 32 + 32 * 64) + 2 * (16 + 32 + 64)
    fusion = 128 * 32 + 32 + 32 * 128 + 128 + 2 * 7 * 7 + 1
    assert count(LITE.build(3)) == 2 * stages + fusion + 3 * (64 * 3 + 3) == 56_428


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
    trdi, midi = pictures()
    torch.testing.assert_close(network(trdi, midi), network(trdi, midi), rtol=0, atol=0)
    torch.testing.assert_close(network(trdi, midi)[:1], network(trdi[:1], midi[:1]))


def test_in_train_mode_logits_are_dropped_out():
    network = lite().train()
    assert not torch.equal(network(*pictures()), network(*pictures()))


def test_without_dropout_train_mode_differs_by_batch_statistics_alone():
    network = lite(dropout=0.0)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0  # running statistics become those of this very batch
    trdi, midi = pictures(64)
    trained = network.train()(trdi, midi)
    torch.testing.assert_close(network.eval()(trdi, midi), trained, rtol=0.02, atol=0.02)


def test_the_two_shares_of_a_map_add_up_to_one():
    torch.manual_seed(0)
    first, second = torch.randn(2, 2, 16, 7, 7).unbind()
    shares = AdaptiveFusion(16, 8).shares(first, second)
    assert shares.shape == (2, 2, 16)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 16))
    assert shares.std() > 0.01  # and are no constant


def test_streams_that_agree_are_fused_to_what_they_agree_on():
    torch.manual_seed(0)
    fusion = AdaptiveFusion(16, 8)
    maps = torch.rand(2, 16, 7, 7)
    mask = fusion(maps, maps) / maps
    torch.testing.assert_close(mask, mask[:, :1].expand_as(mask))  # a mask of places, no more
    assert ((mask > 0) & (mask < 1)).all()


def test_a_share_moves_its_map_from_one_stream_to_the_other():
    torch.manual_seed(0)
    fusion = AdaptiveFusion(16, 8)
    last = fusion.weigh[-1]
    last.weight.data.zero_()
    last.bias.data.zero_()
    last.bias.data[3] = 50.0  # map 3 of the first stream
    last.bias.data[16 + 5] = 50.0  # map 5 of the second stream
    fusion.place.weight.data.zero_()
    fusion.place.bias.data.zero_()
    first, second = torch.rand(2, 2, 16, 7, 7).unbind()
    found = 2 * fusion(first, second)  # half of it: the mask is 1/2
    torch.testing.assert_close(found[:, 3], first[:, 3])
    torch.testing.assert_close(found[:, 5], second[:, 5])
    torch.testing.assert_close(found[:, 0], (first[:, 0] + second[:, 0]) / 2)


def test_what_the_mask_sees_at_one_place_reaches_7_by_7_places_around_it():
    torch.manual_seed(0)
    fusion = AdaptiveFusion(4, 2)
    still = torch.zeros(1, 2, 15, 15)
    tagged = still.clone()
    tagged[0, :, 7, 7] = 1.0
    with torch.inference_mode():
        changed = (fusion.place(tagged) != fusion.place(still))[0, 0].nonzero()
    assert changed.min(0).values.tolist() == [4, 4]
    assert changed.max(0).values.tolist() == [10, 10]


def test_each_picture_goes_through_its_own_stream():
    network = lite().eval()
    trdi, midi = pictures()
    assert not torch.allclose(network(trdi, midi), network(midi, trdi))
    assert not torch.allclose(network(trdi, midi), network(trdi, 0 * midi))
    assert not torch.allclose(network(trdi, midi), network(0 * trdi, midi))


def test_a_smaller_picture_change_is_not_scaled_up():
    """Amplitude is information: half the motion is not made the same picture."""
    network = lite().eval()
    trdi, midi = pictures()
    assert not torch.allclose(network(trdi, midi), network(trdi / 2, midi / 2), atol=1e-3)


def test_its_loss_is_three_cross_entropies():
    network = lite(dropout=0.0, smoothing=0.0, alone=0.3).eval()
    inputs, truth, weight = pictures(), torch.arange(4), torch.tensor([1.0, 2.0, 3.0, 4.0])
    apart = [
        head(one(x).mean((2, 3)))
        for head, one, x in zip(
            network.heads_alone, (network.trdi, network.midi), inputs, strict=True
        )
    ]
    wanted = cross_entropy(network(*inputs), truth, weight)
    wanted = wanted + 0.3 * sum(cross_entropy(logits, truth, weight) for logits in apart)
    torch.testing.assert_close(network.losses(inputs, truth, weight), wanted)


def test_labels_are_smoothed():
    truth = torch.arange(4)
    network = lite(smoothing=1.0, alone=0.0).eval()  # nothing but the spread share is left
    wanted = -network(*pictures()).log_softmax(1).mean()
    torch.testing.assert_close(network.losses(pictures(), truth, None), wanted)


def test_both_streams_start_from_the_users_file(tmp_path):
    torch.manual_seed(0)
    given = Backbone().state_dict()
    path = tmp_path / "resnet18.safetensors"
    save_file(given, path)
    network = AFN(3, weights=path)
    for part in (network.trdi, network.midi):
        for name, value in part.state_dict().items():
            torch.testing.assert_close(value, given[name], rtol=0, atol=0)
    with torch.no_grad():
        network.trdi.conv1.weight.zero_()
    assert network.midi.conv1.weight.any()  # from then on, each goes its own way


def test_a_file_of_resnet_18_is_refused_for_smaller_streams(tmp_path):
    with pytest.raises(ValueError, match="fit no stream of widths"):
        stream((16, 32), tmp_path / "any.safetensors")


def test_a_stream_of_n_convolutions_shrinks_n_times():
    part, width = stream((4, 8, 6), None)
    assert width == 6
    assert part(torch.zeros(1, 3, 56, 56)).shape == (1, 6, 7, 7)


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
    assert math.isfinite(loss.item())
    assert (network.eval()(*inputs).argmax(1) == truth).all()
