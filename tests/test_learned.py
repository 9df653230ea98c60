from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from features.base import content_key, file_digest
from features.console import MerError
from features.learned import LearnedConfig, learned, read_weights, shapes

torch = pytest.importorskip("torch")
saving = pytest.importorskip("safetensors.numpy")
F = torch.nn.functional
RNG = np.random.default_rng(0)
WEIGHTS = {
    name: (RNG.normal(0, 0.7, shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    for name, shape in shapes().items()
}


def by_torch(frames: np.ndarray, gain: float) -> np.ndarray:
    """The network as its paper draws it, by torch's own layers: (H, W, 3) before clipping."""

    def conv(x, name, stride=1):
        kernel = torch.from_numpy(WEIGHTS[f"{name}.conv2d.weight"])
        edge = kernel.shape[-1] // 2
        return F.conv2d(F.pad(x, (edge,) * 4, mode="reflect"), kernel, stride=stride)

    def blocks(x, name, count):
        for k in range(count):
            x = x + conv(conv(x, f"{name}.{k}.cba_1").relu(), f"{name}.{k}.cba_2")
        return x

    x = torch.from_numpy(frames.transpose(0, 3, 1, 2).astype(np.float32)) / 127.5 - 1
    x = conv(conv(x, "encoder.cba_1").relu(), "encoder.cba_2", 2).relu()
    x = blocks(x, "encoder.resblks", 3)
    texture = blocks(conv(x, "encoder.texture_cba", 2).relu(), "encoder.texture_resblks", 2)[1:]
    onset, apex = blocks(conv(x, "encoder.motion_cba").relu(), "encoder.motion_resblks", 2)[:, None]
    x = conv((gain - 1) * conv(apex - onset, "manipulator.g").relu(), "manipulator.h_conv")
    inner = conv(x, "manipulator.h_resblk.cba_1").relu()
    moved = apex + x + conv(inner, "manipulator.h_resblk.cba_2")
    x = blocks(torch.cat([F.interpolate(texture, scale_factor=2), moved], 1), "decoder.resblks", 9)
    x = conv(F.interpolate(x, scale_factor=2), "decoder.cba_1").relu()
    return (conv(x, "decoder.cba_2")[0].permute(1, 2, 0).numpy() + 1) * 127.5


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, 28, 36, 3), dtype=np.uint8)


def test_the_network_has_as_many_numbers_as_the_published_checkpoint():
    assert sum(weight.size for weight in WEIGHTS.values()) == 877_968


def test_numpy_paints_what_torch_paints_at_every_gain(frames):
    painted = learned(frames, WEIGHTS, LearnedConfig((1.0, 4.0)))
    assert painted.shape == (2, 28, 36, 3)
    assert painted.dtype == np.float32
    for picture, gain in zip(painted, (1.0, 4.0), strict=True):
        expected = by_torch(frames, gain)
        assert ((expected > 0) & (expected < 255)).mean() > 0.3
        assert_allclose(picture, expected.clip(0, 255), atol=0.01)
    assert np.abs(painted[1] - painted[0]).max() > 1


def test_faces_of_any_size_are_painted_in_theirs(frames):
    painted = learned(frames[:, :25, :31], WEIGHTS, LearnedConfig((2.0,)))
    assert painted.shape == (1, 25, 31, 3)
    edge = np.pad(frames[:, :25, :31], ((0, 0), (0, 3), (0, 1), (0, 0)), mode="edge")
    assert_allclose(painted[0], by_torch(edge, 2)[:25, :31].clip(0, 255), atol=0.01)


def test_weights_are_read_from_a_file_whose_digest_is_in_the_key(tmp_path: Path):
    path = tmp_path / "weights.safetensors"
    saving.save_file({**WEIGHTS, "more": np.zeros(1)}, path)
    read = read_weights(path)
    assert read.keys() == WEIGHTS.keys()
    assert all((read[name] == WEIGHTS[name]).all() for name in read)
    usual = LearnedConfig()
    theirs = replace(usual, weights=file_digest(path))
    assert content_key("learned", 1, usual, []) != content_key("learned", 1, theirs, [])


def test_another_networks_weights_are_refused_by_the_first_that_does_not_fit(tmp_path: Path):
    path = tmp_path / "weights.safetensors"
    saving.save_file({**WEIGHTS, "manipulator.g.conv2d.weight": np.zeros((32, 32, 7, 7))}, path)
    with pytest.raises(MerError, match=r"no tensor manipulator.g.conv2d.weight of shape"):
        read_weights(path)
    path.write_bytes(b"not a network")
    with pytest.raises(MerError, match=r"weights.safetensors"):
        read_weights(path)
    with pytest.raises(MerError, match=r"none.safetensors"):
        read_weights(tmp_path / "none.safetensors")


def test_anything_but_two_rgb_frames_is_refused():
    with pytest.raises(ValueError, match=r"expected \(2, H, W, 3\) uint8"):
        learned(np.zeros((2, 8, 8), np.uint8), WEIGHTS, LearnedConfig())
    with pytest.raises(ValueError, match="gains are"):
        LearnedConfig((0.0,))
