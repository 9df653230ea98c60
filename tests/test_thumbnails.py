"""Thumbnails: an array is taken apart by what it says of itself, and drawn to a common scale."""

import numpy as np
import pytest

from features import base
from pipeline.thumbnails import SIDE, Scale, legend_of, measured, parts, scale_of, thumbnail


def parts_of(name, array):
    told = base.load(name)
    return parts(np.asarray(array, np.float16), f"sample {told.axes}", told.units)


def flow(u, v=0.0, side=60):
    return np.stack([np.full((side, side), value, np.float32) for value in (u, v)])


@pytest.mark.parametrize(
    ("name", "shape", "kinds", "panels"),
    [
        ("flow", (2, 8, 8), ["flow"], 1),
        ("flow", (4, 2, 8, 8), ["flow"], 4),  # of four gains
        ("strain", (1, 8, 8), ["map"], 1),
        ("stack", (4, 3, 8, 8), ["flow", "map"], 4),
        ("polar", (2, 8, 8), ["map", "angle"], 1),
        ("mm_cof", (3, 8, 8), ["map", "map", "map"], 1),
        ("mdmo", (2, 6, 6), ["flow"], 1),
        ("regions", (5, 2, 8, 8), ["flow"], 5),
        ("dynamic_image", (3, 8, 8), ["change"], 1),
        ("two_frame", (3, 8, 8), ["photograph"], 3),
        ("tim", (10, 8, 8, 3), ["photograph"], 10),
        ("frames", (2, 3, 8, 8), ["photograph"], 2),
        ("hoof", (5, 5, 8), ["map"], 1),
        ("lbp_top", (5, 5, 3, 59), ["map"], 3),
        ("apex", (1,), ["map"], 1),
    ],
)
def test_every_feature_is_taken_apart_and_no_value_is_lost(name, shape, kinds, panels):
    array = np.random.default_rng(0).random(shape)
    found = parts_of(name, array)
    assert [part.kind for part in found] == kinds
    assert {len(part.values) for part in found} == {panels}
    values = np.concatenate([part.values.ravel() for part in found])
    assert np.sort(values) == pytest.approx(np.sort(array.astype(np.float16).ravel()))
    for part in found:
        assert thumbnail(part, scale_of(part, [measured(part)])).shape[0] == SIDE


def test_every_feature_there_is_was_tried_above():
    (mark,) = test_every_feature_is_taken_apart_and_no_value_is_lost.pytestmark
    tried = {case[0] for case in mark.args[1]}
    same = {"steady_flow": "flow", "eulerian": "tim", "phase_based": "tim", "riesz": "tim",
            "lagrangian": "two_frame"}  # fmt: skip
    for name in set(base.names()) - tried - {"learned"}:
        one, other = base.load(name), base.load(same[name])
        assert (one.axes, one.units) == (other.axes, other.units)
    painted = parts(np.zeros((2, 8, 8, 3)), "sample gain y x channel", "grey levels")
    assert [part.kind for part in painted] == ["photograph"]


def test_an_array_made_elsewhere_has_a_picture_too():
    assert [p.kind for p in parts(np.ones((3, 8, 8)), "sample y x", "bits")] == ["map"]
    assert [p.kind for p in parts(np.ones((7,)), "sample what", "1")] == ["map"]
    (strange,) = parts(np.ones((2, 5)), "sample channel y x", "px")
    assert strange.values.shape == (1, 1, 1, 10)


def test_what_is_measured_is_physical_and_of_every_pixel():
    array = flow(0, 0, 10)
    array[:, :1] = np.array([3.0, 4.0])[:, None, None]  # one row in ten moves by 5 px
    (part,) = parts_of("flow", array)
    seen = measured(part)
    assert (seen.mean, seen.high, seen.top) == pytest.approx((0.5, 5, 5))
    (part,) = parts_of("dynamic_image", -6 * np.ones((3, 4, 4)))
    assert (measured(part).mean, measured(part).signed) == (6, True)


def test_one_outlier_does_not_make_the_others_pale():
    (calm,), (wild,) = parts_of("flow", flow(1)), parts_of("flow", flow(60))
    scale = scale_of(calm, [measured(calm)] * 19 + [measured(wild)])
    assert scale.most == pytest.approx(1)
    assert thumbnail(calm, scale)[50, 50, 1] < 10


def test_the_same_motion_is_the_same_colour_in_every_sample():
    (small,), (large,) = parts_of("flow", flow(0.5)), parts_of("flow", flow(1))
    scale = scale_of(small, [measured(small)] + 9 * [measured(large)])
    paler, full = thumbnail(small, scale)[50, 50, 1], thumbnail(large, scale)[50, 50, 1]
    assert full < 20 < 100 < paler


def test_the_noise_of_still_faces_stays_pale():
    noise = np.random.default_rng(0).normal(0, 0.003, (2, 60, 60))
    (part,) = parts_of("flow", noise)
    scale = scale_of(part, [measured(part)])
    assert scale.most == pytest.approx(0.1)
    assert thumbnail(part, scale).min() > 200


def test_a_flow_shrinks_by_means_and_not_by_picking_pixels():
    array = np.zeros((2, 4 * SIDE, 4 * SIDE), np.float32)
    array[0, ::4, ::4] = 16.0  # a sixteenth of the pixels: a mean of 1 px
    (part,) = parts_of("flow", array)
    picture = thumbnail(part, Scale("flow", "px", 2.0))
    assert np.ptp(picture.reshape(-1, 3), axis=0).max() == 0
    assert 100 < picture[0, 0, 1] < 150  # half of full colour


def test_a_map_is_two_sided_if_any_sample_has_a_negative_value():
    (plus,), (minus,) = (parts(np.full((1, 9, 9), v), "channel y x", "bits") for v in (1.0, -1.0))
    assert scale_of(plus, [measured(plus)]).kind == "map"
    scale = scale_of(plus, [measured(plus), measured(minus)])
    assert (scale.kind, scale.words()) == ("two-sided", "−1 or less to 1 bits or more")
    red, blue = thumbnail(plus, scale)[9, 9], thumbnail(minus, scale)[9, 9]
    assert red[0] > red[2]
    assert blue[0] < blue[2]


def test_a_picture_in_colour_that_holds_no_change_is_drawn_as_it_is():
    (part,) = parts(np.full((3, 9, 9), 200.0), "sample channel y x", "grey levels")
    scale = scale_of(part, [measured(part)])
    assert scale.kind == "photograph"
    assert thumbnail(part, scale)[5, 5].tolist() == [200, 200, 200]


def test_many_panels_are_chosen_evenly_and_few_are_all_there():
    frames = np.arange(0, 240, 10)[:, None, None, None] * np.ones((24, 8, 8, 3))
    (part,) = parts_of("tim", frames)
    greys = thumbnail(part, scale_of(part, [measured(part)]))[5, :, 0]
    assert {0, 230} <= set(greys.tolist())
    assert len(set(greys.tolist())) == 6 + 1  # and the gaps


@pytest.mark.parametrize("kind", ["flow", "map", "two-sided", "angle", "change", "photograph"])
def test_every_legend_goes_from_its_low_colour_to_its_high_one(kind):
    picture = legend_of(Scale(kind, "px", 2.0)).astype(int)
    middle = picture[len(picture) // 2]
    assert np.abs(middle[2, :3] - middle[48, :3]).max() > 60
    assert len(np.unique(middle[:, :3], axis=0)) > 30
    low = {"photograph": [0, 0, 0], "change": [0, 0, 0], "map": [68, 1, 84]}.get(kind)
    assert low is None or middle[0, :3].tolist() == low


def test_a_legend_tells_where_its_colours_end():
    assert Scale("flow", "px", 0.834).words() == "full colour at 0.83 px or more"
    assert Scale("map", "px/px", 0.02).words() == "0 to 0.02 px/px or more"
    assert Scale("map", "1", 0.5).words() == "0 to 0.5 or more"
    assert Scale("change", "grey levels", 5.0).words().startswith("−5 or less to 5 grey levels")
    assert Scale("photograph", "grey levels", 250.0).words() == "0 to 255 grey levels"
    assert Scale("angle", "rad", 3.1).words() == "−π to π rad"
