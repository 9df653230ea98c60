from functools import partial

import pytest
import torch

from tests.net_facts import (
    assert_eval_repeats_and_ignores_the_batch,
    assert_folds_train_together,
    learned,
    noise,
    parameters,
    untaught,
)
from train.models import htnet, htnet_lite
from train.models.htnet import FULL_SCALE, HTNet, Level, Merge, apart, tile, together

SMALL = partial(HTNet, dims=(16, 32, 32), heads=(2, 2, 2), depths=(1, 1, 1))
AS_RELEASED = partial(SMALL, patch=7, blocks=(4, 2, 1))
SCALE = torch.tensor(FULL_SCALE)[:, None, None]
WINDOWS = noise(4, 5, 3, 14, 14) * SCALE
NAMES = ("left_eye", "right_eye", "nose", "left_lip", "right_lip")


@pytest.fixture(autouse=True)
def one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def lengths(network):
    """How many tokens each attention of a network sees, one pass through it."""
    seen = []
    for level in network.levels:
        if isinstance(level, Level):
            for layer in level.layers:
                layer.attend[1].register_forward_hook(
                    lambda module, x, y: seen.append(module.weights(x[0]).shape[-1])
                )
    network.eval()(WINDOWS)
    return seen


def test_of_the_released_139582982_parameters_only_positions_and_patches_differ():
    released = 139_582_982 - 3  # theirs: one number for each of three positions
    vectors = 256 + 512 + 1024
    assert parameters(partial(HTNet, 3, patch=7, blocks=(4, 2, 1))) == released + vectors
    patches = 256 * 3 * (7 * 7 - 2 * 2)
    vectors = 49 * 256 + 49 * 512 + 16 * 1024
    assert parameters(partial(HTNet, 3)) == released - patches + vectors


def test_the_lite_size_has_142659():
    assert parameters(partial(htnet_lite.MODEL.build, 3)) == 142_659


@pytest.mark.parametrize("classes", [3, 5])
def test_a_sample_gets_one_logit_a_class(classes):
    assert SMALL(classes)(WINDOWS).shape == (4, classes)


def test_the_full_size_gives_logits():
    with torch.device("meta"):
        assert HTNet(3)(torch.zeros(2, 5, 3, 14, 14)).shape == (2, 3)


def test_every_parameter_is_taught():
    assert untaught(SMALL(3), [WINDOWS]) == []


def test_attention_sees_an_area_then_the_face_twice():
    assert lengths(SMALL(3)) == [49, 49, 16]


def test_in_the_released_layout_attention_sees_one_token_and_its_questions_learn_nothing():
    network = AS_RELEASED(3)
    assert lengths(network) == [1, 1, 1]
    untaught(network, [WINDOWS])
    for name, p in network.named_parameters():
        if name.endswith("attend.1.ask.weight"):
            asked, answered = p.grad[: 2 * len(p) // 3], p.grad[2 * len(p) // 3 :]
            assert asked.abs().max() < 1e-8 < answered.abs().max()


@pytest.mark.parametrize("area", [0, 1, 3, 4])
def test_an_area_lies_where_it_is_in_the_face(area):
    areas = torch.zeros(1, 5, 3, 14, 14)
    areas[0, area] = 1
    face = tile(torch.cat([areas[:, :2], areas[:, 3:]], dim=1))
    rows, columns = face[0, 0].nonzero().T
    assert ("lip" in NAMES[area]) == (rows.min() == 14)
    assert ("right" in NAMES[area]) == (columns.min() == 14)
    assert face.sum() == 3 * 14 * 14


def test_a_pixel_of_a_window_keeps_its_plane_row_and_column():
    areas = torch.zeros(2, 4, 3, 14, 14)
    areas[1, 2, 1, 3, 11] = 9  # left lip, v, row 3, column 11
    face = tile(areas)
    assert face[1, 1, 14 + 3, 11] == 9
    assert face.sum() == 9


def test_a_token_shows_2_by_2_px_of_its_own_area():
    network = SMALL(3)
    windows = WINDOWS.clone()
    windows[0, 4, 0, 5, 12] += 1  # right lip, row 5, column 12
    changed = (network.grid(windows) != network.grid(WINDOWS)).any(-1)
    assert changed.nonzero().tolist() == [[0, (14 + 5) // 2, (14 + 12) // 2]]


def test_a_square_of_the_grid_is_one_sequence_row_by_row():
    grid = torch.zeros(2, 14, 14, 3)
    grid[1, 9, 2, 0] = 7  # second row of squares, first column; row 2, column 2 inside
    tokens = apart(grid, 2)
    assert tokens.shape == (8, 49, 3)
    assert tokens.nonzero().tolist() == [[4 + 2, 2 * 7 + 2, 0]]


@pytest.mark.parametrize("blocks", [1, 2, 7])
def test_a_grid_taken_apart_is_put_together_again(blocks):
    grid = noise(2, 14, 14, 3)
    assert torch.equal(together(apart(grid, blocks), blocks), grid)


def test_attention_stays_in_its_area_and_reaches_all_of_it():
    level = Level(side=14, blocks=2, dim=8, heads=2, depth=1, dropout=0.0)
    grid = noise(1, 14, 14, 8)
    changed = grid.clone()
    changed[0, 3, 10, 0] += 3  # not all channels alike: layer norm would not see it
    reached = (level(grid) != level(changed)).any(-1)[0]
    assert reached[:7, 7:].all()
    assert reached.sum() == 49


def test_merging_crosses_the_border_of_areas():
    merge = Merge(8, 16)
    grid = noise(1, 14, 14, 8)
    changed = grid.clone()
    changed[0, 6, 3, 0] += 3  # last row of the upper left area
    reached = (merge(grid) != merge(changed)).any(-1)[0]
    assert merge(grid).shape == (1, 7, 7, 16)
    assert reached[3].any()  # rows 5 to 7 of the face
    assert not reached[5:].any()


def test_the_nose_is_not_used_and_every_other_window_is():
    network = SMALL(3).eval()
    for area, name in enumerate(NAMES):
        windows = WINDOWS.clone()
        windows[:, area] = 0
        assert torch.equal(network(windows), network(WINDOWS)) == (name == "nose")


def test_places_are_told_apart_though_layer_norm_follows():
    """A number added to all channels alike, as released, is subtracted again by the norm."""
    level = Level(side=2, blocks=1, dim=8, heads=2, depth=1, dropout=0.0)
    attend = level.layers[0].attend
    same = noise(1, 1, 8).expand(1, 4, 8)
    number = torch.arange(4.0)[:, None].expand(4, 8)
    torch.testing.assert_close(attend(same + number), attend(same), rtol=1e-3, atol=1e-4)
    told = level(same.unflatten(1, (2, 2))).flatten(1, 2)[0]
    assert not torch.allclose(told[0], told[3], atol=1e-2)


def test_each_plane_is_divided_by_its_scale_and_clamped():
    network = SMALL(3)
    seen = {}
    network.patches.register_forward_hook(lambda _, x, y: seen.update(face=x[0]))
    network(torch.ones(1, 5, 3, 14, 14) * torch.tensor([1.0, -100.0, 0.1])[:, None, None])
    assert torch.equal(seen["face"][0, :, 0, 0], torch.tensor([0.5, -3.0, 2.0]))


def test_a_sample_in_eval_mode_has_one_answer():
    assert_eval_repeats_and_ignores_the_batch(htnet_lite.MODEL.build(3), [WINDOWS])


def test_without_dropout_training_mode_changes_nothing():
    network = SMALL(3)
    assert torch.equal(network.train()(WINDOWS), network.eval()(WINDOWS))
    lite = htnet_lite.MODEL.build(3)
    assert not torch.equal(lite.train()(WINDOWS), lite.eval()(WINDOWS))


def test_a_grid_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="a grid of 7 x 7 has no 2 x 2 squares"):
        HTNet(3, blocks=(2, 2, 1), dims=(8, 8, 8), heads=(1, 1, 1), depths=(1, 1, 1))


@pytest.mark.slow
def test_16_random_samples_are_learned_by_heart():
    windows = noise(16, 5, 3, 14, 14) * SCALE
    assert learned(SMALL(3), [windows], torch.arange(16) % 3, steps=60, rate=4e-3) == 1


def test_folds_can_be_trained_side_by_side():
    assert_folds_train_together(lambda: SMALL(3), [WINDOWS])


def test_scales_are_no_part_of_a_checkpoint():
    assert set(SMALL(3).state_dict()) == {name for name, _ in SMALL(3).named_parameters()}


@pytest.mark.parametrize("file", [htnet, htnet_lite])
def test_it_takes_the_regions_of_its_recipe_as_they_are(file):
    (taken,) = file.MODEL.takes
    assert (taken.feature, taken.size, taken.scale, taken.clamp) == ("regions", None, (1.0,), None)
    assert file.MODEL.recipe == "htnet"


def test_the_recipe_of_its_authors_is_the_default():
    fit = htnet.MODEL.fit
    assert (fit.epochs, fit.batch_size, fit.learning_rate) == (800, 256, 5e-5)
