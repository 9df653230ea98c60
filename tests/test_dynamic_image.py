import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from features.dynamic_image import (
    BLOCK,
    FITTED,
    FIXED,
    DynamicImageConfig,
    coefficients,
    differences_gram,
    dynamic_image,
    fitted_coefficients,
    motion_intensity,
    pool,
    regression,
)

RNG = np.random.default_rng(0)
SIDE = 40
FACE = (60 + 20 * gaussian_filter(RNG.normal(size=(SIDE, SIDE, 3)), (2, 2, 0))).astype(np.float32)
Y, X = np.mgrid[:SIDE, :SIDE]
BLOB = 40 * np.exp(-((X - 28) ** 2 + (Y - 12) ** 2) / 18)[..., None] * np.ones(3)
FORMS = FIXED + FITTED
HARMONIC = {  # Σ_{k = t … T} (2k − T − 1)/k
    2: [-0.5, 0.5],
    3: [-1.3333, 0.6667, 0.6667],
    4: [-2.4167, 0.5833, 1.0833, 0.75],
    5: [-3.7, 0.3, 1.3, 1.3, 0.8],
    8: [-8.4607, -1.4607, 1.0393, 2.0393, 2.2893, 2.0893, 1.5893, 0.875],
}
LENGTHS = {2: (1, 2), 3: (2.6667, 4), 4: (4.8333, 8), 5: (7.4, 12), 8: (19.843, 32)}
LENGTHS |= {16: (80.446, 128)}  # sums of absolute values: harmonic, linear


def clip(*amounts, noise=0.0):
    """A face whose blob is there by so much in each frame."""
    frames = FACE + np.array(amounts, float)[:, None, None, None] * BLOB
    return (frames + noise * np.random.default_rng(1).normal(size=frames.shape)).astype(np.float32)


def pooled(frames, form="harmonic", order="time", **settings):
    return dynamic_image(frames, DynamicImageConfig(form, order, **settings))


def blob(picture):
    """The blob's share of a picture, if there is nothing else."""
    share = picture[0, 12, 28] / BLOB.max()
    assert_allclose(picture, share * np.moveaxis(BLOB, -1, 0), atol=1e-4)
    return share


def unit(vector):
    return vector / np.linalg.norm(vector)


RISE_AND_FALL = clip(*np.sin(np.linspace(0, np.pi, 16)))


@pytest.mark.parametrize("n", HARMONIC)
def test_harmonic_coefficients_are_the_table(n):
    assert_allclose(coefficients("harmonic", n), HARMONIC[n], atol=1e-4)


def test_harmonic_coefficients_start_low_peak_amid_and_decay():
    sixteen = coefficients("harmonic", 16)
    assert_allclose([sixteen[0], sixteen[8]], [-25.4724, 4.7312], atol=1e-4)
    assert (sixteen.argmin(), sixteen.argmax()) == (0, 8)


@pytest.mark.parametrize("n", LENGTHS)
def test_sums_of_absolute_coefficients_are_the_table(n):
    sums = [np.abs(coefficients(form, n)).sum() for form in FIXED]
    assert_allclose(sums, LENGTHS[n], atol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 7, 33, 141])
@pytest.mark.parametrize("form", FIXED)
def test_coefficients_add_up_to_zero(form, n):
    assert abs(coefficients(form, n).sum()) < 1e-12 * max(1, n**2 / 10)


def test_harmonic_is_the_sum_of_all_later_means_minus_all_earlier():
    signal = RNG.normal(size=9)
    means = np.cumsum(signal) / np.arange(1, 10)
    expected = sum(means[q] - means[t] for q in range(9) for t in range(q))
    assert_allclose(coefficients("harmonic", 9) @ signal, expected)


def test_linear_is_the_sum_of_all_later_minus_all_earlier():
    signal = RNG.normal(size=9)
    expected = sum(signal[q] - signal[t] for q in range(9) for t in range(q))
    assert_allclose(coefficients("linear", 9) @ signal, expected)


@pytest.mark.parametrize("form", FORMS)
def test_a_still_face_is_exactly_zero(form):
    still = np.repeat(FACE.astype(np.uint8)[None], 9, axis=0)
    for order in ("time", "intensity"):
        assert not pooled(still, form, order).any()


@pytest.mark.parametrize("form", FORMS)
def test_one_frame_is_zero(form):
    picture = pooled(clip(1), form)
    assert picture.shape == (3, SIDE, SIDE)
    assert not picture.any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("order", ["time", "intensity"])
def test_a_constant_image_added_changes_nothing(form, order):
    moving = np.rint(clip(0, 0.2, 0.5, 0.9, 1, 0.3, noise=1)).clip(0, 127).astype(np.uint8)
    mask = RNG.integers(0, 128, (SIDE, SIDE, 3), dtype=np.uint8)
    assert_array_equal(pooled(moving + mask, form, order), pooled(moving, form, order))


@pytest.mark.parametrize("form", FORMS)
def test_two_frames_are_half_their_difference(form):
    assert_allclose(blob(pooled(clip(0.25, 1), form)), 0.375, rtol=1e-4)
    assert_allclose(blob(pooled(clip(1, 0.25), form)), -0.375, rtol=1e-4)


def test_a_symmetric_expression_cancels_in_the_linear_form_alone():
    assert abs(blob(pooled(RISE_AND_FALL, "linear"))) < 1e-5
    assert blob(pooled(RISE_AND_FALL, "harmonic")) > 0.15


def test_ordered_by_intensity_a_symmetric_expression_does_not_cancel():
    assert blob(pooled(RISE_AND_FALL, "linear", "intensity")) > 0.25


def test_a_steady_rise_is_its_closed_form_in_the_linear_form():
    for n in (4, 16, 64):
        share = blob(pooled(clip(*np.linspace(0, 1, n)), "linear"))
        assert_allclose(share, (n + 1) / (3 * n), rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_the_picture_of_the_same_motion_is_as_bright_at_twice_the_frame_rate(form):
    once, twice = (
        blob(pooled(clip(*np.sin(np.linspace(0, np.pi / 2, n))), form)) for n in (40, 80)
    )
    assert_allclose(once, twice, rtol=0.03)


def test_the_picture_scales_with_the_motion():
    for form in FORMS:
        half, full = (blob(pooled(clip(0, a / 4, a, a / 2), form)) for a in (0.5, 1))
        assert_allclose(full, 2 * half, rtol=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_reversed_is_the_clip_played_backwards(form):
    moving = clip(0, 0.1, 0.5, 1, 0.6, noise=1)
    assert_array_equal(pooled(moving, form, reverse=True), pooled(moving[::-1], form))


def test_reversed_the_linear_form_is_its_negative():
    moving = clip(0, 0.1, 0.5, 1, 0.6)
    assert_allclose(pooled(moving, "linear", reverse=True), -pooled(moving, "linear"), atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_a_falling_phase_reversed_points_to_the_apex(form):
    falling = clip(1, 0.8, 0.6, 0.3, 0)
    assert blob(pooled(falling, form)) < -0.2
    assert blob(pooled(falling, form, reverse=True)) > 0.2


def test_permuted_coefficients_are_the_pool_of_sorted_frames():
    frames = RNG.normal(128, 40, (20, 12, 12, 3))
    order = np.argsort(motion_intensity(frames), kind="stable")
    linear = coefficients("linear", 20)
    permuted = np.empty(20)
    permuted[order] = linear
    sorted_pool, permuted_pool = pool(frames[order], linear), pool(frames, permuted)
    assert sorted_pool.dtype == np.float64
    scale = np.abs(sorted_pool).max()
    assert_allclose(permuted_pool, sorted_pool, atol=1e-10 * scale, rtol=0)
    feature = np.moveaxis(pooled(frames, "linear", "intensity"), 0, -1)
    assert_allclose(feature, sorted_pool / 200, atol=1e-4)  # 200 = Σ |2t − 21|


def test_order_by_intensity_begins_where_the_face_is_as_at_first():
    amounts = np.array([0, 0.1, 0.4, 0.8, 1, 0.9, 0.7, 0.3, 0.05])
    smooth = np.mean([[0, *amounts[:-1]], amounts, [*amounts[1:], 0.05]], axis=0)
    order = np.argsort(smooth)
    by_intensity = pooled(clip(*amounts), "harmonic", "intensity")
    assert_allclose(by_intensity, pooled(clip(*amounts[order]), "harmonic"), atol=1e-4)
    backwards = pooled(clip(*amounts), "harmonic", "intensity", reverse=True)
    assert_allclose(backwards, pooled(clip(*amounts[order[::-1]]), "harmonic"), atol=1e-4)


def test_frames_of_one_intensity_keep_their_order():
    flows = np.zeros((40, 2, 8, 8), np.float32)
    flows[1:20, 0] = 2
    flows[20:, 0] = -2
    assert_array_equal(pooled(flows, "linear", "intensity"), pooled(flows, "linear"))


def test_intensity_of_frames_is_the_mean_blurred_change_of_luma_over_three_frames():
    frames = clip(0, 0.3, 1, 0.2, noise=3)
    luma = (frames - frames[0]).astype(float) @ [0.299, 0.587, 0.114]
    m = np.abs(gaussian_filter(luma, (0, 1.5, 1.5), mode="mirror")).mean(axis=(1, 2))
    expected = [(2 * m[0] + m[1]) / 3, m[:3].mean(), m[1:].mean(), (m[2] + 2 * m[3]) / 3]
    assert_allclose(motion_intensity(frames), expected, rtol=1e-3)


def test_intensity_of_flows_is_the_length_of_their_vectors():
    flows = np.zeros((2, 2, SIDE, SIDE), np.float32)
    flows[1, 0], flows[1, 1] = 3, -4
    assert_allclose(motion_intensity(flows), [5 / 3, 10 / 3], rtol=1e-5)


def test_flows_keep_their_channels_and_pixels():
    flows = np.zeros((3, 2, 20, 30), np.float32)
    flows[1:, 0], flows[1:, 1] = 1.5, -3
    picture = pooled(flows)
    assert picture.shape == (2, 20, 30)
    assert_allclose(picture[0], 0.75, rtol=1e-6)  # half: coefficients −½, ¼, ¼
    assert_allclose(picture[1], -1.5, rtol=1e-6)


def test_frames_come_out_channels_first_and_contiguous():
    frames = np.zeros((2, 20, 30, 3), np.uint8)
    frames[1, 5, 7] = 10, 20, 30
    for given in (frames, frames.astype(np.float64)):
        picture = pooled(given)
        assert picture.shape == (3, 20, 30)
        assert picture.dtype == np.float32
        assert picture.flags.c_contiguous
        assert_array_equal(picture[:, 5, 7], [5, 10, 15])
        assert np.count_nonzero(picture) == 3


def test_a_stream_is_pooled_without_its_frames_being_kept():
    weights = coefficients("linear", 6)
    frames = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)

    def stream():
        buffer = np.empty_like(frames[0])
        for frame in frames:
            buffer[:] = frame
            yield buffer  # a reader that reuses its memory

    expected = np.tensordot(weights, frames.astype(float), 1)
    assert_allclose(pool(stream(), weights), expected, rtol=1e-4, atol=1e-2)


def test_weights_that_do_not_cancel_are_refused():
    with pytest.raises(ValueError, match="a static face would not cancel"):
        pool(clip(0, 1, 2), coefficients("linear", 3) + 1)


@pytest.mark.parametrize("n", [2, 4])
def test_as_many_weights_as_frames_are_wanted(n):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        pool(clip(0, 1, 2), coefficients("linear", n))


def test_no_frame_is_refused():
    with pytest.raises(ValueError, match="no frame"):
        pool([], np.zeros(0))
    with pytest.raises(ValueError, match="expected"):
        pooled(clip(0)[:0])


def test_the_gram_matrix_is_of_differences_to_the_first_frame():
    frames = RNG.integers(0, 256, (5, 60, 70, 3), dtype=np.uint8)
    assert frames[0].size > BLOCK
    rest = (frames.astype(float) - frames[0]).reshape(5, -1)
    assert_allclose(differences_gram(frames), rest @ rest.T, rtol=1e-5)


def test_much_ridge_is_the_linear_form():
    moving = clip(0, 0.1, 0.7, 1, 0.8, noise=2)
    assert_allclose(pooled(moving, "ridge", ridge=1e6), pooled(moving, "linear"), atol=1e-4)
    assert np.abs(pooled(moving, "ridge") - pooled(moving, "linear")).max() > 0.5


def test_little_ridge_reads_the_time_off_every_frame():
    frames = clip(0, 0.1, 0.7, 1, 0.8, noise=2)
    picture = pooled(frames, "ridge", ridge=1e-9)
    read = np.tensordot(np.moveaxis(frames - frames[0], -1, 1), picture.astype(float), 3)
    assert_allclose(read / read[1], np.arange(5), atol=1e-3)


def test_ridge_is_ridge_regression_of_time_with_an_intercept():
    from sklearn.linear_model import Ridge

    frames = RNG.normal(size=(12, 4, 5, 3))
    flat = frames.reshape(12, -1)
    scatter = ((flat - flat.mean(axis=0)) ** 2).sum()
    peer = Ridge(alpha=0.3 * scatter, solver="cholesky").fit(flat, np.arange(1, 13)).coef_
    found = pooled(frames, "ridge", ridge=0.3).transpose(1, 2, 0).ravel()
    assert_allclose(unit(found), unit(peer), atol=1e-6)


@pytest.mark.parametrize(("form", "cousin"), [("ridge", "linear"), ("ranksvm", "harmonic")])
def test_a_fitted_picture_is_as_strong_as_its_fixed_cousin(form, cousin):
    moving = clip(0, 0.1, 0.7, 1, 0.8, noise=2)
    fitted, fixed = (np.linalg.norm(pooled(moving, name)) for name in (form, cousin))
    assert_allclose(fitted, fixed, rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "cost", "epsilon"), [((20, 60), 1, 0.1), ((30, 8), 1, 0.1), ((40, 5), 0.1, 4)]
)
def test_the_regression_is_that_of_liblinear(shape, cost, epsilon):
    from sklearn.svm import LinearSVR

    samples = np.random.default_rng(2).normal(size=shape) / 3
    targets = np.arange(1.0, shape[0] + 1)
    peer = LinearSVR(
        loss="squared_epsilon_insensitive", fit_intercept=False, dual=True,
        C=cost, epsilon=epsilon, tol=1e-10, max_iter=1_000_000, random_state=0,
    )  # fmt: skip
    expected = peer.fit(samples, targets).coef_
    found = regression(samples @ samples.T, targets, cost, epsilon) @ samples
    assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("seed", range(30))
def test_the_regression_ends_where_its_slope_is_zero(seed):
    rng = np.random.default_rng(seed)
    n, cost, epsilon = rng.integers(2, 60), 10 ** rng.uniform(-3, 4), 10 ** rng.uniform(-2, 1.5)
    samples = rng.normal(size=(n, rng.integers(1, 80))) * 10 ** rng.uniform(-1, 1)
    samples[: n // 3] = samples[-1]  # frozen frames
    targets = np.arange(1.0, n + 1)
    w = regression(samples @ samples.T, targets, cost, epsilon) @ samples
    error = samples @ w - targets
    pull = 2 * cost * np.sign(error) * np.maximum(np.abs(error) - epsilon, 0)
    assert_allclose(w, -pull @ samples, atol=1e-6 * (np.abs(pull) @ np.abs(samples)).max())


def test_the_regression_ends_where_full_newton_steps_would_go_round_in_circles():
    rng = np.random.default_rng(0)
    for _ in range(1000):
        samples = rng.normal(size=(8, 3)) * 10 ** rng.uniform(-1, 1, (8, 1))
        regression(samples @ samples.T, np.arange(1.0, 9), 1000, 3)


def test_ranksvm_is_that_regression_of_the_running_means_of_the_differences():
    from sklearn.svm import LinearSVR

    frames = np.cumsum(RNG.normal(size=(15, 6, 5, 3)), axis=0)
    flat = (frames - frames[0]).reshape(15, -1)
    means = np.cumsum(flat, axis=0) / np.arange(1, 16)[:, None]
    means /= np.sqrt((means**2).sum(axis=1).mean())
    peer = LinearSVR(
        loss="squared_epsilon_insensitive", fit_intercept=False, dual=True,
        C=1, epsilon=0.1, tol=1e-10, max_iter=1_000_000, random_state=0,
    )  # fmt: skip
    expected = peer.fit(means, np.arange(1, 16)).coef_
    found = pooled(frames, "ranksvm").transpose(1, 2, 0).ravel()
    assert_allclose(unit(found), unit(expected), atol=1e-5)


@pytest.mark.parametrize("form", FITTED)
def test_fitted_coefficients_add_up_to_zero_and_do_not_know_the_contrast(form):
    gram = differences_gram(clip(0, 0.1, 0.7, 1, 0.8, noise=2))
    fitted = fitted_coefficients(form, gram, 0.1)
    assert abs(fitted.sum()) < 1e-12 * np.abs(fitted).sum()
    assert_allclose(fitted_coefficients(form, 100 * gram, 0.1), fitted, rtol=1e-9)


def test_a_square_below_zero_by_rounding_is_zero():
    harmonic = unit(coefficients("harmonic", 4))
    other = unit(np.array([0, 1, 2, 4]) - harmonic * (harmonic @ [0, 1, 2, 4]))
    gram = np.outer(other, other) - 1e-12 * np.outer(harmonic, harmonic)
    assert_array_equal(fitted_coefficients("ranksvm", gram, 0.1), 0)


def test_frames_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        regression(np.full((3, 3), np.nan), np.arange(3.0), 1, 0.1)


@pytest.mark.parametrize("shape", [(5, 8, 8), (8, 8), (1, 5, 8, 8, 3)])
def test_any_other_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(T, H, W, 3\) or \(T, C, H, W\)"):
        pooled(np.zeros(shape, np.uint8))


def test_what_is_not_known_is_refused():
    with pytest.raises(ValueError, match="'median'; expected one of"):
        DynamicImageConfig(form="median")
    with pytest.raises(ValueError, match="'size'; expected one of"):
        DynamicImageConfig(order="size")
    with pytest.raises(ValueError, match="must be above 0"):
        DynamicImageConfig(ridge=0)
    with pytest.raises(ValueError, match="'ridge'; expected one of"):
        coefficients("ridge", 4)
    with pytest.raises(ValueError, match="'linear'; expected one of"):
        fitted_coefficients("linear", np.eye(4), 0.1)
