import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from features.flow import FlowConfig, flow

SIZE = 128


def textured(dx: float, dy: float) -> np.ndarray:
    """Onset and apex of a texture (3 px fine) that moves by (dx, dy) px, both off the grid."""
    noise = gaussian_filter(np.random.default_rng(3).standard_normal((SIZE + 40, SIZE + 40)), 3)
    noise = 128 + 40 * noise / noise.std()
    y, x = np.mgrid[:SIZE, :SIZE] + 20.3
    frames = [map_coordinates(noise, [y - sy, x - sx], order=5) for sx, sy in [(0, 0), (dx, dy)]]
    grey = np.rint(np.stack(frames)).clip(0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


@pytest.mark.parametrize(("dx", "dy"), [(0.3, 0), (-0.3, 0), (0, 0.5), (0, -2), (1.5, 0.7)])
def test_a_shift_is_recovered_with_its_sign_rightward_and_downward(dx, dy):
    u, v = flow(textured(dx, dy), FlowConfig())[:, 16:-16, 16:-16]
    assert u.mean() == pytest.approx(dx, abs=0.03)
    assert v.mean() == pytest.approx(dy, abs=0.03)
    assert np.hypot(u - dx, v - dy).mean() < 0.06


def test_two_equal_frames_have_no_flow():
    still = textured(0, 0)
    assert np.abs(flow(still, FlowConfig())).max() == 0


def test_red_weighs_more_than_blue_so_the_first_channel_is_red():
    """BGR given as RGB is a silent error: where red and blue disagree, red must win."""
    rightward, leftward = textured(1.0, 0), textured(-1.0, 0)
    frames = np.full_like(rightward, 128)
    frames[..., 0], frames[..., 2] = rightward[..., 0], leftward[..., 2]
    assert flow(frames, FlowConfig())[0, 16:-16, 16:-16].mean() > 0.2


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 32, 32, 3), np.uint8),
        np.zeros((2, 32, 32), np.uint8),
        np.zeros((2, 32, 32, 3), np.float32),
    ],
)
def test_anything_but_two_rgb_frames_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected \(2, H, W, 3\) uint8"):
        flow(wrong, FlowConfig())


def test_a_stride_beyond_the_patch_is_refused():
    with pytest.raises(ValueError, match="patch_stride is 9 px"):
        FlowConfig(patch_stride=9)
