import pytest

from features.console import MerError
from pipeline import recipe


def test_every_recipe_that_comes_with_merkit_loads_and_says_what_it_is():
    assert "flow" in recipe.names()
    for name in recipe.names():
        loaded = recipe.load(name)
        assert loaded.about
        assert set(loaded.stored) <= set(loaded.stages)


def test_what_a_feature_needs_is_computed_before_it_though_not_stored():
    only = recipe.parse("r", {"features": ["strain"]}, "r")
    assert list(only.stages) == ["flow", "strain"]
    assert only.stored == ("strain",)


def test_a_file_of_ones_own_is_a_recipe(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('features = ["strain"]\n[crop]\nsize = 128\n[strain]\nsigma = 2\n')
    mine = recipe.load(str(path))
    assert (mine.name, mine.framing.crop.size) == ("mine", 128)
    assert mine.stages["strain"].config.sigma == 2.0


def test_settings_of_a_setting_are_a_table_of_their_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'features = ["flow"]\n[flow]\nmethod = "tvl1"\n[flow.tvl1]\nwarps = 5\nattachment = 1\n'
    )
    settings = recipe.load(str(path)).stages["flow"].config.tvl1
    assert (settings.warps, settings.attachment, settings.scales) == (5, 1.0, 5)


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
        ({"features": ["flow"], "flow": {"dis": 3}}, "dis is not a table"),
        ({"features": ["flow"], "flow": {"dis": {"size": 3}}}, r"\[flow.dis\]: no setting 'size'"),
        ({"features": ["flow"], "flow": {"tvl1": {"warps": 5}}}, "settings of tvl1 mean nothing"),
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


def test_one_feature_may_stand_twice_under_names_of_its_own():
    table = {
        "features": ["forth", "back", "strain"],
        "forth": {"feature": "flow"},
        "back": {"feature": "flow", "of": ["apex_offset"], "method": "dis"},
        "strain": {"of": ["back"]},
    }
    both = recipe.parse("r", table, "r")
    assert both.stages["forth"].of == ("onset_apex",)
    assert both.stages["back"].of == ("apex_offset",)
    assert both.stages["strain"].of == ("back",)
    assert both.sources() == {"onset_apex", "apex_offset"}
    assert list(both.stages).index("back") < list(both.stages).index("strain")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"features": ["back"], "back": {"feature": "flwo"}}, "no feature 'flwo'"),
        ({"features": ["back"], "back": {}}, "no feature 'back'"),
        ({"features": ["strain"], "strain": {"of": ["strain"]}}, "strain needs itself"),
        ({"features": ["strain"], "strain": {"of": "flow"}}, "of is 'flow'"),
        ({"features": ["strain"], "strain": {"of": ["flow", "flow"]}}, r"of is \['flow', 'flow'\]"),
        ({"features": ["strain"], "strain": {"of": ["flwo"]}}, "no feature 'flwo'"),
        ({"features": ["clip"]}, "clip is no feature but frames"),
        ({"features": ["tim"]}, "people can be recognised in tim"),
        ({"features": ["steady_flow"], "landmarks": {"landmarker": "none"}}, "asks for places"),
        (
            {"features": ["flow"], "landmarks": {"landmarker": "none"}, "crop": {"region": "eyes"}},
            "a region needs landmarks",
        ),
        ({"features": ["flow"], "steady": {"motion": "ecc"}}, r"\[steady\]: motion is 'ecc'"),
        ({"features": ["flow"], "clip": {"window_ms": -1}}, r"\[clip\]: window_ms is -1.0"),
    ],
)
def test_stages_that_cannot_be_computed_are_refused_before_any_work(table, words):
    with pytest.raises(MerError, match=words):
        recipe.parse("r", table, "r.toml")


def test_a_face_is_stored_only_by_a_recipe_that_says_so():
    faces = recipe.parse("r", {"features": ["tim"], "sensitive": True}, "r")
    assert faces.sensitive
    assert '"sensitive":true' in faces.json()


def test_a_store_gives_back_the_recipe_it_was_made_by(tmp_path):
    table = {
        "features": ["back", "strain"],
        "back": {"feature": "flow", "of": ["apex_offset"]},
        "crop": {"region": "mouth"},
        "landmarks": {"frames": 3},
    }
    one = recipe.parse("mine", table, "mine")
    assert recipe.from_store(one.json(), tmp_path / "mine.h5").json() == one.json()


def test_a_users_model_file_is_in_the_recipe_unless_there_are_no_landmarks():
    own = recipe.with_model(recipe.load("flow"), "d" * 32)
    assert (own.landmarks.landmarker, own.landmarks.model) == ("task", "d" * 32)
    none = {"features": ["flow"], "landmarks": {"landmarker": "none"}}
    cropped = recipe.parse("r", none, "r")
    assert recipe.with_model(cropped, "d" * 32) == cropped
