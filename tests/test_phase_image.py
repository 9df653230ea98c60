import pytest
import torch
from torch.nn.functional import one_hot

from tests.net_facts import learned
from train.models.base import load
from train.models.phase_image import PhaseImage

LITE, CONTROL = load("phase_image_lite"), load("phase_image_control")
CLASSES = 3


def pictures(samples=6, seed=0, side=56):
    """Images of whole, rise and fall."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(samples, 3, side, side, generator=generator) for _ in range(3)]


class Tagged(PhaseImage):
    """Says the class that the picture's first value names: 0, 1 or 2."""

    def of_one(self, image):
        return 20 * one_hot(image[:, 0, 0, 0].long(), CLASSES).float()


def tagged(samples=200):
    """A network that tells which of the three it was shown: 0 whole, 1 rise, 2 fall backwards."""
    return Tagged(CLASSES, widths=(4,)), [
        torch.full((samples, 3, 2, 2), value) for value in (0.0, 1.0, -2.0)
    ]


def test_in_training_one_of_three_is_seen_by_its_odds():
    torch.manual_seed(0)
    network, images = tagged(20_000)
    seen = network.train()(*images).argmax(1)
    shares = torch.bincount(seen, minlength=3) / len(seen)
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.5, 0.3]), atol=0.02, rtol=0)


def test_afterwards_both_phases_count_and_the_whole_does_not():
    network, images = tagged(4)
    told = network.eval()(*images).softmax(1)
    torch.testing.assert_close(
        told, torch.tensor([[0.0, 0.5, 0.5]]).expand(4, -1), atol=1e-6, rtol=0
    )


def test_a_clip_without_a_fall_is_judged_by_its_rise():
    network, (whole, rise, fall) = tagged(4)
    told = network.eval()(whole, rise, torch.zeros_like(fall)).softmax(1)
    torch.testing.assert_close(told[:, 1], torch.ones(4), atol=1e-6, rtol=0)


def test_the_control_sees_the_whole_clip_alone():
    torch.manual_seed(0)
    network, images = CONTROL.build(CLASSES), pictures()
    for mode in (network.train(), network.eval()):
        for one in images[1:]:
            one.requires_grad_()
        mode(*images).sum().backward()
        assert [one.grad is None for one in images[1:]] == [True, True]


def test_it_has_the_parameters_of_one_stream_and_a_classifier():
    with torch.device("meta"):
        full = sum(p.numel() for p in load("phase_image").build(5).parameters())
    assert full == 11_176_512 + 512 * 5 + 5


@pytest.mark.parametrize("model", [LITE, CONTROL])
def test_sixteen_clips_are_learned_by_heart(model):
    torch.manual_seed(0)
    truth = torch.arange(16) % CLASSES
    images = pictures(16)
    for whole_rise_fall, sign in zip(images, (1, 1, -1), strict=True):
        whole_rise_fall += sign * truth.view(-1, 1, 1, 1)
    assert learned(model.build(CLASSES), images, truth, 80, 3e-3) == 1
