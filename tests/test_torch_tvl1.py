import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from features import tvl1 as numba_twin
from features.tvl1_config import Tvl1Config
from tests.textures import STILL, clip, error, motion, truth
from train.tvl1 import tvl1

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = Tvl1Config(iterations=8, median=0)
MOTIONS = [motion(0.5, -0.3), motion(turn=0.02), motion(2.5, 1)]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def pairs(noise: float = 1.0) -> np.ndarray:
    """(2, 3, H, W): three onsets, three apices."""
    shown = [clip(STILL, moved, noise=noise)[:, :100] for moved in MOTIONS]
    return np.stack(shown, axis=1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "config",
    [QUICK, Tvl1Config(scales=3, scale_step=0.7, iterations=5, median=3)],
)
def test_it_is_the_twin_of_the_one_without_torch(config, device):
    onsets, apices = pairs()
    seen = tvl1(torch.from_numpy(onsets).to(device), torch.from_numpy(apices).to(device), config)
    assert seen.shape == (3, 2, 100, 128)
    assert (seen.dtype, seen.device.type) == (torch.float32, device)
    for one, onset, apex in zip(seen.cpu().numpy(), onsets, apices, strict=True):
        assert_allclose(one, numba_twin.tvl1(onset, apex, config), atol=0.01)
        assert np.hypot(*(one - numba_twin.tvl1(onset, apex, config))).mean() < 1e-4


def test_motion_is_recovered():
    frames = torch.from_numpy(clip(STILL, MOTIONS[0]))
    seen = tvl1(frames[:1], frames[1:], Tvl1Config(median=3))[0].numpy()
    assert error(seen, truth(MOTIONS[0])) < 0.012


def test_a_pair_has_the_same_flow_alone_as_in_a_batch():
    onsets, apices = (torch.from_numpy(frames) for frames in pairs())
    together = tvl1(onsets, apices, QUICK)
    alone = tvl1(onsets[1:2], apices[1:2], QUICK)
    assert_allclose(together[1:2], alone, atol=1e-3)


@pytest.mark.parametrize("shapes", [((2, 32, 32), (3, 32, 32)), ((32, 32), (32, 32))])
def test_anything_but_two_batches_is_refused(shapes):
    with pytest.raises(ValueError, match=r"expected \(B, H, W\) twice"):
        tvl1(torch.zeros(shapes[0]), torch.zeros(shapes[1]), QUICK)
