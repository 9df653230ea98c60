"""Pictures of features: what is right in the picture is right in its legend."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from features import base
from features.console import MerError
from pipeline.pictures import about_grey, directions, legend, maps, picture


def shown(name: str, array: np.ndarray, **changed) -> np.ndarray:
    feature = base.load(name)
    data = picture(array, replace(feature, **changed), feature.config(), name)
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def field(u: float, v: float, size: int = 60) -> np.ndarray:
    return np.stack([np.full((size, size), value, np.float32) for value in (u, v)])


@pytest.mark.parametrize(
    ("u", "v", "row", "column"),
    [(1, 0, 50, 99), (-1, 0, 50, 1), (0, 1, 99, 50), (0, -1, 1, 50), (0, 0, 50, 50)],
)
def test_a_motion_has_the_colour_that_stands_on_its_side_of_the_wheel(u, v, row, column):
    colour = directions(field(u, v, 1), 1.0)[0, 0]
    np.testing.assert_allclose(colour, legend(101)[row, column, :3], atol=0.05)
    others = [legend(101)[r, c, :3] for r, c in [(50, 99), (50, 1), (99, 50), (1, 50), (50, 50)]]
    assert sum(np.abs(colour - other).max() < 0.1 for other in others) == 1


def test_no_motion_is_white_and_more_motion_is_more_colour():
    whiteness = [directions(field(k / 4, 0, 1), 1.0)[0, 0].min() for k in range(6)]
    assert whiteness[0] == 1
    assert np.all(np.diff(whiteness[:5]) < 0)
    assert whiteness[5] == pytest.approx(whiteness[4])  # beyond full colour there is none


def test_the_wheel_is_seen_and_its_corners_are_not():
    alpha = legend(101)[..., 3]
    assert (alpha[50, 50], alpha[0, 0], alpha[-1, -1]) == (1, 0, 0)


def test_a_picture_of_a_rightward_flow_is_red_and_of_none_white():
    rightward, still = shown("flow", field(2, 0)), shown("flow", field(0, 0))
    middle = (rightward.shape[0] // 2, rightward.shape[1] // 3)
    red, green, blue = rightward[middle]
    assert red > 200 > 60 > max(green, blue)
    assert still[middle].tolist() == [255, 255, 255]


def test_the_noise_of_a_still_face_stays_pale():
    noise = np.random.default_rng(0).normal(0, 0.002, (2, 60, 60)).astype(np.float32)
    seen = shown("flow", noise)
    part = seen[100:300, 100:300]  # within the panel
    assert part.min() > 200


def test_no_change_is_mid_grey_and_signs_are_light_and_dark():
    change = np.zeros((3, 1, 3))
    change[:, 0, 1], change[0, 0, 2] = 4.0, -8.0
    grey = about_grey(change, 4.0)
    np.testing.assert_allclose(grey[0], [[0.5] * 3, [1] * 3, [0, 0.5, 0.5]])
    middle = shown("dynamic_image", np.zeros((3, 40, 40)))[300, 300]
    assert np.abs(middle - 127.5).max() <= 1


def test_a_map_is_two_sided_about_zero_only_if_a_value_is_negative():
    plane = np.linspace(0, 2, 100).reshape(1, 10, 10)
    (one,) = (axes.images[0] for axes in maps(plane, [""], ["px/px"]).axes if axes.images)
    (two,) = (axes.images[0] for axes in maps(plane - 0.5, [""], ["px"]).axes if axes.images)
    assert one.get_clim()[0] == 0
    low, high = two.get_clim()
    assert low == -high < -1.4


def test_a_colour_bar_has_units_and_an_angle_a_cycle():
    figure = maps(np.zeros((2, 8, 8)), ["length", "angle"], ["px", "rad"])
    labels = {axes.get_ylabel() for axes in figure.axes}
    assert {"px", "rad"} <= labels
    angle = next(axes.images[0] for axes in figure.axes if axes.get_title() == "angle")
    assert angle.get_clim() == (-np.pi, np.pi)
    assert angle.get_cmap()(0.0) == pytest.approx(angle.get_cmap()(1.0), abs=0.03)


def test_gains_stand_side_by_side_from_dark_to_light():
    stack = np.stack([np.full((30, 30), grey, np.float32) for grey in (10, 90, 170, 250)])
    seen = shown("two_frame", stack)
    row = seen[seen.shape[0] // 2, :, 0]
    at = [int(len(row) * (k + 0.5) / 4) for k in range(4)]
    assert row[at] == pytest.approx([10, 90, 170, 250], abs=2)


EXAMPLES = {
    "stack": (3, 28, 28), "strain": (1, 40, 40), "polar": (2, 40, 40), "hoof": (5, 5, 8),
    "lbp_top": (5, 5, 3, 59), "regions": (5, 2, 20, 20), "tim": (10, 20, 20, 3),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_other_kind_has_a_picture_that_depends_on_the_values(name):
    some = np.random.default_rng(1).random(EXAMPLES[name]).astype(np.float32)
    some = 250 * some if name == "tim" else some
    first, other = shown(name, some), shown(name, np.zeros_like(some))
    assert first.shape != other.shape or np.abs(first - other).max() > 100


@pytest.mark.parametrize(("name", "shape"), [("apex", (1,)), ("flow", (2, 40)), ("hoof", (5, 5))])
def test_what_has_no_picture_is_refused(name, shape):
    with pytest.raises(MerError, match="there is no picture of it") as told:
        shown(name, np.zeros(shape, np.float32))
    assert told.value.exit_code == 2
