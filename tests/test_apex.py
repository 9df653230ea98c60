"""The apex, on faces of noise whose course over time is known, and on the demo's."""

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from features.apex import (
    METHODS,
    ApexConfig,
    conquered,
    head_motions,
    motion,
    seen,
    smoothed,
    spot,
)
from pipeline.align import CropConfig, alignment
from pipeline.datasets import demo
from pipeline.faces import LandmarksConfig, locate
from pipeline.landmarkers.base import load
from pipeline.resample import cut

SIDE = 112
# Where PLACES are in an aligned crop of 224 px, the mean of the demo's landmarks.
PLACES = np.array(
    [[72, 81], [150, 81], [112, 128], [66, 61], [156, 61], [73, 150], [151, 150], [112, 162.0]]
)
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float32)
HERE = (PLACES + 0.5) / 2 - 0.5
SKIN = 128 + 250 * gaussian_filter(np.random.default_rng(0).normal(0, 1, (SIDE, SIDE)), 1.5)
FLOW = ApexConfig()


def around(place: int, radius: float) -> np.ndarray:
    """A soft spot around one of PLACES, 1 at its middle."""
    x, y = HERE[place]
    return np.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * radius**2))


SMILE = np.stack([around(6, 8) - around(5, 8), -around(5, 8) - around(6, 8)])  # (2, H, W)


def film(gains, head=None, eyelids=None, light=None, smile_px=0.7, noise=1.0):
    """(T, H, W, 3) a face that smiles by gains, while its head moves, it blinks or light changes.

    head : (T, 2, H, W) px; eyelids : (T,) px; light : (T,)
    """
    rng = np.random.default_rng(1)
    frames = []
    for t, gain in enumerate(gains):
        u, v = smile_px * gain * SMILE
        if head is not None:
            u, v = u + head[t][0], v + head[t][1]
        if eyelids is not None:
            v = v + eyelids[t] * (around(0, 2.5) + around(1, 2.5))
        x, y = (X - u).astype(np.float32), (Y - v).astype(np.float32)
        frame = cv2.remap(SKIN.astype(np.float32), x, y, cv2.INTER_CUBIC, borderMode=2)
        frame = frame * (1 if light is None else light[t]) + rng.normal(0, noise, frame.shape)
        frames.append(np.repeat(frame[..., None], 3, axis=-1))
    return np.rint(frames).clip(0, 255).astype(np.uint8)


def course(peak: float, frames: int, width: float = 4.0) -> np.ndarray:
    """Gains that rise to 1 at a frame and fall again."""
    return np.exp(-((np.arange(frames) - peak) ** 2) / (2 * width**2))


@pytest.mark.parametrize("method", ["flow", "difference"])
@pytest.mark.parametrize("peak", [6, 15, 22])
def test_the_apex_is_where_the_expression_peaks(method, peak):
    # Divide and conquer adds up peaks of noise: only flow is given noise.
    clip = film(course(peak, 28), noise=1.0 if method == "flow" else 0.0)
    spotted = spot(clip, 100, HERE, ApexConfig(method))
    assert abs(spotted.index - peak) <= 1
    assert spotted.curve.shape == (28,)
    assert spotted.curve[peak] > 3 * spotted.curve[0]


def moving_head(frames: int) -> np.ndarray:
    """(T, 2, H, W) a head that drifts by 3 px, leans, comes near and turns, ever further."""
    x, y = (X - SIDE / 2) / SIDE, (Y - SIDE / 2) / SIDE
    u = 3 + 2 * y + 1.5 * x - 6 * x**2 - 3 * y**2
    v = -1 - 2 * x + 1.5 * y + 3 * x**2
    return np.linspace(0, 1, frames)[:, None, None, None] * np.stack([u, v])


def test_a_moving_head_does_not_move_the_apex():
    clip = film(course(8, 28), head=moving_head(28))
    assert abs(spot(clip, 100, HERE, FLOW).index - 8) <= 1


def test_a_head_that_moves_alone_is_hardly_seen():
    alone = spot(film(np.zeros(9), head=moving_head(9)), 100, HERE, FLOW).curve.max()
    smile = spot(film(course(8, 9), smile_px=0.7), 100, HERE, FLOW).curve.max()
    assert alone < 0.4 * smile


@pytest.mark.parametrize("last", [0.6, 1.3])
def test_a_lamp_that_dims_or_brightens_does_not_move_the_apex(last):
    clip = film(course(8, 28), light=np.linspace(1, last, 28), smile_px=0.2)
    assert abs(spot(clip, 100, HERE, FLOW).index - 8) <= 1


@pytest.mark.parametrize("method", ["flow", "difference"])
def test_a_blink_is_no_apex(method):
    noise = 1.0 if method == "flow" else 0.0
    clip = film(course(8, 28), eyelids=4 * course(20, 28, width=2), noise=noise)
    assert abs(spot(clip, 100, HERE, ApexConfig(method)).index - 8) <= 1


def test_a_tenth_of_a_pixel_is_seen():
    assert abs(spot(film(course(8, 28), smile_px=0.1), 100, HERE, FLOW).index - 8) <= 2


def test_the_nose_which_a_turning_head_moves_is_not_looked_at():
    _, regions, scale = seen(film(np.zeros(2)), HERE, FLOW)
    corner = np.floor(np.delete(HERE, 2, axis=0).min(axis=0) - 0.4 * np.hypot(*(HERE[1] - HERE[0])))
    inside = [
        regions[tuple(np.rint((place + 0.5 - corner) * scale - 0.5).astype(int)[::-1])]
        for place in HERE
    ]
    assert inside == [False, False, False, True, True, True, True, True]


@pytest.mark.parametrize("fps", [50, 100, 200])
def test_the_time_of_the_apex_does_not_depend_on_the_camera(fps):
    times = np.arange(0, 0.28, 1 / fps)
    gains = np.exp(-((times - 0.16) ** 2) / (2 * 0.04**2))
    assert spot(film(gains), fps, HERE, FLOW).index / fps == pytest.approx(0.16, abs=0.0101)


def test_a_course_is_smoothed_alike_however_fast_it_is_filmed():
    def filmed(fps):
        times = np.arange(0, 0.4001, 1 / fps)
        curve = smoothed(np.exp(-((times - 0.2) ** 2) / (2 * 0.02**2)), fps, 80)
        return curve[:: fps // 50]

    assert filmed(100).max() < 0.97  # it is smoothed
    assert_allclose(filmed(200), filmed(100), atol=0.02)
    assert_allclose(filmed(400), filmed(100), atol=0.03)


def test_smoothing_keeps_a_parabola_and_a_clip_of_three_frames():
    parabola = 5 - (np.arange(20) - 7.3) ** 2
    assert_allclose(smoothed(parabola, 100, 80), parabola, atol=1e-9)
    assert_array_equal(smoothed(np.array([0, 9.0, 1]), 100, 80), [0, 9, 1])
    assert_array_equal(smoothed(parabola, 100, 0), parabola)


def test_a_smoothed_course_peaks_nearer_the_truth_than_a_noisy_one():
    rng = np.random.default_rng(0)
    noisy = course(10, 30) + rng.normal(0, 0.15, (200, 30))
    raw = np.abs(noisy.argmax(axis=1) - 10).mean()
    smooth = np.abs([smoothed(curve, 100, 80).argmax() - 10 for curve in noisy]).mean()
    assert smooth < 0.75 * raw


def test_affine_motion_and_a_round_heads_turn_are_head_motion_and_a_smile_is_not():
    regions = np.ones((SIDE, SIDE), bool)
    head = head_motions(regions)
    assert_allclose(head.T @ head, np.eye(5), atol=1e-12)
    for field in moving_head(2)[1]:
        flow = field[regions]
        assert_allclose(flow, head @ (head.T @ flow), atol=1e-5)
    for field in SMILE:
        flow = field[regions]
        assert np.linalg.norm(flow - head @ (head.T @ flow)) > 0.6 * np.linalg.norm(flow)


def test_a_curve_is_in_px_of_the_crop_whatever_its_size():
    clip = film(course(3, 6))
    large = np.stack([cv2.resize(frame, (2 * SIDE, 2 * SIDE)) for frame in clip])
    small, double = (
        spot(given, 100, places, FLOW).curve
        for given, places in ((clip, HERE), (large, 2 * HERE + 0.5))
    )
    assert_allclose(double[2:5] / small[2:5], 2, rtol=0.1)


def test_motion_is_the_root_mean_square_of_what_is_no_head_motion():
    greys, regions, scale = seen(film([0, 1.0], smile_px=0.8), HERE, FLOW)
    y, x = np.argwhere(regions).T
    corner = np.floor(np.delete(HERE, 2, axis=0).min(axis=0) - 0.4 * np.hypot(*(HERE[1] - HERE[0])))
    x, y = (x + 0.5) / scale - 0.5 + corner[0], (y + 0.5) / scale - 0.5 + corner[1]
    true = 0.8 * scale * SMILE[:, np.rint(y).astype(int), np.rint(x).astype(int)].T
    head = head_motions(regions)
    rest = true - head @ (head.T @ true)
    zero, measured = motion(greys, regions)
    assert zero == 0
    assert measured == pytest.approx(np.sqrt((rest**2).sum(axis=1).mean()), rel=0.15)


@pytest.mark.parametrize(
    ("curve", "apex"),
    [
        ([0, 1, 0, 3, 0, 3, 0, 0, 0, 5, 0, 0, 0, 0], 3),  # 1 + 3 + 3 outdo 5, then 3 + 3 outdo 1
        ([0, 0, 2, 0, 0, 0, 0, 0, 3, 0], 8),
        ([0, 0, 2, 0, 0, 0, 0, 0, 2, 0], 2),  # as good: the earlier
        ([0, 6, 3, 3.1, 3, 3, 3, 3.1, 3, 3.1, 3, 3.1, 3], 1),  # ripples are no peaks
        ([0, 1, 2, 3, 4], 4),  # no peak
        ([9, 1, 2, 1.5, 1], 2),  # the onset is no apex
        ([9, 3, 2, 1], 1),
    ],
)
def test_the_half_with_the_greater_sum_of_peaks_is_kept(curve, apex):
    assert conquered(np.array(curve, float)) == apex


def test_apexes_of_the_demo_are_found_within_two_frames():
    """In whole clips, and in their beginnings, in whose middle no apex is."""
    rows = load("facemesh").places
    for plan in demo.plans(subjects=2, takes=2)[1::6]:
        frames = np.stack(list(demo.frames(plan)))
        points = locate(frames[:1], LandmarksConfig())[0][0]
        matrix = alignment(points, rows, CropConfig())
        clip = np.stack([cut(frame, matrix, 224) for frame in frames])
        for shown in (clip, clip[: plan.apex + 6]):
            assert abs(spot(shown, demo.FPS, PLACES, FLOW).index - plan.apex) <= 2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("frames", [2, 3, 9])
def test_a_face_that_keeps_still_has_an_apex_after_the_onset(method, frames):
    clip = np.repeat(film([0.0]), frames, axis=0)
    before = clip.copy()
    spotted = spot(clip, 100, HERE, ApexConfig(method))
    assert 1 <= spotted.index < frames
    assert_allclose(spotted.curve, 0, atol=1e-3)
    assert_array_equal(clip, before)


def test_the_midpoint_is_the_middle_frame():
    clip = np.zeros((9, 8, 8, 3), np.uint8)
    assert spot(clip, 100, HERE, ApexConfig("midpoint")).index == 4


CLIP = np.zeros((3, SIDE, SIDE, 3), np.uint8)


@pytest.mark.parametrize(
    ("clip", "fps", "places", "words"),
    [
        (CLIP[0], 100, HERE, r"clip is \(112, 112, 3\) uint8; expected \(T, H, W, 3\) uint8"),
        (CLIP[..., :1], 100, HERE, r"expected \(T, H, W, 3\) uint8"),
        (CLIP.astype(np.float32), 100, HERE, "float32; expected"),
        (CLIP[:1], 100, HERE, "T is 1; expected 2 or more"),
        (CLIP[:0], 100, HERE, "T is 0; expected 2 or more"),
        (CLIP, 0, HERE, "fps is 0; expected more than 0"),
        (CLIP, np.nan, HERE, "fps is nan"),
        (CLIP, 100, HERE[:7], r"places are \(7, 2\); expected \(8, 2\), finite"),
        (CLIP, 100, HERE * np.nan, "finite"),
        (CLIP, 100, HERE * 0, "the eyes are 0.00 px apart"),
        (CLIP, 100, HERE + 300, r"no face to see: around the places are \(0, 0\) px"),
        (CLIP, 100, HERE - 105, "no face to see: around the places"),
    ],
)
def test_what_is_no_clip_of_a_face_is_refused(clip, fps, places, words):
    with pytest.raises(ValueError, match=words):
        spot(clip, fps, places, FLOW)


def test_a_crop_with_the_edge_of_a_face_alone_is_refused():
    eyes = np.hypot(*(HERE[1] - HERE[0]))
    beyond = HERE - [HERE[:, 0].max() + 0.35 * eyes, 0]
    with pytest.raises(ValueError, match="no region around the places is in the crop"):
        spot(CLIP, 100, beyond, ApexConfig(eyes_px=400))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "guess"}, "method is 'guess', none of"),
        ({"smoothing_ms": -1}, "smoothing_ms is -1 ms"),
        ({"radius": 0}, "radius is 0"),
        ({"eye_radius": 0.6}, "eye_radius is 0.6"),
        ({"eyes_px": 5}, "eyes_px is 5 px"),
    ],
)
def test_an_impossible_setting_is_refused_before_any_work(wrong, words):
    with pytest.raises(ValueError, match=words):
        ApexConfig(**wrong)
