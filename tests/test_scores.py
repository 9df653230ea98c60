"""Scores against values worked out by hand."""

import json
import math
from dataclasses import replace

import pytest
from click.testing import CliRunner

from features.console import MerError
from train.predictions import Predictions, Row, read, write
from train.report import cli as report
from train.scores import majority, scores
from train.tables import intervals

# Person a: three of class x, b: one x and two y. z is a class that nobody shows.
TRUTH = {"a": "xxx", "b": "xyy"}
GUESS = {"a": "xxy", "b": "yyx"}


def rows(guess=GUESS, seed=0):
    return [
        Row("r", seed, f"d/{who}", f"{who}{i}", "d", who, truth, said, (0.2, 0.3, 0.5), 7)
        for who, truths in TRUTH.items()
        for i, (truth, said) in enumerate(zip(truths, guess[who], strict=True))
    ]


def table(*seeds, classes="xyz"):
    return Predictions(tuple(classes), tuple(row for rows in seeds for row in rows))


# x: TP 2, FP 1, FN 2 -> F1 4/7, recall 1/2.   y: TP 1, FP 2, FN 1 -> F1 2/5, recall 1/2.
def test_accuracy_is_the_share_of_right_guesses():
    assert scores(table(rows()))["network"]["accuracy"]["mean"] == pytest.approx(3 / 6)


def test_uf1_and_uar_are_means_over_the_classes():
    network = scores(table(rows(), classes="xy"))["network"]
    assert network["UF1"]["mean"] == pytest.approx((4 / 7 + 2 / 5) / 2)
    assert network["UAR"]["mean"] == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_a_class_that_nobody_shows_counts_as_0():
    result = scores(table(rows()))
    assert result["network"]["UF1"]["mean"] == pytest.approx((4 / 7 + 2 / 5 + 0) / 3)
    assert result["network"]["UAR"]["mean"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert result["per_class"]["z"]["F1"]["mean"] == 0
    assert result["per_class"]["z"]["n"] == 0


def test_predictions_are_pooled_before_f1_is_taken():
    """The mean of the folds' own macro F1 would be another number."""
    fold_a, fold_b = (4 / 5 + 0) / 2, (0 + 2 / 4) / 2
    uf1 = scores(table(rows(), classes="xy"))["network"]["UF1"]["mean"]
    assert abs(uf1 - (fold_a + fold_b) / 2) > 0.05


def test_intervals_of_fewer_than_five_people_are_said_to_mean_little():
    told = scores(table(rows()))
    assert intervals(told).endswith("drawn from 2 subjects, it means little")
    told["counts"]["subjects"] = 5
    assert intervals(told).endswith("counts as 0")


def test_the_confusion_has_truth_in_rows_and_sums_over_seeds():
    assert scores(table(rows()))["confusion"] == [[2, 2, 0], [1, 1, 0], [0, 0, 0]]
    assert scores(table(rows(), rows(seed=1)))["confusion"][0] == [4, 4, 0]


def test_each_subject_has_its_accuracy():
    subjects = scores(table(rows()))["per_subject"]
    assert subjects["d/a"]["n"] == 3
    assert subjects["d/a"]["accuracy"]["mean"] == pytest.approx(2 / 3)
    assert subjects["d/b"]["accuracy"]["mean"] == pytest.approx(1 / 3)


def test_seeds_give_a_mean_and_a_sample_deviation():
    accuracy = scores(table(rows(), rows(TRUTH, seed=1)))["network"]["accuracy"]
    assert accuracy["seeds"] == pytest.approx([1 / 2, 1])
    assert accuracy["mean"] == pytest.approx(3 / 4)
    assert accuracy["sd"] == pytest.approx(math.sqrt(2 * 0.25**2 / 1))


def test_a_single_seed_has_no_deviation():
    assert scores(table(rows()))["network"]["accuracy"]["sd"] is None


def test_chance_is_one_over_the_classes():
    assert scores(table(rows()))["chance"]["UAR"] == pytest.approx(1 / 3)


def test_the_majority_is_that_of_the_other_folds():
    """For a it is b's majority, y: wrong three times. For b it is a's, x: right once."""
    assert majority(rows()) == ["y", "y", "y", "x", "x", "x"]
    assert scores(table(rows()))["majority"]["accuracy"]["mean"] == pytest.approx(1 / 6)


def test_counts_say_what_the_scores_rest_on():
    assert scores(table(rows(), rows(seed=1)))["counts"] == {
        "samples": 6, "subjects": 2, "classes": 3, "folds": 2, "seeds": 2, "epochs": [7],
    }  # fmt: skip


def test_weighted_f1_weighs_the_classes_by_their_samples():
    network = scores(table(rows()))["network"]
    assert network["weighted F1"]["mean"] == pytest.approx((4 * 4 / 7 + 2 * 2 / 5) / 6)


def of_dataset(name, guess):
    """The rows again as another dataset's, which shows x alone."""
    return [
        replace(r, dataset=name, fold=f"{name}/{r.subject}", sample_id=f"{name}-{r.sample_id}",
                truth="x", prediction=guess)
        for r in rows()
    ]  # fmt: skip


def test_each_dataset_of_a_composite_has_figures_of_its_own_over_its_own_classes():
    result = scores(table([*rows(), *of_dataset("e", "x")], classes="xy"))
    assert sorted(result["per_dataset"]) == ["d", "e"]
    d, e = (result["per_dataset"][name] for name in "de")
    assert d["network"]["UF1"]["mean"] == pytest.approx((4 / 7 + 2 / 5) / 2)
    assert e["classes"] == ["x"]
    assert e["network"]["UF1"]["mean"] == 1  # with y, which e has not, it would be a half
    assert (e["samples"], e["subjects"], e["confusion"]) == (6, 2, [[6, 0], [0, 0]])
    assert result["network"]["accuracy"]["mean"] == pytest.approx((3 + 6) / 12)


def test_a_guess_of_a_class_that_a_dataset_does_not_have_is_an_error():
    result = scores(table([*rows(), *of_dataset("e", "y")], classes="xy"))
    assert result["per_dataset"]["e"]["network"]["UAR"]["mean"] == 0


def oracle():
    return table([replace(row, prediction=row.truth, epoch=3) for row in rows()])


def test_an_oracle_has_figures_beside_the_networks_and_changes_none_of_them():
    alone, both = scores(table(rows())), scores(table(rows()), oracle())
    assert both["oracle"]["accuracy"]["mean"] == 1
    assert {name: both[name] for name in alone} == alone


def test_an_oracle_of_other_samples_is_refused():
    other = table([replace(row, sample_id=f"{row.sample_id}!") for row in rows()])
    with pytest.raises(MerError, match=r"oracle.csv is of other samples or classes: 12 rows"):
        scores(table(rows()), other)


def scored(*args):
    return CliRunner().invoke(report, ["score", *map(str, args)])


def test_the_oracle_stands_in_a_column_of_its_own_with_a_line_that_says_what_it_is(tmp_path):
    write(tmp_path / "predictions.csv", table(rows()))
    before = scored(tmp_path)
    assert "test-selected" not in before.stdout
    write(tmp_path / "oracle.csv", oracle())
    after = scored(tmp_path)
    assert after.exit_code == 0, after.output
    lines = after.stdout.splitlines()
    header = next(line for line in lines if "pooled over folds" in line)
    assert header.rstrip("┃ ").endswith("oracle (test-selected)")
    accuracy = next(line for line in lines if "accuracy" in line)
    assert accuracy.rstrip("│ ").endswith("100.0 %")
    assert " 50.0 %" in accuracy
    assert sum("best on its own test subject" in line for line in lines) == 1


def test_a_table_of_another_name_is_scored_without_what_lies_beside_it(tmp_path):
    write(tmp_path / "p.csv", table(rows()))
    write(tmp_path / "oracle.csv", oracle())
    assert "oracle" not in json.loads(scored(tmp_path / "p.csv", "--json").stdout)
    write(tmp_path / "predictions.csv", table(rows()))
    assert "oracle" in json.loads(scored(tmp_path / "predictions.csv", "--json").stdout)


def test_subjects_have_a_table_if_asked(tmp_path):
    write(tmp_path / "p.csv", table(rows()))
    assert "d/a" not in scored(tmp_path / "p.csv").stdout
    assert "│ d/a     │ 3 │   66.7 % │" in scored(tmp_path / "p.csv", "--subjects").stdout


def test_the_datasets_of_a_composite_have_a_table(tmp_path):
    write(tmp_path / "p.csv", table([*rows(), *of_dataset("e", "x")]))
    line = next(text for text in scored(tmp_path / "p.csv").stdout.splitlines() if "│ e " in text)
    assert "100.0 %" in line


def test_a_missing_table_ends_in_words(tmp_path):
    missing = scored(tmp_path / "nowhere")
    assert missing.exit_code == 1
    assert "no such predictions" in missing.stderr


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("results.json", b"{"),
        ("results.json", b"[1]"),
        ("results.json", b"\xff"),
        ("config.toml", b"= 1"),
        ("config.toml", b"\xff"),
    ],
)
def test_a_broken_file_beside_the_predictions_ends_in_words(tmp_path, name, data):
    write(tmp_path / "predictions.csv", table(rows()))
    (tmp_path / name).write_bytes(data)
    broken = scored(tmp_path)
    assert broken.exit_code == 1
    assert f"{name}: does not read" in broken.stderr.splitlines()[0]


def test_a_single_fold_has_no_majority():
    with pytest.raises(MerError, match="single fold d/a"):
        scores(table(rows()[:3]))


def test_a_table_reads_back_as_written(tmp_path):
    predictions = table(rows(), rows(seed=1))
    write(tmp_path / "p.csv", predictions)
    assert read(tmp_path / "p.csv") == predictions


HEADER = "run,seed,fold,sample_id,dataset,subject,truth,prediction,p_x,p_y,p_z,epoch"
LINE = "r,0,d/a,a0,d,a,x,y,0.2,0.3,0.5,7"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"{HEADER.replace('truth,', '')}\n", "no column truth"),
        ("", "no column run"),
        (f"{HEADER.replace('p_x,p_y,p_z', 'p_x')}\n", "1 columns p_<class>"),
        (f"{HEADER.replace('p_y', 'p_x')}\n", "a column stands twice"),
        (f"{HEADER}\n", "no predictions"),
        (f"{HEADER}\n{LINE.replace(',x,y,', ',joy,y,')}\n", "truth 'joy' is not among"),
        (f"{HEADER}\n{LINE.replace(',x,y,', ',x,joy,')}\n", "prediction 'joy' is not among"),
        (f"{HEADER}\n{LINE}\n{LINE}\n", "a0 stands twice in seed 0"),
        (f"{HEADER}\n{LINE}\n{LINE.replace('r,0', 'r,1').replace('a0', 'a1')}\n", "differ in 2"),
        (f"{HEADER}\n{LINE.replace('r,0', 'r,zero')}\n", "line 2 does not read"),
        (f"{HEADER}\n{LINE[:20]}\n", "line 2 does not read"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(tmp_path, text, cause):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(MerError, match=cause) as refusal:
        read(path)
    assert "\n" not in refusal.value.cause


def test_a_binary_file_is_no_table(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes(b"\x89HDF\r\n\x1a\n\xff")
    with pytest.raises(MerError, match="not readable as CSV"):
        read(path)
