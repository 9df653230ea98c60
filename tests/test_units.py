"""Several labels a sample: words, losses, tables and scores worked out by hand."""

import json
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from sklearn.metrics import f1_score, recall_score

from features import protocol
from features.console import MerError
from train.audit import Audit, audit, kept_to
from train.bootstrap import count, drawn, intervals, person
from train.compare import check_same, paired
from train.finished import Finished
from train.fit import class_weights
from train.folds import folds, rarest
from train.labels import encode, in_order, predicted, several, word
from train.loss import label_loss
from train.measures import UNIT_MEASURES, unit_measures
from train.models.fr import proposal_loss
from train.oracle import right
from train.plan import labels
from train.predict import predict
from train.predictions import Predictions, Row, read, write
from train.published import published
from train.report import cli as report
from train.scores import scores
from train.seeds import by_seed
from train.stated import figures
from train.task import Task, checked

CLASSES = ("AU1", "AU4", "AU12")
# AU1: TP 2.  AU4: TP 1, FP 2, FN 2, TN 1.  AU12: nobody shows it, nobody says it.
TRUTH = {"d/a": ["AU1+AU4", "none", "AU4"], "e/b": ["AU1", "AU4", "none"]}
GUESS = {"d/a": ["AU1", "AU4", "AU4"], "e/b": ["AU1+AU4", "none", "none"]}


def certain(label, classes=CLASSES):
    """Probabilities that say a label."""
    return tuple(0.9 if hit else 0.1 for hit in encode([label], classes)[0])


def rows(guess=GUESS, seed=0, truth=TRUTH):
    return [
        Row("r", seed, who[0], f"{who}{i}", who[0], who[2:], shown, said, certain(said), 7)
        for who, labels in truth.items()
        for i, (shown, said) in enumerate(zip(labels, guess[who], strict=True))
    ]


def table(*seeds):
    return Predictions(CLASSES, tuple(row for rows in seeds for row in rows))


def at_random(people=5, clips=9, seeds=2, units=CLASSES, right=0.7):
    """Units shown by a coin, and guessed rightly in a share of the clips; none shows the last."""
    random = np.random.default_rng(people * clips)
    truth = random.random((people, clips, len(units))) < 0.4
    truth[..., -1] = False
    made = []
    for seed in range(seeds):
        said = np.where(random.random(truth.shape) < right, truth, ~truth)
        for p in range(people):
            for c in range(clips):
                label, guess = (word(one[p, c], units) for one in (truth, said))
                made.append(Row("r", seed, f"{p % 3}", f"{p}-{c}", f"{p % 3}", str(p), label,
                                guess, certain(guess, units), 3))  # fmt: skip
    return Predictions(tuple(units), tuple(made))


def test_units_are_several_labels_and_all_other_classes_are_one():
    assert several(CLASSES)
    assert not several(("AU1", "anger"))
    assert not several(("disgust", "surprise"))
    assert not several(())


def test_words_become_numbers_and_come_back():
    truth = encode(["AU12+AU1", "none", "AU4"], CLASSES)
    assert truth.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert truth.dtype == np.int64
    assert encode([], CLASSES).shape == (0, 3)
    assert [word(one, CLASSES) for one in truth] == ["AU1+AU12", "none", "AU4"]
    assert encode(["y", "x"], ("x", "y")).tolist() == [1, 0]
    assert word(encode(["y"], ("x", "y"))[0], ("x", "y")) == "y"


def test_units_stand_in_the_order_of_their_numbers():
    assert in_order({"AU12", "AU4", "AU17", "AU1"}) == "AU1+AU4+AU12+AU17"
    assert protocol.load("cd6me").classes[:3] == ["AU1", "AU2", "AU4"]
    assert protocol.load("cd6me").classes[-1] == "AU17"


def test_a_unit_is_predicted_above_a_half_and_not_at_it():
    assert predicted(np.array([0.51, 0.5, 0.99]), CLASSES) == "AU1+AU12"
    assert predicted(np.array([0.5, 0.4, 0.1]), CLASSES) == "none"
    assert predicted(np.array([0.4, 0.3, 0.3]), ("x", "y", "z")) == "x"


class Says(torch.nn.Module):
    """Gives the logits that it is asked about."""

    def forward(self, logits):
        return logits


def test_each_unit_has_a_probability_of_its_own():
    p = predict(Says(), [torch.tensor([[0.0, math.log(3), -math.log(3)]])], several=True)
    torch.testing.assert_close(p, torch.tensor([[0.5, 0.75, 0.25]]))


def test_the_loss_is_the_mean_cross_entropy_of_every_unit_alone():
    logits = torch.tensor([[math.log(3), 0.0], [0.0, -math.log(3)]])
    truth = torch.tensor([[1, 0], [0, 1]])
    expected = -(math.log(0.75) + math.log(0.5) + math.log(0.5) + math.log(0.25)) / 4
    assert label_loss(logits, truth).item() == pytest.approx(expected)
    weight = torch.tensor([2.0, 4.0])
    expected = -(2 * math.log(0.75) + math.log(0.5) + math.log(0.5) + 4 * math.log(0.25)) / 4
    assert label_loss(logits, truth, weight).item() == pytest.approx(expected)


def test_a_smoothed_unit_is_a_little_not_shown():
    logits, truth = torch.tensor([[math.log(3)]]), torch.tensor([[1]])
    expected = -(0.9 * math.log(0.75) + 0.1 * math.log(0.25))
    assert label_loss(logits, truth, smoothing=0.2).item() == pytest.approx(expected)


def test_a_loss_made_for_one_class_does_not_take_several_labels_unseen():
    """Were truth float, torch would read it as probabilities of classes."""
    with pytest.raises(RuntimeError):
        torch.nn.functional.cross_entropy(torch.zeros(2, 3), torch.from_numpy(encode(
            ["AU1+AU4", "AU12"], CLASSES)))  # fmt: skip


def test_balanced_weighs_shown_as_heavy_as_not_shown_within_bounds():
    truth = torch.zeros(101, 4, dtype=torch.int64)
    truth[:25, 0], truth[:1, 1], truth[:, 2] = 1, 1, 1
    assert class_weights(truth, 4, "balanced").tolist() == pytest.approx([76 / 25, 50, 1 / 50, 1])


def test_no_weight_of_cd6me_is_cut_whichever_dataset_is_left_out():
    parts = protocol.load("cd6me").parts
    n = {name: first(part.samples) for name, part in parts.items()}
    for left in parts:
        for unit in protocol.load("cd6me").classes:
            seen = sum(first(part.expected[unit]) for name, part in parts.items() if name != left)
            assert (sum(n.values()) - n[left] - seen) / seen < 50


def first(n):
    return n if isinstance(n, int) else n[0]


def test_a_proposal_of_one_unit_costs_what_that_of_a_class_does():
    torch.manual_seed(0)
    detected, truth = torch.randn(6, 3, 2), torch.tensor([0, 1, 2, 2, 0, 0])
    hot = torch.nn.functional.one_hot(truth, 3)
    assert torch.equal(proposal_loss(detected, truth), proposal_loss(detected, hot))
    more = hot.clone()
    more[0] = 1
    assert not torch.equal(proposal_loss(detected, hot), proposal_loss(detected, more))


def test_the_oracle_counts_the_right_decisions_on_units():
    p, truth = (
        torch.tensor([[0.9, 0.9, 0.1], [0.1, 0.5, 0.6]]),
        torch.tensor([[1, 0, 0], [0, 0, 1]]),
    )
    assert right(p, truth) == 5


def test_whole_rows_are_shuffled():
    truth = np.random.default_rng(0).integers(0, 2, (40, 12))
    moved = labels(truth, 3, shuffle=True)
    assert Counter(map(tuple, moved)) == Counter(map(tuple, truth))
    assert not np.array_equal(moved, truth)
    assert labels(truth, 3, shuffle=False) is truth


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_diverged_fit_of_units_is_refused(wrong):
    task = Task(0, "d", np.zeros((2, 3), np.int64), np.array([0]), np.array([1]))
    assert checked(task, np.full((1, 3), 0.7)).sum() > 2
    with pytest.raises(MerError, match="fold d, seed 0: the fit diverged"):
        checked(task, np.array([[0.5, wrong, 0.5]]))


def test_k_folds_spread_the_rarest_unit_that_each_sample_shows():
    truth = np.zeros((40, 3), np.int64)
    truth[:24, 0] = truth[:8, 1] = 1
    assert Counter(rarest(truth, 4).tolist()) == {0: 16, 1: 8, 3: 16}
    group = np.array([f"d/{i}" for i in range(40)], object)
    made = folds(group, truth, group, "4-fold")
    assert [truth[fold.test].sum(0).tolist() for fold in made] == [[6, 2, 0]] * 4


def test_a_unit_too_rare_to_be_spread_stands_with_none(recwarn):
    truth = np.zeros((12, 2), np.int64)
    truth[0, 0] = truth[:4, 1] = 1
    assert Counter(rarest(truth, 3).tolist()) == {1: 3, 2: 9}
    group = np.array([f"d/{i}" for i in range(12)], object)
    assert len(folds(group, truth, group, "3-fold")) == 3
    assert not recwarn.list


def test_f1_is_the_mean_over_units_of_their_pooled_f1():
    network = scores(table(rows()))["network"]
    assert network["F1"]["mean"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert network["two-class F1"]["mean"] == pytest.approx((1 + 1 / 3 + 1 / 2) / 3)
    assert network["balanced accuracy"]["mean"] == pytest.approx((1 + 1 / 3 + 1 / 2) / 3)
    assert list(network) == list(UNIT_MEASURES)


def test_f1_is_pooled_and_no_mean_of_the_folds():
    """Of fold e alone AU4 has F1 0, of d 1/2: their mean is no 1/3."""
    f1 = scores(table(rows()))["per_class"]["AU4"]["F1"]["mean"]
    assert f1 == pytest.approx(1 / 3)


def test_each_unit_has_its_count_f1_and_recall():
    units = scores(table(rows()))["per_class"]
    assert [units[name]["n"] for name in CLASSES] == [2, 3, 0]
    assert [units[name]["F1"]["mean"] for name in CLASSES] == pytest.approx([1, 1 / 3, 0])
    assert [units[name]["recall"]["mean"] for name in CLASSES] == pytest.approx([1, 1 / 3, 0])


def test_a_unit_that_a_dataset_does_not_show_is_left_out_there():
    parts = scores(table(rows()))["per_dataset"]
    assert parts["d"]["classes"] == ["AU1", "AU4"]
    assert parts["d"]["network"]["F1"]["mean"] == pytest.approx((1 + 1 / 2) / 2)
    assert (parts["d"]["samples"], parts["d"]["per_class"]["AU4"]["n"]) == (3, 2)
    nothing = {who: ["none"] * 3 if who == "e/b" else TRUTH[who] for who in TRUTH}
    bare = scores(table(rows(truth=nothing)))["per_dataset"]["e"]
    assert bare["classes"] == []
    assert bare["network"]["F1"]["mean"] == 0
    json.dumps(bare, allow_nan=False)


def test_the_majority_of_each_unit_is_that_of_the_other_folds():
    """AU4 is shown by two of three in d, so that it is said in e; AU1 never; d hears never."""
    found = scores(table(rows()))
    assert found["majority"]["F1"]["mean"] == pytest.approx((0 + 2 / (2 + 2 + 2) + 0) / 3)
    assert found["always"]["F1"]["mean"] == pytest.approx((4 / 8 + 6 / 9 + 0) / 3)
    assert found["always"]["balanced accuracy"]["mean"] == pytest.approx((1 / 2 * 2 + 0) / 3)


def test_the_decisions_of_each_unit_are_counted_over_seeds():
    found = scores(table(rows(), rows(seed=1)))
    assert found["confusion"] == {
        "AU1": [[8, 0], [0, 4]], "AU4": [[2, 4], [4, 2]], "AU12": [[12, 0], [0, 0]],
    }  # fmt: skip
    assert found["per_subject"]["d/a"] == {
        "n": 3,
        "accuracy": {"mean": pytest.approx(7 / 9), "sd": 0, "interval": None,
                     "seeds": pytest.approx([7 / 9] * 2)},
    }  # fmt: skip


def test_measures_of_counts_are_those_of_scikit_learn():
    predictions = at_random(seeds=1)
    truth = encode((row.truth for row in predictions.rows), CLASSES)
    said = encode((row.prediction for row in predictions.rows), CLASSES)
    counted = count([predictions.rows], CLASSES).confusion.sum((0, 1))
    found = unit_measures(counted, range(3))
    assert found["F1"] == pytest.approx(f1_score(truth, said, average="macro", zero_division=0))
    both = [(truth, said), (1 - truth, 1 - said)]
    for name, measure in (("two-class F1", f1_score), ("balanced accuracy", recall_score)):
        sides = [measure(*side, average="macro", zero_division=0) for side in both]
        assert found[name] == pytest.approx(np.mean(sides))
    assert unit_measures(counted, [1])["F1"] == pytest.approx(f1_score(truth[:, 1], said[:, 1]))


def test_a_draw_counts_the_people_drawn_as_often_as_drawn():
    predictions = at_random()
    seeds = by_seed(predictions)
    counts = count(seeds, CLASSES)
    often = np.array([[2.0, 0, 1, 0, 3]])
    times = dict(zip(counts.people, often[0].astype(int), strict=True))
    again = drawn(counts.confusion, often)
    assert again.shape == (1, 2, 3, 2, 2)
    for counted, of_seed in zip(again[0], seeds, strict=True):
        chosen = [row for row in of_seed for _ in range(times[person(row)])]
        assert np.array_equal(counted, count([chosen], CLASSES).confusion.sum((0, 1)))


def test_intervals_are_over_people():
    """One of two is always right, one always wrong: a draw of one twice is 1 or 0."""
    wrong = {**TRUTH, "e/b": ["AU4", "AU1", "AU1+AU4"]}
    counted = count([rows(wrong)], CLASSES).confusion
    assert intervals(counted, [0, 1], unit_measures)["F1"] == (0, 1)
    point = scores(table(rows(wrong)))["network"]["F1"]
    assert point["interval"] == pytest.approx([0, 2 / 3])  # AU12 is 0 in every draw
    units = scores(table(rows(wrong)))["per_class"]
    assert units["AU1"]["F1"]["interval"] == [0, 1]
    assert units["AU12"]["F1"]["interval"] == units["AU12"]["recall"]["interval"] == [0, 0]


def full():
    """As many samples and units of each dataset as the protocol wants."""
    made = []
    for name, part in protocol.load("cd6me").parts.items():
        shown = [[] for _ in range(first(part.samples))]
        for unit in part.units:
            n = first(part.expected[f"AU{unit}"])
            for i in range(n):
                shown[(unit * 7 + i) % len(shown)].append(f"AU{unit}")
        made += [
            (name, f"{i % 20}", f"{name}-{i}", in_order(units)) for i, units in enumerate(shown)
        ]
    classes = tuple(protocol.load("cd6me").classes)
    table = [
        Row("r", 0, dataset, sample, dataset, subject, label, label, certain(label, classes), 3)
        for dataset, subject, sample, label in made
    ]
    return Predictions(classes, tuple(table))


@pytest.fixture(scope="module")
def whole():
    return full()


def test_to_say_every_unit_always_scores_what_the_toolbox_prints_for_ones(whole):
    """MEB's notebook: 17.8 of shown, 8.9 of both sides, over its 2,031 samples."""
    always = scores(whole)["always"]
    assert len(whole.rows) == 2031
    assert round(100 * always["F1"]["mean"], 1) == 17.8
    assert round(100 * always["two-class F1"]["mean"], 1) == 8.9


def test_a_whole_cd6me_is_the_protocols_and_one_label_less_is_found(whole):
    rule = protocol.load("cd6me")
    assert list(kept_to(whole, rule, False)) == []
    i = next(i for i, row in enumerate(whole.rows) if row.truth.startswith("AU9+"))
    changed = [*whole.rows]
    changed[i] = replace(changed[i], truth=changed[i].truth.removeprefix("AU9+"))
    (found,) = kept_to(Predictions(whole.classes, tuple(changed)), rule, False)
    assert "AU9" in found.sentence
    assert found.kind == "counts"
    fewer = Predictions(whole.classes[:-1], whole.rows)
    assert [one.kind for one in kept_to(fewer, rule, False)] == ["classes"]


HEADER = "run,seed,fold,sample_id,dataset,subject,truth,prediction,p_AU1,p_AU12,p_AU4,epoch"
LINE = "r,0,d,a0,d,a,AU4+AU1,none,0.9,0.1,0.8,7"


def test_a_foreign_table_of_units_is_read_in_the_order_of_numbers(tmp_path):
    (tmp_path / "p.csv").write_text(f"{HEADER}\n{LINE.replace('none', 'AU12+AU4')}\n")
    found = read(tmp_path / "p.csv")
    assert (found.rows[0].truth, found.rows[0].prediction) == ("AU1+AU4", "AU4+AU12")
    assert found.classes == ("AU1", "AU12", "AU4")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (LINE.replace("AU4+AU1", "AU4+AU9"), "truth 'AU4[+]AU9' is neither 'none' nor some of AU1"),
        (LINE.replace("AU4+AU1", "AU4+AU4"), "truth 'AU4[+]AU4' is neither"),
        (LINE.replace("AU4+AU1", ""), "truth '' is neither"),
        (LINE.replace("AU4+AU1", "AU4+none"), "truth 'AU4[+]none' is neither"),
        (LINE.replace("none", "AU4 AU1"), "prediction 'AU4 AU1' is neither"),
    ],
)
def test_a_label_that_is_not_of_the_units_is_refused(tmp_path, text, cause):
    (tmp_path / "p.csv").write_text(f"{HEADER}\n{text}\n")
    with pytest.raises(MerError, match=cause):
        read(tmp_path / "p.csv")


def test_one_class_that_is_no_unit_makes_a_table_of_classes(tmp_path):
    (tmp_path / "p.csv").write_text(f"{HEADER.replace('p_AU12', 'p_fear')}\n{LINE}\n")
    with pytest.raises(
        MerError, match=r"truth 'AU4[+]AU1' is not among the classes AU1, fear, AU4"
    ):
        read(tmp_path / "p.csv")


def test_a_table_of_units_reads_back_as_written(tmp_path):
    predictions = at_random()
    write(tmp_path / "p.csv", predictions)
    rows = tuple(sorted(predictions.rows, key=lambda row: (row.seed, row.sample_id)))
    assert read(tmp_path / "p.csv") == Predictions(predictions.classes, rows)


def finished(predictions, **told):
    return Finished(Path("p.csv"), "p", predictions, None, told)


def test_differences_of_two_runs_are_those_of_their_scores():
    one, two = at_random(right=0.6), at_random(right=0.8)
    check_same(finished(one), finished(two))
    compared = paired(one, two)
    for name, figure in compared["measures"].items():
        figures = [scores(run)["network"][name]["mean"] for run in (two, one)]
        assert (figure["score"], figure["first"]) == pytest.approx(tuple(figures))
        assert 0 < figure["p"] <= 1
    assert list(compared["measures"]) == list(UNIT_MEASURES)
    assert sum(compared["signs"][k] for k in ("better", "equal", "worse")) == 5


def test_the_people_on_whom_more_units_are_right_are_counted():
    everything = {who: ["AU1+AU4+AU12"] * 3 for who in TRUTH}
    for guess in (GUESS, everything):  # the latter is wrong only on what is not shown
        signs = paired(table(rows(guess)), table(rows(TRUTH)))["signs"]
        assert (signs["better"], signs["equal"], signs["worse"]) == (2, 0, 0)


def test_units_are_not_compared_with_classes():
    labels = {"d/a": ["AU1"] * 3, "e/b": ["AU4"] * 3}
    made = rows(labels, truth=labels)
    one, two = Predictions(CLASSES, tuple(made)), Predictions(("AU1", "AU4", "x"), tuple(made))
    with pytest.raises(MerError, match="is of action units, the other of classes"):
        check_same(finished(one), finished(two))


def sentences(predictions, **told):
    return [one.sentence for one in figures(finished(predictions, **told))]


def test_a_stated_f1_is_borne_out_or_explained():
    predictions = table(rows())
    assert sentences(predictions, F1=0.4444) == []
    assert sentences(predictions, F1=44.44) == []
    (wrong,) = sentences(predictions, F1=0.9)
    assert wrong == "stated F1 0.9, pooled it is 0.4444"
    # d: AU1 1, AU4 1/2; e: AU1 1, AU4 0; nobody shows AU12
    (of_folds,) = sentences(predictions, F1=5 / 12)
    assert "the mean of the folds' F1" in of_folds
    (own,) = sentences(predictions, F1=0.625)
    assert "each over the classes that the fold has" in own
    unseen, *_ = sentences(predictions, UF1=0.1)
    assert "no figures are stated" in unseen


def remarks(result: Audit, kind):
    return [one.sentence for one in result.remarks if one.kind == kind]


def test_a_threshold_other_than_a_half_is_remarked():
    honest = table(rows())
    assert remarks(audit(finished(honest)), "threshold") == []
    moved = [replace(row, probabilities=(0.3, 0.3, 0.3)) for row in honest.rows]
    (told,) = remarks(audit(finished(Predictions(CLASSES, tuple(moved)))), "threshold")
    assert told.startswith("5 of 18 predictions of units are not those of p > 0.5, of 2: AU1, AU4")


def test_folds_other_than_datasets_are_remarked_where_a_dataset_is_to_be_left_out():
    rule = protocol.load("cd6me")
    honest = table(rows())
    assert remarks(audit(finished(honest), protocol=rule), "folds") == []
    halves = [replace(row, fold=row.sample_id[-1]) for row in honest.rows]
    (told,) = remarks(audit(finished(Predictions(CLASSES, tuple(halves))), protocol=rule), "folds")
    assert "several datasets are tested in 3: 0, 1, 2; several folds test 2: d, e" in told


def controlled(labels):
    control = finished(table(rows(labels)), shuffle_labels=True)
    return [one for one in audit(control).findings if one.kind == "control"]


def test_a_control_that_knows_the_units_is_a_finding_and_one_that_guesses_is_none():
    (leak,) = controlled(TRUTH)
    assert leak.evidence["balanced accuracy"] == [1, 1]  # AU12, which nobody shows, is left out
    assert leak.evidence["chance"] == 1 / 2
    everything = {who: ["AU1+AU4+AU12"] * 3 for who in TRUTH}
    assert controlled(everything) == []


def reported(*args):
    return CliRunner().invoke(report, [str(arg) for arg in args])


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    write(tmp_path / "run" / "predictions.csv", table(rows()))
    told = 'model = "ststnet"\nprotocol = "cd6me"\n'
    (tmp_path / "run" / "config.toml").write_text(told)
    return tmp_path / "run"


def test_a_score_shows_units_and_their_counts_and_no_measure_of_classes(run):
    shown = reported("score", run).stdout
    for words in ("44.4 %", "always", "balanced accuracy", "6 samples, 2 subjects, 3 action units",
                  "nobody shows AU12: counts as 0"):  # fmt: skip
        assert words in shown
    assert re.search(r"│ AU4 +│ 3 │ +33.3 % │", shown)
    for words in ("UF1", "UAR", "weighted", "emotion", "truth \\ predicted"):
        assert words not in shown


def test_a_table_sets_units_beside_what_was_published_and_both_constants(run):
    lines = reported("table", run, "--format", "md").stdout.splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("|")][2:] == [
        "majority", "always", "run",
    ]  # fmt: skip
    assert any("31.8 %, N 2031 [1]" in line and "44.4 %" in line for line in lines)
    both = reported("table", run, "--format", "md", "--measure", "two-class F1").stdout
    assert "63.7 %, N 2031" in both


def test_a_measure_that_a_run_does_not_have_is_a_mistake_of_usage(run):
    refused = reported("table", run, "--measure", "UF1")
    assert refused.exit_code == 2
    assert "run has no UF1; it has F1, two-class F1, balanced accuracy" in refused.stderr


def test_published_figures_of_cd6me_are_of_networks_that_are_here():
    for model in ("sssnet", "off_apexnet", "ststnet", "rcn_a"):
        (f1,), (both,) = (published(model, "cd6me", name) for name in UNIT_MEASURES[:2])
        assert f1 == both
        assert f1.figures["F1"] < f1.figures["two-class F1"]
