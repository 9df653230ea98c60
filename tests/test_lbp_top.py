import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.feature import local_binary_pattern

from features.lbp_top import LbpTopConfig, lbp_top

WHOLE = LbpTopConfig(rows=1, columns=1)
RNG = np.random.default_rng(0)
CLIP = RNG.integers(0, 256, (6, 22, 27, 3), np.uint8)
FINE = RNG.integers(0, 65536, (6, 22, 27)).astype(
    np.uint16
)  # for scikit-image, which wants integers
GREY = np.repeat(FINE[..., None], 3, axis=-1).astype(np.float32)
# Codes with at most two changes around the ring, found by turning runs of ones.
RUNS = sorted(
    {0, 255}
    | {int(f"{(1 << n) - 1:08b}"[k:] + f"{(1 << n) - 1:08b}"[:k], 2) for n in range(1, 8)
       for k in range(8)}
)  # fmt: skip

BITS = np.arange(256)[:, None] >> np.arange(8) & 1
MIRRORED = (BITS[:, (4 - np.arange(8)) % 8] << np.arange(8)).sum(axis=1)  # right ↔ left
UPSIDE_DOWN = (BITS[:, -np.arange(8) % 8] << np.arange(8)).sum(axis=1)


def histogram(codes: np.ndarray) -> np.ndarray:
    """Shares of the 58 uniform codes, ascending, then of the others."""
    counts = np.bincount(codes.astype(int).ravel(), minlength=256)
    uniform = counts[RUNS]
    return np.append(uniform, counts.sum() - uniform.sum()) / counts.sum()


def planes(greys: np.ndarray) -> dict[int, list[np.ndarray]]:
    """(T, H, W) -> plane -> its pictures, those of centres without all neighbours left out."""
    return {
        0: list(greys[1:-1]),
        1: list(greys[:, 1:-1].transpose(1, 0, 2)),  # T × W
        2: list(greys[:, :, 1:-1].transpose(2, 0, 1)),  # T × H
    }


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_each_plane_has_the_patterns_that_scikit_image_finds(plane):
    pictures = planes(FINE)[plane]
    codes = [local_binary_pattern(p, 8, 1, "default")[1:-1, 1:-1] for p in pictures]
    found = lbp_top(GREY, WHOLE)[0, 0, plane]
    assert_allclose(found, histogram(np.array(codes)), atol=1e-6)


def test_scikit_images_uniform_patterns_are_as_frequent_as_ours():
    codes = local_binary_pattern(FINE[1], 8, 1, "nri_uniform")[1:-1, 1:-1]
    shares = np.bincount(codes.astype(int).ravel(), minlength=59) / codes.size
    found = lbp_top(GREY[:3], WHOLE)[0, 0, 0]
    assert len(RUNS) == 58
    assert_allclose(found[58], shares[58], atol=1e-6)
    assert_allclose(np.sort(found), np.sort(shares), atol=1e-6)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_an_even_clip_has_one_pattern_all_neighbours_as_bright(level):
    found = lbp_top(np.full((3, 12, 12, 3), level, np.uint8), LbpTopConfig())
    assert found.shape == (5, 5, 3, 59)
    assert (found[..., 57] == 1).all()  # code 255
    assert found.sum() == 75


def test_a_still_clip_looks_back_as_it_looks_ahead():
    found = lbp_top(np.stack([CLIP[0]] * 4), WHOLE)[0, 0]
    unlike = [k for k, code in enumerate(RUNS) if UPSIDE_DOWN[code] != code]
    assert_array_equal(found[1:, unlike], 0)
    assert found[0, unlike].sum() > 0.1


def test_a_mirrored_face_has_mirrored_cells_and_bits():
    order = [*(RUNS.index(MIRRORED[code]) for code in RUNS), 58]
    cells = LbpTopConfig(rows=2, columns=5)
    found, mirrored = lbp_top(CLIP, cells), lbp_top(CLIP[:, :, ::-1], cells)
    assert_allclose(mirrored[:, :, :2], found[:, ::-1, :2][..., order], atol=1e-6)
    assert_allclose(mirrored[:, :, 2], found[:, ::-1, 2], atol=1e-6)  # y and t are not mirrored


def test_a_clip_played_backwards_exchanges_before_and_after():
    order = [*(RUNS.index(UPSIDE_DOWN[code]) for code in RUNS), 58]
    found, backwards = lbp_top(CLIP, WHOLE)[0, 0], lbp_top(CLIP[::-1], WHOLE)[0, 0]
    assert_allclose(backwards[0], found[0], atol=1e-6)
    assert_allclose(backwards[1:], found[1:][:, order], atol=1e-6)


def test_twice_the_light_is_the_same_texture():
    dark = CLIP // 2
    assert_array_equal(lbp_top(2 * dark, WHOLE), lbp_top(dark, WHOLE))


def test_a_cell_sees_its_own_pixels_alone():
    clip = np.full((3, 14, 20, 3), 90, np.uint8)
    clip[:, 8:, 12:] = CLIP[:3, :6, :8]
    even = (lbp_top(clip, LbpTopConfig(rows=2, columns=2))[..., 57] == 1).all(axis=-1)
    assert even.tolist() == [[True, True], [True, False]]


def test_every_histogram_sums_to_one():
    assert_allclose(lbp_top(CLIP, LbpTopConfig()).sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2, 20, 20, 3), "three frames or more"),
        ((9, 20, 20), r"expected \(T, H, W, 3\)"),
        ((9, 20, 6, 3), "4 px cannot be cut into 5 parts"),
    ],
)
def test_a_clip_too_short_or_small_is_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        lbp_top(np.zeros(shape, np.uint8), LbpTopConfig())


def test_a_grid_of_nothing_is_refused():
    with pytest.raises(ValueError, match="the grid is 5 × 0"):
        LbpTopConfig(columns=0)
