from collections import Counter

import pytest

from features import protocol
from features.console import MerError
from pipeline.datasets import base as datasets

DATA = [name for name in protocol.names() if name != protocol.ALL]
TOTALS = {
    "megc2019": 442, "casme2-3": 145, "casme2-7": 255, "samm-3": 133, "samm-5": 136,
    "samm-8": 159, "smic-3": 164,
    "smic_vis-3": 71, "smic_nir-3": 71, "casme3-3": 699, "casme3-4": 860, "casme3-7": 860,
    "mmew-3": 234, "mmew-4": 263, "mmew-6": 234, "dfme-7": 2629, "casme2-5": 246,
    "casme2-3-mmnet": 156, "megc2018": 253, "cd6me": 2031,
}  # fmt: skip


@pytest.mark.parametrize("name", DATA)
def test_a_protocol_is_of_known_datasets_and_each_class_has_its_count(name):
    loaded = protocol.load(name)
    assert loaded.about
    assert loaded.source
    for dataset, part in loaded.parts.items():
        assert dataset in datasets.names()
        classes = set(part.classes.values()) | {f"AU{n}" for n in part.units}
        assert set(part.expected) == classes
        assert not part.per_subject or sum(part.per_subject.values()) == sum(
            n if isinstance(n, int) else n[0] for n in part.expected.values()
        )
        assert all(clip.startswith(f"{dataset}_") for clip in part.exclude)


@pytest.mark.parametrize("name", DATA)
def test_expected_counts_sum_to_the_published_total(name):
    parts = protocol.load(name).parts.values()
    counts = [n for part in parts for n in part.expected.values()]
    if protocol.load(name).several_labels:
        assert sum(counts) == 2521
        counts = [part.samples for part in parts]
    assert sum(n if isinstance(n, int) else n[0] for n in counts) == TOTALS[name]


def test_megc2019_is_250_negative_109_positive_83_surprise_of_68_subjects():
    loaded = protocol.load("megc2019")
    total = Counter()
    for part in loaded.parts.values():
        total.update(part.expected)
    assert total == {"negative": 250, "positive": 109, "surprise": 83}
    assert sum(part.subjects for part in loaded.parts.values()) == 68
    assert loaded.classes == ["negative", "positive", "surprise"]


@pytest.mark.parametrize(
    ("sample", "label"),
    [
        (("casme2", "casme2_sub01_EP01_01", "repression"), "negative"),
        (("casme2", "casme2_sub01_EP01_01", "others"), ""),
        (("casme2", "casme2_sub01_EP01_01", "fear"), ""),
        (("casme2", "casme2_sub05_EP09_05f", "happiness"), ""),
        (("casme2", "casme2_sub24_EP07_01", "surprise"), ""),
        (("samm", "samm_006_1_1", "fear"), "negative"),
        (("samm", "samm_006_1_1", "others"), ""),
        (("smic", "smic_s1_po_01", "positive"), "positive"),
        (("mmew", "mmew_S01-01-001", "happiness"), ""),
    ],
)
def test_megc2019_labels_by_the_rules_of_the_challenge(sample, label):
    assert protocol.load("megc2019").label(*sample) == label


def test_megc2018_goes_by_objective_class_and_not_by_emotion():
    loaded = protocol.load("megc2018")
    assert loaded.label("casme2", "casme2_sub01_EP01_01", "others", "III") == "III"
    assert loaded.label("samm", "samm_006_1_1", "anger", "VII") == ""
    assert loaded.label("samm", "samm_006_1_1", "anger") == ""


@pytest.mark.parametrize(
    ("units", "label"),
    [
        ("4+L12B", "AU4+AU12"), ("12+1", "AU1+AU12"), ("43", "none"), ("", "none"),
        ("AU12+AU25(k)+AU1(k)", "AU12"), ("L12 or L14", "AU12+AU14"), ("??", "none"),
    ],
)  # fmt: skip
def test_cd6me_labels_by_action_units_and_every_sample_takes_part(units, label):
    loaded = protocol.load("cd6me")
    assert loaded.label("samm", "samm_006_1_1", "anger", "", units) == label
    assert loaded.label("smic", "smic_s1_ne_01", "negative", "", units) == ""


def test_units_are_labelled_by_number_however_a_protocol_lists_them():
    part = protocol.Part({}, units=(12, 4, 1), by="action_units")
    assert part.label("", "", "AU1+AU12") == "AU1+AU12"
    loaded = protocol.Protocol("any", "", parts={"samm": part, "mmew": part})
    assert loaded.classes == ["AU1", "AU4", "AU12"]


def test_cd6me_counts_each_action_unit():
    told = protocol.load("cd6me").differences([("samm", "006", "AU4+AU12")] * 28, "samm")
    assert "samm: AU4 28, expected 23" in told
    assert "samm: samples 28, expected 159" in told
    assert not [sentence for sentence in told if "AU12 " in sentence]


def test_without_a_list_every_emotion_is_a_class():
    loso = protocol.load("loso")
    assert loso.label("any", "any_1", "contempt") == "contempt"
    assert loso.differences([("any", "1", "contempt")]) == []


def test_a_difference_is_told_by_class_and_a_release_that_differs_is_none():
    loaded = protocol.load("casme2-5")
    rows = [
        ("casme2", f"{k % 26:02d}", name)
        for name, counts in loaded.parts["casme2"].expected.items()
        for k in range(counts if isinstance(counts, int) else counts[1])
    ]
    assert loaded.differences(rows) == []
    rows.remove(("casme2", "00", "happiness"))
    assert loaded.differences(rows) == ["casme2: happiness 31, expected 32"]


def test_an_unknown_protocol_is_refused_with_the_nearest_name():
    with pytest.raises(MerError, match="no protocol 'megc2091'; did you mean 'megc2019'") as caught:
        protocol.load("megc2091")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("line", "wrong", "told"),
    [
        ('about = "a"', "", "it does not say about"),
        ('source = "b"', 'sorce = "b"', "an entry is 'sorce', .*; did you mean 'source'"),
        ('source = "b"', 'source = "b"\nsplit = "lodo"', "split is 'lodo', none of loso, dataset"),
        ("classes = {}", "clases = {}", r"an entry of \[samm\] is 'clases', .* 'classes'"),
        ("expected = {}", "", r"\[samm\] does not say what is expected"),
        ("expected = {}", 'expected = {}\nby = "au"', r"by of \[samm\] is 'au', none of"),
        ("[samm]", "[samm", "not TOML .*line 3"),
    ],
)
def test_a_protocol_that_means_nothing_is_told_with_its_file(
    line, wrong, told, tmp_path, monkeypatch
):
    monkeypatch.setattr(protocol, "FOLDER", tmp_path)
    text = 'about = "a"\nsource = "b"\n[samm]\nclasses = {}\nexpected = {}\n'
    (tmp_path / "mine.toml").write_text(text)
    assert protocol.load("mine").parts["samm"].by == "emotion"
    (tmp_path / "mine.toml").write_text(text.replace(line, wrong))
    with pytest.raises(MerError, match=f"{tmp_path / 'mine.toml'}: {told}"):
        protocol.load("mine")
