"""Measures from counts against scikit-learn, and intervals against what is known of them."""

import time

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from train.bootstrap import DRAWS, count, draw, drawn, interval, intervals
from train.measures import MEASURES, f1, measures, recall
from train.predictions import Predictions, Row
from train.scores import scores

CLASSES = ("w", "x", "y", "z")


def table(people=6, clips=7, seeds=2, right=0.6, classes=CLASSES, dataset="d"):
    """Random truths, and guesses that are right in a share of the clips."""
    random = np.random.default_rng(people * clips + seeds)
    truth = random.integers(0, len(classes) - 1, (people, clips))  # nobody shows the last one
    rows = []
    for seed in range(seeds):
        hit = random.random(truth.shape) < right
        guess = np.where(hit, truth, random.integers(0, len(classes), truth.shape))
        rows += [
            Row("r", seed, f"{dataset}/{p}", f"{dataset}-{p}-{c}", dataset, str(p),
                classes[truth[p, c]], classes[guess[p, c]], (1 / len(classes),) * len(classes), 3)
            for p in range(people)
            for c in range(clips)
        ]  # fmt: skip
    return Predictions(tuple(classes), tuple(rows))


def by_seed(predictions):
    return [predictions.of(seed) for seed in predictions.seeds()]


def test_measures_of_counts_are_those_of_scikit_learn():
    predictions = table(seeds=1)
    truth = [row.truth for row in predictions.rows]
    guess = [row.prediction for row in predictions.rows]
    confusion = count([predictions.rows], CLASSES).confusion.sum((0, 1))
    fixed = {"labels": CLASSES, "zero_division": 0}
    found = measures(confusion, range(4))
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, guess))
    assert found["UF1"] == pytest.approx(f1_score(truth, guess, average="macro", **fixed))
    assert found["UAR"] == pytest.approx(recall_score(truth, guess, average="macro", **fixed))
    assert found["weighted F1"] == pytest.approx(
        f1_score(truth, guess, average="weighted", **fixed)
    )
    assert f1(confusion) == pytest.approx(f1_score(truth, guess, average=None, **fixed))
    assert recall(confusion) == pytest.approx(recall_score(truth, guess, average=None, **fixed))
    chosen = {"labels": CLASSES[:2], "average": "macro", "zero_division": 0}
    assert measures(confusion, [0, 1])["UF1"] == pytest.approx(f1_score(truth, guess, **chosen))


def test_the_counts_of_a_draw_are_those_of_the_people_drawn_as_often_as_drawn():
    rows = by_seed(table())
    counts = count(rows, CLASSES)
    often = np.array([[2.0, 0, 1, 0, 0, 3]])
    chosen = [row for row in rows[1] for _ in range(int(often[0, int(row.subject)]))]
    expected = count([chosen], CLASSES).confusion.sum((0, 1))
    assert np.array_equal(drawn(counts.confusion, often)[0, 1], expected)


def test_every_draw_has_as_many_people_as_there_are():
    often = draw(9)
    assert often.shape == (DRAWS, 9)
    assert set(often.sum(1)) == {9}
    assert np.array_equal(often, draw(9))
    assert often.mean(0) == pytest.approx(np.ones(9), abs=0.1)


def test_the_interval_of_a_mean_of_people_is_the_textbooks():
    """Accuracy of people with as many clips each is a mean: ± 1.96 standard errors."""
    predictions = table(people=60, clips=10, seeds=1)
    confusion = count(by_seed(predictions), CLASSES).confusion
    each = measures(confusion[0], range(4))["accuracy"]
    error = each.std() / np.sqrt(60)
    low, high = intervals(confusion, range(4))["accuracy"]
    assert low == pytest.approx(each.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(each.mean() + 1.96 * error, abs=0.15 * error)


def test_people_are_drawn_and_not_clips():
    """Ten clips of a person that are all right or all wrong say no more than one."""
    rows = [
        Row("r", 0, f"d/{p}", f"{p}-{c}", "d", str(p), "x", "xy"[p % 2], (0.5, 0.5), 1)
        for p in range(10)
        for c in range(10)
    ]
    low, high = intervals(count([rows], "xy").confusion, range(2))["accuracy"]
    assert (low, high) == pytest.approx((0.2, 0.8))


def test_the_interval_holds_the_middle_95_percent():
    assert interval(np.arange(2001.0)) == pytest.approx((50, 1950))


def test_a_class_that_is_not_drawn_counts_as_0_in_that_draw():
    """One person of two shows y, all guesses are right: half the UAR is lost without them."""
    rows = [
        Row("r", 0, f"d/{who}", who, "d", who, truth, truth, (0.5, 0.5), 1)
        for who, truth in (("a", "x"), ("b", "y"))
    ]
    assert intervals(count([rows], "xy").confusion, range(2))["UAR"] == (0.5, 1.0)


def test_a_single_person_has_no_interval():
    found = scores(table(people=3))
    one = [row for row in table(people=3).rows if row.subject == "0"]
    assert intervals(count([one], CLASSES).confusion, range(4)) == dict.fromkeys(MEASURES)
    assert found["per_subject"]["d/0"]["accuracy"]["interval"] is None


def test_every_interval_of_a_table_is_around_its_figure():
    found = scores(table(people=20))
    figures = [
        *found["network"].values(),
        *found["majority"].values(),
        *(figure for row in found["per_class"].values() for figure in (row["F1"], row["recall"])),
        *(figure for row in found["per_dataset"].values() for figure in row["network"].values()),
    ]
    assert len(figures) == 4 + 4 + 8 + 4
    for figure in figures:
        low, high = figure["interval"]
        assert 0 <= low <= figure["mean"] <= high <= 1
    assert found["network"]["UF1"]["interval"][0] < found["network"]["UF1"]["interval"][1]


def test_all_intervals_of_the_composite_take_less_than_a_second():
    predictions = table(people=68, clips=7, seeds=5)
    start = time.process_time()
    rows = by_seed(predictions)
    intervals(count(rows, CLASSES).confusion, range(4))
    assert time.process_time() - start < 1
