import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.interpolate import BarycentricInterpolator

from features.tim import METHODS, TimConfig, tim, weights

RNG = np.random.default_rng(0)
CLIP = RNG.integers(0, 256, (7, 6, 5, 3), dtype=np.uint8)
SHAPE = (8, 64, 3)
X = np.broadcast_to(np.arange(64.0)[:, None], SHAPE)


def resampled(clip, frames, method="graph"):
    return tim(np.asarray(clip, np.float32), TimConfig(frames, method))


def embedded_by_svd(clip, n):
    """The published recipe, step by step: mean, SVD, graph embedding, curve, back."""
    given = len(clip)
    columns = clip.reshape(given, -1).T.astype(float)
    mean = columns.mean(axis=1, keepdims=True)
    u, s, vt = np.linalg.svd(columns - mean, full_matrices=False)
    u, projected = u[:, :-1], s[:-1, None] * vt[:-1]  # rank T - 1
    step = np.eye(given) - np.eye(given, k=1)
    laplacian = step[:-1].T @ step[:-1]
    # L q = value q among the rows of the projected frames
    maps = np.linalg.inv(projected @ projected.T) @ projected @ laplacian @ projected.T
    value, w = np.linalg.eig(maps)
    order = np.argsort(value.real)
    coordinates = w.real[:, order].T @ projected  # (T - 1, T), the k-th a multiple of y_k
    k = np.arange(1, given)[:, None]

    def curve(t):
        return np.sin(np.pi * k * t + np.pi * (given - k) / (2 * given))

    scale = coordinates[:, :1] / curve(1 / given)
    back = np.linalg.inv(w.real[:, order].T)
    return (u @ back @ (scale * curve(np.linspace(1 / given, 1, n))) + mean).T.reshape(
        n, *clip.shape[1:]
    )


def test_the_weights_are_the_published_embedding_of_independent_frames():
    expected = embedded_by_svd(CLIP, 16)
    mixed = np.tensordot(weights("graph", len(CLIP), 16), CLIP, 1)
    assert_allclose(mixed, expected, atol=1e-8)


def test_the_graph_is_the_polynomial_through_frames_at_chebyshev_nodes():
    def node(t):
        return np.cos(np.pi * (t - 1 / 18))

    polynomial = BarycentricInterpolator(node(np.arange(1, 10) / 9), np.eye(9))
    assert_allclose(weights("graph", 9, 23), polynomial(node(np.linspace(1 / 9, 1, 23))), atol=1e-9)


def test_a_clip_of_the_wanted_length_is_given_back():
    assert_array_equal(resampled(CLIP, 7, "linear"), CLIP)
    assert_allclose(resampled(CLIP, 7), CLIP, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_first_and_last_frame_stay_whatever_the_length(method):
    for frames in (2, 5, 30):
        assert_allclose(resampled(CLIP, frames, method)[[0, -1]], CLIP[[0, -1]], atol=1e-4)


def test_linear_is_the_mean_of_neighbours_at_half_steps():
    doubled = resampled(CLIP, 13, "linear")
    assert_array_equal(doubled[::2], CLIP)
    assert_array_equal(doubled[1::2], (CLIP[:-1].astype(float) + CLIP[1:]) / 2)


def test_a_frame_that_swings_with_the_graph_is_met_at_any_time():
    given = 8

    def seen(t):  # t in [1/T, 1]; starts and ends at rest, two swings and a half
        swing = np.cos(5 * np.pi * (np.asarray(t) - 1 / (2 * given)))
        return 128 + 60 * swing[:, None, None, None] * np.sin(X / 5)

    clip = seen(np.arange(1, given + 1) / given)
    assert_allclose(resampled(clip, 31), seen(np.linspace(1 / given, 1, 31)), atol=1e-3)


def test_a_moving_pattern_is_met_between_frames_better_than_by_blending():
    def seen(time):  # 2.5 px a frame, one wave is 31 px long
        return 128 + 90 * np.sin((X - 2.5 * np.asarray(time)[:, None, None, None]) / 5)

    clip, true = seen(np.arange(12)), seen(np.linspace(0, 11, 34))
    graph, linear = (resampled(clip, 34, method) - true for method in METHODS)
    assert np.abs(graph[6:-6]).max() < 0.5 < 2 < np.abs(linear[6:-6]).max()
    assert np.abs(graph).mean() < np.abs(linear).mean() / 4


@pytest.mark.parametrize("method", METHODS)
def test_a_clip_played_backwards_is_resampled_backwards(method):
    assert_allclose(resampled(CLIP[::-1], 11, method), resampled(CLIP, 11, method)[::-1], atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_still_clip_stays_still(method):
    still = np.repeat(CLIP[:1], 9, axis=0)
    assert_allclose(resampled(still, 20, method), np.repeat(CLIP[:1], 20, axis=0), atol=1e-4)


@pytest.mark.parametrize("given", [2, 3, 10, 141])
def test_noise_grows_by_no_more_than_the_logarithm_of_the_length(given):
    total = np.abs(weights("graph", given, 5 * given)).sum(axis=1)
    assert total.max() <= 1 + 2 / np.pi * np.log(given)


def test_frozen_frames_are_what_frames_alike_but_for_noise_tend_to():
    frozen = (60 + CLIP[[0, 1, 1, 1, 2, 2, 3, 0]] * 0.5).astype(np.float32)
    noise = RNG.normal(0, 1e-3, frozen.shape)
    bound = np.abs(noise).max() * (1 + 2 / np.pi * np.log(8))
    assert_allclose(resampled(frozen + noise, 21), resampled(frozen, 21), atol=bound + 1e-4)
    assert_allclose(resampled(frozen, 8), frozen, atol=1e-4)
    assert_allclose(resampled(frozen, 8)[1], resampled(frozen, 8)[3], atol=1e-4)


def test_a_cut_from_black_to_white_stays_between_black_and_white():
    cut = np.repeat(np.array([0, 255], np.uint8), 6).reshape(12, 1, 1, 1) * np.ones(SHAPE, np.uint8)
    assert np.tensordot(weights("graph", 12, 50), cut[:, 0, 0, 0], 1).max() > 260
    seen = resampled(cut, 50)
    assert (seen.min(), seen.max()) == (0, 255)


@pytest.mark.parametrize("method", METHODS)
def test_one_frame_lasts(method):
    assert_array_equal(resampled(CLIP[:1], 4, method), np.repeat(CLIP[:1], 4, axis=0))


def test_wide_frames_are_mixed_alike_in_every_column():
    wide = RNG.integers(0, 256, (5, 64, 140, 3), dtype=np.uint8)  # more than two blocks
    expected = np.tensordot(weights("linear", 5, 12), wide, 1)
    assert_allclose(resampled(wide, 12, "linear"), expected, atol=1e-3)


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 8, 2), (0, 8, 8, 3)])
def test_any_other_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(T, H, W, 3\)"):
        tim(np.zeros(shape, np.uint8), TimConfig())


def test_a_clip_of_one_frame_is_no_target():
    with pytest.raises(ValueError, match="at least 2"):
        TimConfig(frames=1)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="'cubic'; expected one of"):
        TimConfig(method="cubic")
