"""The yardstick itself: frames show exactly the motion that is reported."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pipeline import synthetic
from pipeline.maps import invert, moved
from pipeline.synthetic import HEIGHT, MARGIN, WIDTH, Pose

SMILE = synthetic.bumps({6: (0.8, 1.0), 12: (1.0, 0.7)}, 3.0, np.array([1.5, -2.0]))
ONSET, APEX = Pose(0.31, -0.27, 0.1, 1.001), Pose(1.4, -1.1, 0.4, 0.997)
INSIDE = synthetic.pixels()[40:-40:9, 40:-40:9]


def wave(points: np.ndarray) -> np.ndarray:
    """A smooth picture known everywhere: a plaid of 20 px and 27 px waves, in face coordinates."""
    x, y = points[..., 0], points[..., 1]
    return 128 + 50 * np.sin(2 * np.pi * x / 20 + 0.3) + 40 * np.cos(2 * np.pi * y / 27)


def plaid() -> np.ndarray:
    y, x = np.mgrid[-MARGIN : HEIGHT + MARGIN, -MARGIN : WIDTH + MARGIN].astype(float)
    return synthetic.prepare(np.repeat(wave(np.stack([x, y], -1))[..., None], 3, axis=-1))


def test_a_still_picture_is_drawn_as_it_is():
    drawn = synthetic.draw(plaid(), Pose(), synthetic.scaled(SMILE, 0))
    assert_allclose(drawn[..., 0], wave(synthetic.pixels()), atol=0.01)


def test_what_the_onset_shows_the_apex_shows_where_the_true_flow_says():
    apex = synthetic.draw(plaid(), APEX, SMILE)
    # the pattern of the onset, followed along the true flow, against the drawn apex
    whole = np.rint(INSIDE).astype(int)
    back = synthetic.face_points(APEX, SMILE)
    for x, y in whole.reshape(-1, 2)[::13]:
        assert apex[y, x, 1] == pytest.approx(wave(back[y, x]), abs=0.02)
    there = INSIDE + synthetic.true_flow(ONSET, APEX, SMILE, INSIDE)
    shown_at_onset = moved(invert(ONSET.matrix()), INSIDE)
    assert_allclose(undone(there), shown_at_onset, atol=1e-8)


def undone(points: np.ndarray) -> np.ndarray:
    there = moved(invert(APEX.matrix()), points)
    solved = [synthetic._undo(x, y, SMILE) for x, y in there.reshape(-1, 2)]
    return np.array(solved).reshape(points.shape)


def test_the_greatest_displacement_is_the_peak_asked_for():
    field = synthetic.displacement(synthetic.pixels(), SMILE)
    assert np.hypot(field[..., 0], field[..., 1]).max() == pytest.approx(3.0)


def test_a_smile_lifts_the_corners_of_the_mouth_and_spreads_them():
    corner = np.array([[160 + 42 + 1.5, 186 + 52 - 2.0], [160 - 42 + 1.5, 186 + 52 - 2.0]])
    right, left = synthetic.displacement(corner, SMILE)
    assert right[0] > 0.5 > -0.5 > left[0]
    assert right[1] < -0.5 > left[1]


def test_beyond_its_muscles_a_face_does_not_move():
    assert (synthetic.displacement(np.array([[5.0, 5.0], [310.0, 20.0]]), SMILE) == 0).all()


def test_a_pure_shift_of_the_head_is_that_flow_everywhere():
    flow = synthetic.true_flow(Pose(), Pose(1.5, -0.5), synthetic.scaled(SMILE, 0), INSIDE)
    assert_allclose(flow, np.broadcast_to([1.5, -0.5], flow.shape), atol=1e-12)


def test_people_differ_and_one_seed_is_one_person():
    first, again, other = (synthetic.identity(seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert np.abs(first - other).mean() > 5
    assert first.min() >= 8
    assert first.max() <= 244
