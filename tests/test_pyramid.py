import numpy as np
import pytest
from numpy.testing import assert_allclose

from features.pyramid import WAVELENGTH, collapse, depth, emphasised, laplacian, phase, turn

SHAPES = [(64, 64), (37, 50), (5, 9)]


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(5).uniform(0, 255, shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_laplacian_pyramid_collapses_into_its_picture(shape):
    assert np.abs(collapse(laplacian(noise(shape), 3)) - noise(shape)).max() < 1e-10
    fine = noise(shape).astype(np.float32)
    assert np.abs(collapse(laplacian(fine, 3)) - fine).max() < 1e-4


@pytest.mark.parametrize("shape", SHAPES)
def test_emphasis_is_the_sum_of_bands_times_their_gains(shape):
    gains = [0.0, 3.0, 0.5]
    bands = laplacian(noise(shape), 3)
    wanted = collapse([g * b for g, b in zip([*gains, 0.0], bands, strict=True)])
    assert_allclose(emphasised(noise(shape), gains), wanted, atol=1e-10)


def test_colours_are_emphasised_one_by_one():
    picture = noise((20, 30, 3))
    apart = [emphasised(picture[..., c].copy(), [1.0, 2.0]) for c in range(3)]
    assert_allclose(emphasised(picture, [1.0, 2.0]), np.stack(apart, axis=-1), atol=1e-10)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_level_answers_most_to_its_wavelength(level):
    x = np.arange(512.0)

    def answer(wavelength: float) -> float:
        wave = np.tile(np.exp(2j * np.pi * x / wavelength), (64, 1))
        gains = [float(k == level) for k in range(level + 1)]
        passed = emphasised(wave.real.copy(), gains) + 1j * emphasised(wave.imag.copy(), gains)
        return abs((passed * wave.conj())[32, 128:384].mean())

    middle = WAVELENGTH * 2**level
    assert answer(middle) == pytest.approx(0.5, abs=0.05)
    assert answer(middle) > answer(0.8 * middle) > answer(0.5 * middle)
    assert answer(middle) > answer(1.3 * middle) > answer(2 * middle)
    assert answer(2 * middle) == pytest.approx(0.28, abs=0.03)


def test_the_depth_leaves_four_to_eight_px():
    assert [depth(n, 300) for n in (48, 128, 224, 256)] == [3, 5, 5, 6]
    assert depth(1, 1) == 1


@pytest.mark.parametrize(("kind", "error"), [(np.complex64, 3e-7), (np.complex128, 3e-8)])
def test_phase_is_the_angle_in_every_quadrant(kind, error):
    angle = np.linspace(-np.pi, np.pi, 10001)[1:-1]
    signal = (7 * np.exp(1j * angle)).astype(kind)
    found = phase(signal)
    assert found.dtype == signal.real.dtype
    assert np.abs(found - np.angle(signal.astype(complex))).max() < error


def test_phase_of_nothing_is_nothing_and_of_axes_is_a_multiple_of_a_right_angle():
    assert phase(np.zeros(3, np.complex64)).tolist() == [0, 0, 0]
    assert_allclose(phase(np.array([2, 2j, -2, -2j])), np.pi * np.array([0, 0.5, 1, -0.5]))


def test_turning_by_nothing_adds_nothing_and_by_half_a_turn_twice_the_opposite():
    assert turn(np.zeros(2, np.float32)).tolist() == [0, 0]
    assert turn(np.zeros(2, np.float32)).dtype == np.complex64
    assert_allclose(turn(np.array([np.pi, np.pi / 2])), [-2, -1 + 1j], atol=1e-15)
