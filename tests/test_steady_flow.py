import numpy as np
import pytest
from numpy.testing import assert_allclose

from features.base import PLACES
from features.rigid import rigid_parts
from features.steady_flow import SteadyFlowConfig, steady_flow

SIZE = 224
FACE = {
    "left_eye": (73, 80), "right_eye": (150, 80), "nose": (112, 125), "left_brow": (68, 60),
    "right_brow": (155, 60), "left_lip": (88, 150), "right_lip": (136, 150), "mouth": (112, 153),
}  # fmt: skip
POINTS = np.array([FACE[name] for name in PLACES], float)
Y, X = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
USUAL = SteadyFlowConfig()


def head(dx=0.4, dy=-0.7, turn=0.006, grow=0.003):
    return np.stack([dx + grow * X - turn * Y, dy + turn * X + grow * Y]).astype(np.float32)


def smile():
    """The lip corners go up and out; nothing rigid moves."""
    u, v = np.zeros((2, SIZE, SIZE), np.float32)
    for name, side in (("left_lip", -1), ("right_lip", 1)):
        x, y = FACE[name]
        near = np.exp(-((X + 111.5 - x) ** 2 + (Y + 111.5 - y) ** 2) / (2 * 12**2))
        u += side * 0.8 * near
        v -= near
    return np.stack([u, v])


def test_a_rigid_motion_is_taken_out_whole():
    assert_allclose(steady_flow(head(), POINTS, USUAL), 0, atol=1e-5)


def test_an_expression_alone_is_left_as_it_was():
    assert_allclose(steady_flow(smile(), POINTS, USUAL), smile(), atol=0.01)


def test_the_head_is_taken_out_from_under_an_expression():
    assert_allclose(steady_flow(head() + smile(), POINTS, USUAL), smile(), atol=0.01)


def test_a_brow_that_moves_against_the_rest_is_outvoted():
    x, y = FACE["left_brow"]
    raised = np.zeros((2, SIZE, SIZE), np.float32)
    raised[1] = -2 * np.exp(-((X + 111.5 - x) ** 2 + (Y + 111.5 - y) ** 2) / (2 * 14**2))
    rest = steady_flow(head() + raised, POINTS, USUAL) - raised
    assert np.abs(rest).mean() < 0.03


def test_a_translation_leaves_turn_and_scale_in():
    still = steady_flow(head(), POINTS, SteadyFlowConfig("translation"))
    slope = np.diff(still[0][:, 0]).mean(), np.diff(still[0][0]).mean()
    assert_allclose(slope, (-0.006, 0.003), atol=1e-5)
    assert np.abs(still.mean(axis=(1, 2))).max() < 0.4


def test_every_flow_of_a_stack_has_its_own_head_motion():
    flows = np.stack([head(), 0 * head(), head(-0.3, 0.2, 0, 0)]) + smile()
    assert_allclose(steady_flow(flows, POINTS, USUAL), np.stack([smile()] * 3), atol=0.01)


def test_muscles_are_no_rigid_parts():
    rigid = rigid_parts(POINTS, SIZE, SIZE)
    assert 0.08 < rigid.mean() < 0.4
    for name, (x, y) in FACE.items():
        assert not rigid[y, x], name  # the tip of the nose is wrinkled by disgust
    assert rigid[90, 111]  # between the eyes, on the ridge


@pytest.mark.parametrize("shape", [(SIZE, SIZE), (3, SIZE, SIZE)])
def test_any_other_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 2, H, W\)"):
        steady_flow(np.zeros(shape, np.float32), POINTS, USUAL)


def test_a_flow_without_the_face_is_refused():
    with pytest.raises(ValueError, match="no rigid part"):
        steady_flow(head(), POINTS - 5000, USUAL)


def test_an_unknown_motion_is_refused():
    with pytest.raises(ValueError, match="motion is 'affine'"):
        SteadyFlowConfig("affine")
