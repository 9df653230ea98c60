from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from features.base import content_key
from features.clg import ClgConfig
from features.flow import METHODS, DisConfig, FlowConfig, flow
from features.tvl1_config import Tvl1Config
from pipeline import synthetic
from pipeline.datasets import demo
from pipeline.resample import cut
from tests.textures import SIZE, STILL, clip, error, inner, motion, rgb, truth

SLACK = {"clg": 0.01, "tvl1": 0.01, "dis": 0.03, "farneback": 0.02, "deepflow": 0.01,
         "pcaflow": 0.05, "rlof": 0.04}  # px, of error without noise  # fmt: skip


def of(method: str, **settings: str) -> FlowConfig:
    return FlowConfig(method=method, **settings)


def test_every_method_is_tested():
    assert SLACK.keys() == METHODS.keys()


@pytest.mark.parametrize(("dx", "dy"), [(0.3, 0), (-0.3, 0), (0, 0.5), (0, -2), (5.0, -4.0)])
def test_a_shift_is_recovered_with_its_sign_rightward_and_downward(dx, dy):
    moved = motion(dx, dy)
    assert error(flow(clip(STILL, moved), FlowConfig()), truth(moved)) < 0.01


@pytest.mark.parametrize("method", METHODS)
def test_every_method_puts_rightward_first_and_downward_second(method):
    moved = motion(0.7, -0.4)
    assert error(flow(rgb(clip(STILL, moved)), of(method)), truth(moved)) < SLACK[method]


@pytest.mark.parametrize("method", ["clg", "tvl1", "dis"])
@pytest.mark.parametrize("moved", [motion(turn=0.02), motion(stretch=0.02)])
def test_a_turn_and_a_stretch_are_recovered(method, moved):
    assert error(flow(rgb(clip(STILL, moved)), of(method)), truth(moved)) < SLACK[method]


@pytest.mark.parametrize("method", METHODS)
def test_two_equal_frames_have_no_flow(method):
    still = rgb(clip(STILL, STILL))
    most = 0.2 if method == "farneback" else 1e-3  # Farnebäck's turns at the corners
    assert np.abs(flow(still, of(method))).max() < most


def test_noise_alone_moves_nothing():
    assert error(flow(clip(STILL, STILL, noise=1.5), FlowConfig()), truth(STILL)) < 0.02


def test_the_default_errs_least_on_a_moving_face():
    """A clip of the demo, as cut out of it; what `benchmarks/flow.py` does with many."""
    plan = demo.plans()[6]
    shown = list(demo.frames(plan))
    scale = 0.9
    matrix = np.column_stack([scale * np.eye(2), 112 - scale * np.array(synthetic.CENTRE)])
    crop = np.stack([cut(shown[t], matrix, 224) for t in (0, plan.apex)])
    true = plan.flow_in_crop(matrix, 224)
    y, x = np.mgrid[:224, :224] - 112
    skin = np.hypot(x / 80, y / 95) < 1
    errors = {
        method: np.hypot(*(flow(crop, of(method)) - true))[skin].mean()
        for method in ("clg", "dis", "farneback", "pcaflow")
    }
    assert errors["clg"] < 0.03
    assert errors.pop("clg") < 0.75 * min(errors.values())


def test_red_weighs_more_than_blue_so_the_first_channel_is_red():
    """BGR given as RGB is a silent error: where red and blue disagree, red must win."""
    rightward, leftward = (rgb(clip(STILL, motion(dx))) for dx in (1.0, -1.0))
    frames = np.full_like(rightward, 128)
    frames[..., 0], frames[..., 2] = rightward[..., 0], leftward[..., 2]
    assert inner(flow(frames, FlowConfig()))[0].mean() > 0.2


MOTIONS = [motion(0.4 * t, -0.3 * t) for t in range(4)]


def test_from_the_first_frame_to_each_or_from_each_to_the_next():
    whole = clip(*MOTIONS)
    first, consecutive = flow(whole, FlowConfig()), flow(whole, FlowConfig(pairs="consecutive"))
    assert first.shape == consecutive.shape == (3, 2, SIZE, SIZE)
    assert_allclose(inner(first).mean((2, 3)), [(0.4 * t, -0.3 * t) for t in (1, 2, 3)], atol=0.01)
    assert_allclose(inner(consecutive).mean((2, 3)), [(0.4, -0.3)] * 3, atol=0.01)
    assert_array_equal(first[0], flow(whole[:2], FlowConfig()))


@pytest.mark.parametrize("method", ["clg", "tvl1", "dis", "rlof"])
def test_bytes_and_floats_of_the_same_value_have_the_same_flow(method):
    frames = rgb(clip(*MOTIONS[:2]))
    assert_array_equal(flow(frames, of(method)), flow(frames.astype(np.float32), of(method)))
    greys = frames[..., 0].astype(np.float32)
    assert np.abs(flow(frames, of(method)) - flow(greys, of(method))).max() < 1e-3


def test_floats_are_not_rounded():
    """A magnified frame moves by less than a grey level."""
    frames = 128 + (clip(STILL, motion(0.5)) - 128) / 300
    assert inner(flow(frames, of("tvl1", normalise="local")))[0].mean() > 0.02
    assert_array_equal(flow(np.rint(frames), of("tvl1", normalise="local")), 0)


RAMP = np.linspace(0.96, 1.04, SIZE, dtype=np.float32)
LIGHTS = {
    "gain": lambda apex: 1.05 * apex,
    "offset": lambda apex: apex + 8,
    "ramp": lambda apex: RAMP * apex,
    "all": lambda apex: 1.05 * RAMP * apex + 8,
}


@pytest.mark.parametrize("change", LIGHTS)
@pytest.mark.parametrize("method", ["clg", "tvl1", "dis", "deepflow"])
def test_light_that_changes_is_no_motion_in_local_contrast(method, change):
    onset, apex = clip(STILL, motion(0.5, 0.2), noise=1)
    seen = flow(np.stack([onset, LIGHTS[change](apex)]), of(method, normalise="local"))
    assert error(seen, truth(motion(0.5, 0.2))) < 0.03
    still = flow(np.stack([onset, LIGHTS[change](onset)]), of(method, normalise="local"))
    assert np.hypot(*inner(still)).mean() < 0.02


def test_local_contrast_loses_nothing_on_the_way_to_opencv():
    """It lies around 0, and OpenCV takes bytes."""
    frames = clip(STILL, motion(0.5, 0.2), noise=1)
    errors = [
        error(flow(frames, of("dis", normalise=how)), truth(motion(0.5, 0.2)))
        for how in ("none", "local")
    ]
    assert errors[1] < 1.2 * errors[0]


@pytest.mark.parametrize("change", LIGHTS)
def test_the_default_needs_no_normalisation(change):
    onset, apex = clip(STILL, motion(0.5, 0.2), noise=1)
    before = flow(np.stack([onset, apex]), FlowConfig())
    after = flow(np.stack([onset, LIGHTS[change](apex)]), FlowConfig())
    assert error(after, before) < 0.01


def test_exposure_undoes_a_gain_that_tv_l1_takes_for_motion():
    onset, apex = clip(STILL, motion(0.5, 0.2), noise=1)
    dimmed = np.stack([onset, 0.9 * apex])
    true = truth(motion(0.5, 0.2))
    assert error(flow(dimmed, of("tvl1")), true) > 0.2
    assert error(flow(dimmed, of("tvl1", normalise="exposure")), true) < 0.08


NOTHING = {
    "black": np.zeros((2, 70, 67, 3), np.uint8),
    "one grey": np.full((2, 70, 67, 3), 130, np.uint8),
    "night, then day": np.stack([np.zeros((70, 67, 3)), np.full((70, 67, 3), 255)]).astype("u1"),
}


@pytest.mark.parametrize("normalise", ["none", "exposure", "local"])
@pytest.mark.parametrize("method", METHODS)
def test_where_nothing_can_be_followed_nothing_moves(method, normalise):
    for frames in NOTHING.values():
        seen = flow(frames, of(method, normalise=normalise))
        assert seen.shape == (2, 70, 67)
        assert_array_equal(seen, 0)


@pytest.mark.parametrize("method", METHODS)
def test_mere_noise_gives_finite_numbers_the_same_each_time_and_no_input_is_written(method):
    frames = np.random.default_rng(0).integers(0, 256, (2, 80, 93)).astype(np.float32)
    before = frames.copy()
    once, twice = (flow(frames, of(method)) for _ in range(2))
    assert np.isfinite(once).all()
    assert (once.shape, once.dtype) == ((2, 80, 93), np.float32)
    assert once.flags.c_contiguous
    assert once.tobytes() == twice.tobytes()
    assert_array_equal(frames, before)


@pytest.mark.parametrize("method", ["clg", "tvl1", "dis", "farneback", "deepflow"])
def test_crops_as_small_as_a_crop_can_be(method):
    small = clip(STILL, motion(0.4))[:, 40:68, 40:71]
    seen = flow(small, of(method))
    assert seen.shape == (2, 28, 31)
    assert seen[0, 8:-8, 8:-8].mean() == pytest.approx(0.4, abs=0.2)


@pytest.mark.parametrize("method", ["pcaflow", "rlof"])
def test_crops_on_which_opencv_breaks_are_refused(method):
    with pytest.raises(ValueError, match=rf"{method} needs 64 px.*63"):
        flow(np.zeros((2, 90, 63), np.float32), of(method))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((2, 32), np.uint8),
        np.zeros((2, 32, 32, 4), np.uint8),
        np.zeros((2, 32, 32, 3), np.float64),
        np.zeros((2, 32, 32, 3), np.int16),
    ],
)
def test_anything_but_frames_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected \(T, H, W, 3\) or \(T, H, W\)"):
        flow(wrong, FlowConfig())


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_frames_that_hold_no_numbers_are_refused(wrong):
    frames = clip(*MOTIONS[:2])
    frames[1, 5, 5] = wrong
    with pytest.raises(ValueError, match="NaN or infinity"):
        flow(frames, FlowConfig())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "horn"}, "method is 'horn'"),
        ({"pairs": "all"}, "pairs is 'all'"),
        ({"normalise": "histogram"}, "normalise is 'histogram'"),
        ({"method": "dis", "clg": ClgConfig(warps=2)}, "settings of clg mean nothing to .*'dis'"),
        ({"tvl1": Tvl1Config(warps=1)}, "settings of tvl1 mean nothing to method 'clg'"),
        ({"dis": DisConfig(smoothness=5)}, "settings of dis mean nothing to method 'clg'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        FlowConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"patch_stride": 9}, "patch_stride is 9 px"),
        ({"patch_stride": 0}, "patch_stride is 0 px"),
        ({"finest_scale": -1}, "cannot be negative"),
        ({"smoothness": 0.0}, "must be above 0"),
    ],
)
def test_dis_refuses_what_it_cannot_do(settings, words):
    with pytest.raises(ValueError, match=words):
        DisConfig(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"finest_scale": 2},
        {"patch_size": 12},
        {"patch_stride": 8},
        {"descent_iterations": 3},
        {"refinement_iterations": 0},
        {"smoothness": 5.0},
    ],
)
def test_every_setting_of_dis_reaches_opencv_and_the_key(settings):
    frames = clip(STILL, motion(0.5), noise=2)
    usual, other = of("dis"), replace(of("dis"), dis=DisConfig(**settings))
    assert np.abs(flow(frames, usual) - flow(frames, other)).max() > 1e-3
    assert content_key("flow", 1, usual, []) != content_key("flow", 1, other, [])
