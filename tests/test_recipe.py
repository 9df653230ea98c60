import pytest

from features.console import MerError
from pipeline import recipe


def test_every_recipe_that_comes_with_merkit_loads_and_says_what_it_is():
    assert "flow" in recipe.names()
    for name in recipe.names():
        loaded = recipe.load(name)
        assert loaded.about
        assert set(loaded.stored) <= set(loaded.features)


def test_what_a_feature_needs_is_computed_before_it_though_not_stored():
    only = recipe.parse("r", {"features": ["strain"]}, "r")
    assert list(only.features) == ["flow", "strain"]
    assert only.stored == ("strain",)


def test_a_file_of_ones_own_is_a_recipe(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('features = ["flow"]\n[crop]\nsize = 128\n[flow]\nsmoothness = 20\n')
    mine = recipe.load(str(path))
    assert (mine.name, mine.crop.size, mine.features["flow"].smoothness) == ("mine", 128, 20.0)


def test_settings_change_the_recipe_and_their_order_does_not(tmp_path):
    one = recipe.parse("r", {"features": ["flow"], "crop": {"size": 64}, "flow": {}}, "r")
    same = recipe.parse("r", {"flow": {}, "crop": {"size": 64}, "features": ["flow"]}, "r")
    other = recipe.parse("r", {"features": ["flow"], "crop": {"size": 65}}, "r")
    assert one.json() == same.json() != other.json()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "names no features"),
        ({"features": []}, "names no features"),
        ({"features": ["flwo"]}, "no feature 'flwo'; did you mean 'flow'"),
        ({"features": ["flow"], "strian": {}}, "no entry 'strian'"),
        ({"features": ["flow"], "crop": {"sise": 3}}, "no setting 'sise'; did you mean 'size'"),
        ({"features": ["flow"], "crop": {"size": "big"}}, "size is 'big'"),
        ({"features": ["flow"], "crop": {"size": True}}, "size is True"),
        ({"features": ["flow"], "crop": {"size": 4}}, r"\[crop\]: size is 4 px"),
        ({"features": ["flow"], "crop": 224}, "not a table"),
    ],
)
def test_a_recipe_that_means_nothing_is_refused_by_name(table, words):
    with pytest.raises(MerError, match=words):
        recipe.parse("r", table, "r.toml")


def test_a_recipe_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MerError, match="no recipe 'flaw'; did you mean 'flow'"):
        recipe.load("flaw")
    with pytest.raises(MerError, match="no such recipe"):
        recipe.load(str(tmp_path / "x.toml"))
    (tmp_path / "bad.toml").write_text("features = [")
    with pytest.raises(MerError, match="not TOML"):
        recipe.load(str(tmp_path / "bad.toml"))
