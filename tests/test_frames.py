import numpy as np
import pytest

from features.frames import FramesConfig, frames

CLIP = np.random.default_rng(0).integers(0, 256, (9, 6, 5, 3)).astype(np.uint8)


def test_every_pixel_is_as_it_was():
    shown = frames(CLIP, FramesConfig())
    assert shown.shape == (9, 3, 6, 5)
    assert (shown == CLIP.transpose(0, 3, 1, 2)).all()
    assert (shown.astype(np.float16) == shown).all()  # nothing is lost in a store


def test_chosen_frames_go_from_the_first_to_the_last_at_equal_steps():
    chosen = frames(CLIP, FramesConfig(count=5))
    assert (chosen == frames(CLIP, FramesConfig())[[0, 2, 4, 6, 8]]).all()
    assert len(frames(CLIP[:3], FramesConfig(count=8))) == 8


def test_grey_is_luma():
    red = np.zeros((2, 4, 4, 3), np.uint8)
    red[..., 0] = 200
    shown = frames(red, FramesConfig(colour=False))
    assert shown.shape == (2, 1, 4, 4)
    assert shown == pytest.approx(0.299 * 200, abs=0.01)


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(ValueError, match="count is 1"):
        FramesConfig(count=1)
    with pytest.raises(ValueError, match=r"expected \(T, H, W, 3\)"):
        frames(CLIP[0], FramesConfig())
