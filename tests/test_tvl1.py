from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from features.tvl1 import tvl1
from features.tvl1_config import Tvl1Config
from tests.textures import SIZE, STILL, clip, error, inner, motion, truth

USUAL = Tvl1Config()
LIKE_OPENCV = Tvl1Config(scale_step=0.8, warps=5, iterations=30)


@pytest.mark.parametrize(
    "moved",
    [motion(0.3), motion(-1.5, 0.7), motion(5, -4), motion(turn=0.02), motion(stretch=0.03)],
)
def test_motion_is_recovered(moved):
    assert error(tvl1(*clip(STILL, moved), USUAL), truth(moved)) < 0.012


@pytest.mark.parametrize("moved", [motion(0.5, -0.3), motion(1.5, 0.7), motion(0.4, turn=0.015)])
def test_it_agrees_with_opencv_which_is_further_from_the_truth(moved):
    frames = np.rint(clip(STILL, moved))
    peer = cv2.optflow.DualTVL1OpticalFlow.create()
    theirs = np.moveaxis(peer.calc(*frames.astype(np.uint8), None), -1, 0)
    for config in (LIKE_OPENCV, USUAL):
        ours = tvl1(*frames, config)
        assert error(ours, theirs) < 0.05
        assert error(ours, truth(moved)) < error(theirs, truth(moved))


def test_in_noise_too_it_is_nearer_the_truth_than_opencv():
    moved = motion(0.5, -0.3)
    frames = np.rint(clip(STILL, moved, noise=2))
    peer = cv2.optflow.DualTVL1OpticalFlow.create()
    theirs = np.moveaxis(peer.calc(*frames.astype(np.uint8), None), -1, 0)
    assert error(tvl1(*frames, USUAL), truth(moved)) < error(theirs, truth(moved))


def test_two_equal_frames_have_no_flow():
    frame = clip(STILL)[0]
    assert np.abs(tvl1(frame, frame, USUAL)).max() < 1e-3


def test_one_wrong_pixel_in_thirty_matters_little():
    """The L1 in its name."""
    moved = motion(0.5)
    frames = clip(STILL, moved)
    rng = np.random.default_rng(0)
    frames[1][rng.random((SIZE, SIZE)) < 1 / 30] = 255
    assert error(tvl1(*frames, USUAL), truth(moved)) < 0.08


def test_an_edge_of_motion_stays_an_edge():
    """The TV in its name: the right half moves by 1 px."""
    still, moved = clip(STILL, motion(0, 1))
    frame = np.where(np.arange(SIZE) < SIZE // 2, still, moved).astype(np.float32)
    v = inner(tvl1(still, frame, USUAL))[1].mean(axis=0)
    assert_allclose(v[:40], 0, atol=0.05)
    assert_allclose(v[56:], 1, atol=0.05)


def test_less_attachment_is_smoother():
    frames = clip(STILL, STILL, noise=4)
    loose, tight = (
        inner(tvl1(*frames, replace(USUAL, attachment=weight))).std() for weight in (0.03, 0.3)
    )
    assert loose < tight / 2


@pytest.mark.parametrize(
    "settings",
    [
        {"scales": 1},
        {"scale_step": 0.8},
        {"warps": 1},
        {"iterations": 5},
        {"attachment": 0.05},
        {"tightness": 0.2},
        {"time_step": 0.1},
        {"median": 0},
        {"median": 3},
    ],
)
def test_every_setting_changes_the_flow(settings):
    frames = clip(STILL, motion(2.5, 1), noise=2)
    changed = tvl1(*frames, replace(USUAL, **settings))
    assert np.abs(tvl1(*frames, USUAL) - changed).max() > 1e-3


def test_scales_go_from_coarse_to_fine_and_stop_at_16_px():
    assert Tvl1Config(scales=3).sizes(128, 100) == [(32, 25), (64, 50), (128, 100)]
    assert Tvl1Config(scales=9).sizes(64, 40) == [(32, 20), (64, 40)]
    assert Tvl1Config().sizes(12, 90) == [(12, 90)]


def test_frames_are_left_as_they_are():
    frames = clip(STILL, motion(0.5))
    before = frames.copy()
    tvl1(*frames, USUAL)
    assert_array_equal(frames, before)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scales": 0}, "scales 0, warps 2 and iterations 30 must be at least 1"),
        ({"warps": 0}, "must be at least 1"),
        ({"iterations": 0}, "must be at least 1"),
        ({"scale_step": 1.0}, r"scale_step is 1\.0"),
        ({"attachment": 0.0}, "must be above 0"),
        ({"tightness": -1.0}, "must be above 0"),
        ({"time_step": 0.3}, r"time_step is 0\.3"),
        ({"time_step": 0.0}, r"time_step is 0\.0"),
        ({"median": 7}, "median is 7 px"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Tvl1Config(**settings)
