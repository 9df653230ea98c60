"""Two runs against each other: differences, their intervals and tests worked out by hand."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import f1_score

from train.compare import EXACT_TO, THROWS, p_of, paired, signs, throws, together
from train.measures import hits
from train.predictions import Predictions, Row, write
from train.report import cli as report
from train.scores import by_seed, scores

COMPARED = ("UF1", "UAR", "accuracy")


def table(wrong, people=4, clips=4, seeds=1, classes="xy"):
    """Each person shows each class in turn; `wrong` says which clips of whom are missed."""
    rows = []
    for seed in range(seeds):
        for p in range(people):
            for c in range(clips):
                truth = classes[c % len(classes)]
                miss = wrong(seed, p, c)
                guess = classes[(c + 1) % len(classes)] if miss else truth
                rows.append(Row("r", seed, f"d/{p}", f"{p}-{c}", "d", str(p), truth, guess,
                                (0.5,) * len(classes), 3))  # fmt: skip
    return Predictions(tuple(classes), tuple(rows))


def never(seed, p, c):
    return False


def first_clip(seed, p, c):
    return c == 0


def at_random(share, seed=0):
    random = np.random.default_rng(seed)
    return lambda seed, p, c: random.random() < share


def test_differences_are_those_of_the_scores():
    one, two = table(at_random(0.5), seeds=2), table(at_random(0.2, 1), seeds=2)
    found = paired(one, two)["measures"]
    for name in COMPARED:
        figures = [scores(run)["network"][name]["mean"] for run in (two, one)]
        assert found[name]["difference"] == pytest.approx(figures[0] - figures[1])
        assert (found[name]["score"], found[name]["first"]) == pytest.approx(tuple(figures))


def test_a_run_does_not_differ_from_itself():
    one = table(at_random(0.4))
    result = paired(one, one)
    for figure in result["measures"].values():
        assert (figure["difference"], figure["interval"], figure["p"]) == (0, [0, 0], 1)
    assert result["signs"] == {"better": 0, "equal": 4, "worse": 0, "p": 1}


def test_the_same_people_are_drawn_for_both_runs():
    """One gains the same quarter on everyone: whoever is drawn, it gains a quarter."""
    hard = table(lambda seed, p, c: c == 0 or p == 0)
    easy = table(lambda seed, p, c: p == 0)
    all_alike = paired(table(first_clip), table(never))["measures"]["accuracy"]
    assert all_alike["interval"] == pytest.approx([0.25, 0.25])
    low, high = paired(hard, easy)["measures"]["accuracy"]["interval"]
    assert 0 <= low < 0.1875 < high == pytest.approx(0.25)


def test_the_exact_p_of_all_people_gaining_is_two_throws_of_all():
    """Of 2^4 throws only the one seen and its mirror differ as much."""
    found = paired(table(first_clip), table(never))
    assert found["measures"]["accuracy"]["p"] == 2 / 2**4
    assert found["signs"] == {"better": 4, "equal": 0, "worse": 0, "p": 2 / 2**4}


def test_few_people_are_thrown_in_all_ways_and_many_at_random():
    assert len({tuple(throw) for throw in throws(3)}) == len(throws(3)) == 8
    many = throws(EXACT_TO + 1)
    assert many.shape == (THROWS, EXACT_TO + 1)
    assert many.mean() == pytest.approx(0.5, abs=0.01)


def uf1(rows):
    """By scikit-learn."""
    truth, guess = ([getattr(row, name) for row in rows] for name in ("truth", "prediction"))
    return f1_score(truth, guess, average="macro")


def test_p_is_the_share_of_all_ways_to_swap_people_that_differ_as_much():
    """Every way is made by hand here: each run gets the other's predictions of who is swapped."""
    one, two = table(at_random(0.5)), table(at_random(0.2, 1))
    every = []
    for swapped in product((False, True), repeat=4):
        pairs = [
            (b, a) if swapped[int(a.subject)] else (a, b)
            for a, b in zip(one.rows, two.rows, strict=True)
        ]
        first, other = zip(*pairs, strict=True)
        every.append(uf1(other) - uf1(first))
    found = paired(one, two)["measures"]["UF1"]
    assert found["difference"] == pytest.approx(every[0])
    as_large = np.abs(every) >= abs(every[0]) - 1e-12
    assert 2 / 16 < as_large.mean() < 1
    assert found["p"] == as_large.mean()


def test_what_was_seen_is_one_of_the_random_throws():
    assert p_of(1.0, np.zeros(99), EXACT_TO + 1) == 1 / 100
    assert p_of(-1.0, np.array([1.0, -1.0, 0.5, 0.5]), EXACT_TO) == 0.5


def test_many_people_gaining_are_beyond_chance_and_none_gaining_is_not():
    people = EXACT_TO + 6
    gained = paired(table(first_clip, people), table(never, people))["measures"]["accuracy"]
    assert gained["p"] == 1 / (THROWS + 1)
    half = table(lambda seed, p, c: c == 0 and p % 2, people)
    other = table(lambda seed, p, c: c == 0 and not p % 2, people)
    assert paired(half, other)["measures"]["accuracy"]["p"] == 1


def test_the_sign_test_counts_people_and_leaves_out_the_equal():
    """Five better, one worse, two equal: 2 (1 + 6) / 64."""
    gains = [1, 1, 2, 1, 3, -4, 0, 0]
    two = np.zeros((1, 8, 2, 2))
    two[0, :, 0, 0] = gains
    found = signs(np.zeros_like(two), two)
    assert found == {"better": 5, "equal": 2, "worse": 1, "p": 14 / 64}


def test_a_run_of_one_seed_is_paired_with_each_seed_of_the_other():
    one, five = table(first_clip), table(at_random(0.3), seeds=5)
    repeated, as_is = together(by_seed(one), by_seed(five), ["x", "y"])
    assert repeated.shape == as_is.shape
    assert len(as_is) == 5
    assert hits(repeated).sum() == 5 * 12
    accuracy = scores(five)["network"]["accuracy"]["mean"]
    found = paired(one, five)["measures"]["accuracy"]["difference"]
    assert found == pytest.approx(accuracy - 0.75)


def test_two_seeds_and_three_are_each_repeated_to_six():
    two, three = table(at_random(0.3), seeds=2), table(at_random(0.3, 1), seeds=3)
    figures = [scores(run)["network"]["UF1"]["mean"] for run in (three, two)]
    found = paired(two, three)["measures"]["UF1"]["difference"]
    assert found == pytest.approx(figures[0] - figures[1])


@pytest.fixture
def folders(tmp_path):
    """Three runs on the same samples."""
    for name, wrong in (("a", first_clip), ("b", never), ("c", at_random(0.5))):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "predictions.csv", table(wrong, seeds=2))
    return tmp_path


def compared(*args):
    return CliRunner().invoke(report, ["compare", *map(str, args)])


def test_every_run_is_compared_with_the_first_in_one_table(folders):
    done = compared(*(folders / name for name in "abc"))
    assert done.exit_code == 0, done.output
    accuracy = [line for line in done.stdout.splitlines() if "accuracy" in line]
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in accuracy]
    assert cells[0][1:7] == ["accuracy", "100.0 %", "75.0 %", "+25.0", "+25.0 to +25.0", "0.1250"]
    assert len(cells) == 2
    assert "16 samples, 4 subjects" in done.stdout
    assert "run minus a" in done.stdout
    told = json.loads(compared(*(folders / name for name in "abc"), "--json").stdout)
    assert [row["run"] for row in told["runs"]] == ["b", "c"]
    assert told["swaps"] == "exact"


def test_runs_of_other_samples_are_not_compared_and_the_samples_are_named(folders):
    rows = table(never, seeds=2).rows
    changed = [row for row in rows if row.sample_id != "1-2"]
    changed = [replace(row, truth="y") if row.sample_id == "0-0" else row for row in changed]
    changed += [replace(row, sample_id="new") for row in rows if row.sample_id == "1-2"]
    write(folders / "b" / "predictions.csv", Predictions(("x", "y"), tuple(changed)))
    done = compared(folders / "a", folders / "b")
    assert done.exit_code == 1
    assert (
        "a and b differ in 3 samples: 1 only in the first, 1 only in the second, "
        "1 of another subject or truth; such as 0-0, 1-2, new"
    ) in done.stderr


def test_a_control_is_not_compared(folders):
    rows = [
        replace(row, truth="xy"[(row.seed + int(row.sample_id[-1])) % 2])
        for row in table(never, seeds=2).rows
    ]
    write(folders / "b" / "predictions.csv", Predictions(("x", "y"), tuple(rows)))
    done = compared(folders / "a", folders / "b")
    assert done.exit_code == 1
    assert "the truth of 0-0 differs between seeds" in done.stderr


def test_one_run_alone_is_a_usage_error(folders):
    assert compared(folders / "a").exit_code == 2
