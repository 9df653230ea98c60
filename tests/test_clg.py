from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from features.base import content_key
from features.clg import (
    CELL,
    OMEGAS,
    ClgConfig,
    clg,
    equations,
    light,
    noise_of,
    pyramid,
    solve,
)
from features.flow import FlowConfig
from tests.textures import SIZE, STILL, clip, error, inner, motion, truth

USUAL = ClgConfig()
RNG = np.random.default_rng(0)


def test_a_motion_that_stops_at_an_edge_stops_there():
    """The right half moves by 1.5 px: two cells from the edge, either side knows nothing of it."""
    still, moved = clip(STILL, motion(0, 1.5))
    frame = np.where(np.arange(SIZE) < SIZE // 2, still, moved).astype(np.float32)
    v = inner(clg(still, frame, USUAL))[1].mean(axis=0)
    assert_allclose(v[: 48 - 2 * CELL], 0, atol=0.06)
    assert_allclose(v[48 + 2 * CELL :], 1.5, atol=0.06)


def test_in_a_quarter_of_the_contrast_the_flow_is_the_same():
    """Thresholds are in units of the noise, which is a quarter too."""
    frames = clip(STILL, motion(0.6, 0.3), noise=3)
    assert error(clg(*(frames / 4), USUAL), clg(*frames, USUAL)) < 0.0005


def test_a_spot_that_appears_spoils_only_its_surroundings():
    onset, apex = clip(STILL, motion(0.5), noise=1)
    apex[60:68, 60:68] = 255
    seen = np.hypot(*inner(clg(onset, apex, USUAL) - truth(motion(0.5))))
    far = np.hypot(*np.mgrid[-47.5:48.5, -47.5:48.5]) > 16
    assert seen[far].max() < 0.1


def test_noise_is_measured_whatever_a_fifth_of_the_pixels_does():
    rest = RNG.normal(0, 3, (400, 400)).astype(np.float32)
    assert noise_of(rest) == pytest.approx(3, rel=0.05)
    rest[:80] = 90
    assert noise_of(rest) == pytest.approx(3 * 1.3, rel=0.1)
    assert noise_of(0 * rest) == 0.25


def test_gain_and_offset_of_light_are_found():
    one, other = clip(STILL, STILL, noise=1)
    gain, offset = light((one + other) / 2, other - one + 0.05 * (one - 128) + 8, USUAL)
    assert_allclose(gain, 0.05, atol=0.01)
    assert_allclose(gain * 128 + offset, 8, atol=0.3)


def test_a_mouth_that_opens_is_hardly_taken_for_light():
    """64 px that darken by 90 levels would be an offset of 4.4 in the box around them."""
    one, other = clip(STILL, STILL, noise=1)
    other[60:68, 60:68] -= 90
    gain, offset = light((one + other) / 2, other - one, USUAL)
    assert np.abs(gain * 128 + offset).max() < 1


def test_the_equations_of_a_slope_are_its_gradient():
    """I = 3x + 2y and I_t = 0.5, without robustness: J = ∇I ∇Iᵀ, ∇I·I_t, inside."""
    y, x = np.mgrid[:16, :24].astype(np.float32)
    sums = np.empty((5, 4, 6), np.float32)
    rest = np.full_like(x, 0.5)
    equations(3 * x + 2 * y, rest, np.float32(1e6), np.float32(2), sums)
    for term, value in zip(sums, (9, 6, 4, 1.5, 1), strict=True):
        assert_allclose(term[1:-1, 1:-1], value, rtol=1e-5)
        assert_allclose(term[0, 0], value / 4, rtol=1e-5)  # of 16 px, the outer 12 say nothing


def test_gradient_constancy_adds_the_second_derivatives():
    """I = 2x² + 3xy + y² and I_t = 0.3x + 0.2y: H Hᵀ and H ∇I_t, of H = [[4, 3], [3, 2]]."""
    y, x = np.mgrid[:16, :24].astype(np.float32)
    mean, rest = 2 * x * x + 3 * x * y + y * y, 0.3 * x + 0.2 * y
    with_it, without = (np.empty((5, 4, 6), np.float32) for _ in range(2))
    equations(mean, rest, np.float32(1e6), np.float32(2), with_it)
    equations(mean, rest, np.float32(1e6), np.float32(0), without)
    for term, value in zip(with_it - without, (25, 18, 13, 1.8, 1.3), strict=True):
        assert_allclose(term[1:-1, 1:-1], 2 * value, rtol=0.01)


def test_the_solver_solves():
    """With even ties, the linear system that a general solver solves too, in 64 steps."""
    rows, columns, ties = 8, 9, 30.0
    a, c = RNG.uniform(1, 4, (2, rows, columns)).astype(np.float32)
    b = RNG.uniform(-0.5, 0.5, (rows, columns)).astype(np.float32)
    target = RNG.normal(0, 1, (2, rows, columns)).astype(np.float32)
    flat = np.zeros_like(target)  # ties are even where the flow has no gradient
    seen = solve(a, b, c, target, flat, ties * 0.002 * CELL**2, OMEGAS[2])
    n = rows * columns
    laplace = np.zeros((n, n))
    for i in range(rows):
        for j in range(columns):
            for k, m in ((i + 1, j), (i, j + 1)):
                if k < rows and m < columns:
                    p, q = i * columns + j, k * columns + m
                    laplace[[p, q], [p, q]] += ties
                    laplace[[p, q], [q, p]] -= ties
    matrix = np.block(
        [
            [np.diag(a.ravel()) + laplace, np.diag(b.ravel())],
            [np.diag(b.ravel()), np.diag(c.ravel()) + laplace],
        ]
    )
    assert_allclose(seen.ravel(), np.linalg.solve(matrix, target.ravel()), atol=2e-3)


def test_steps_come_in_pairs_and_converge_to_one_weight():
    for omegas in OMEGAS:
        assert len(omegas) % 2 == 0
        assert omegas[0] == 1
        assert (np.diff(omegas[1:]) <= 0).all()
        assert 1 < omegas[-1] < 2


@pytest.mark.parametrize("shape", [(28, 31), (61, 97), (224, 224), (480, 480)])
def test_every_level_is_made_of_whole_cells_and_padded_by_less_than_two(shape):
    frame = np.zeros(shape, np.float32)
    levels = pyramid(frame, frame, USUAL)
    sides = np.array([first.shape for first, _ in levels])
    assert (sides % (2 * CELL) == 0).all()
    assert (sides[0] - shape < 2 * CELL).all()
    assert (sides[1:] - sides[:-1] // 2 < 2 * CELL).all()
    assert len(levels) <= USUAL.levels
    assert sides.min() >= 16
    assert len(levels) == USUAL.levels or sides.min() < 32


@pytest.mark.parametrize(
    "settings",
    [
        {"presmoothing": 0.0},
        {"levels": 1},
        {"warps": 1},
        {"gradient": 0.0},
        {"robust": 0.5},
        {"window": 2.0},
        {"light": 25},
        {"smoothness": 1.0},
    ],
)
def test_every_setting_changes_the_flow_and_the_key(settings):
    frames = clip(STILL, motion(2.5, 1), noise=2)
    other = replace(USUAL, **settings)
    assert np.abs(clg(*frames, USUAL) - clg(*frames, other)).max() > 1e-3
    keys = {content_key("flow", 1, FlowConfig(clg=config), []) for config in (USUAL, other)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"levels": 0}, "levels 0, warps 3 and light 9 must be at least 1"),
        ({"warps": 0}, "must be at least 1"),
        ({"light": 0}, "must be at least 1"),
        ({"presmoothing": -1.0}, "cannot be negative"),
        ({"gradient": -1.0}, "cannot be negative"),
        ({"robust": 0.0}, "must be above 0"),
        ({"window": 0.0}, "must be above 0"),
        ({"smoothness": 0.0}, "must be above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        ClgConfig(**settings)
