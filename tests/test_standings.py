"""Runs beside published figures, in the formats that papers and programs take."""

import csv
import io
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from features import protocol
from train import paper
from train.finished import finished
from train.measures import MEASURES
from train.predictions import Predictions, Row, write
from train.published import everything, published
from train.report import cli as report
from train.tables import points
from train.written import Written, comma_separated, latex, markdown

PAPER = "Liong et al., STSTNet, FG 2019"


def table(right=3):
    """Four people of four clips, of which `right` are guessed, and each shows both classes."""
    rows = [
        Row("r", seed, f"d/{p}", f"{p}-{c}", "d", str(p), "xy"[c % 2],
            "xy"[(c + (c >= right)) % 2], (0.5, 0.5), 9)
        for seed in range(2)
        for p in range(4)
        for c in range(4)
    ]  # fmt: skip
    return Predictions(("x", "y"), tuple(rows))


@pytest.fixture
def runs(tmp_path):
    """A run of a model that others published, with an oracle, and one of nobody's."""
    for name, model, right in (("known", "ststnet", 3), ("own", "mine", 2)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "predictions.csv", table(right))
        told = f'model = "{model}"\nprotocol = "megc2019"\n'
        (tmp_path / name / "config.toml").write_text(told)
    oracle = [replace(row, prediction=row.truth) for row in table().rows]
    write(tmp_path / "known" / "oracle.csv", Predictions(("x", "y"), tuple(oracle)))
    return tmp_path / "known", tmp_path / "own"


def tabulated(*args):
    done = CliRunner().invoke(report, ["table", *map(str, args)])
    assert done.exit_code == 0, done.output
    return done.stdout


def rows_of(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()
            if line.startswith("|")]  # fmt: skip


def test_the_majority_is_first_and_published_ours_and_oracle_stand_apart(runs):
    header, _, majority, known, own = rows_of(tabulated(*runs, "--format", "md"))
    assert header[4:] == ["published", "ours, last epoch", "95 %", "oracle (test-selected)"]
    assert [majority[0], known[0], own[0]] == ["majority", "known", "own"]
    assert known[4].startswith("73.5 %, N 442 [1]; 72.1 %, N 442 [2]")
    assert known[5:] == ["73.3 % ± 0.0", "73.3 to 73.3", "100.0 % ± 0.0"]
    assert (own[4], own[7]) == ("", "")
    assert (majority[1], majority[4], majority[7]) == ("", "", "")


def test_the_source_and_the_verdict_of_a_published_figure_are_noted(runs):
    for style in ("text", "md", "latex"):
        notes = [line for line in tabulated(*runs, "--format", style).splitlines() if PAPER in line]
        assert len(notes) == 1, style
        assert "last epoch" in notes[0]
    assert "epoch chosen on test" in tabulated(*runs)


def test_a_source_that_two_runs_cite_is_noted_once(runs):
    text = tabulated(runs[0], runs[0], "--format", "md")
    assert text.count(PAPER) == 1
    assert [row[4][:17] for row in rows_of(text)[3:]] == ["73.5 %, N 442 [1]"] * 2


def test_another_measure_has_its_own_published_figures(runs):
    known = rows_of(tabulated(*runs, "--measure", "UAR", "--format", "md"))[3]
    assert known[4] == "76.0 %, N 442 [1]; 72.5 %, N 442 [2]"
    known = rows_of(tabulated(*runs, "--measure", "accuracy", "--format", "md"))[3]
    assert known[4] == ""
    assert known[5] == "75.0 % ± 0.0"


def test_runs_of_other_samples_have_a_majority_of_their_own(runs):
    fewer = [row for row in table(2).rows if row.sample_id != "0-0"]
    write(runs[1] / "predictions.csv", Predictions(("x", "y"), tuple(fewer)))
    names = [(row[0], row[3]) for row in rows_of(tabulated(*runs, "--format", "md"))[2:]]
    assert names == [("majority", "16"), ("majority", "15"), ("known", "16"), ("own", "15")]


def test_the_majority_of_a_control_says_that_its_labels_are_shuffled(runs):
    flipped = [replace(row, truth="xy"[row.truth == "x"]) for row in table(2).rows]
    write(runs[1] / "predictions.csv", Predictions(("x", "y"), tuple(flipped)))
    config = runs[1] / "config.toml"
    config.write_text(config.read_text() + "shuffle_labels = true\n")
    names = [row[0] for row in rows_of(tabulated(*runs, "--format", "md"))[2:]]
    assert names == ["majority", "majority, labels shuffled", "known", "own"]
    found = paper.lines([paper.scored(finished(run)) for run in runs])
    assert [one.name for one in found if one.kind == "majority"] == names[:2]


def test_csv_reads_back_with_the_sources_in_a_column(runs):
    lines = list(csv.DictReader(io.StringIO(tabulated(*runs, "--format", "csv"))))
    assert [line["run"] for line in lines] == ["majority", "known", "own"]
    assert PAPER in lines[1]["source"]
    assert lines[2]["source"] == ""


def test_json_holds_numbers(runs):
    told = json.loads(tabulated(*runs, "--json"))
    known = told["rows"][1]
    assert told["measure"] == "UF1"
    assert known["published"][0]["value"] == 0.7353
    assert known["oracle"]["mean"] == 1
    assert known["ours"]["seeds"] == pytest.approx([known["ours"]["mean"]] * 2)


ODD = Written("t", ("a", "b", "c", "d"), (("x|y", "5 %", "a_b & [1]", "±"),), ("n",))


def test_characters_that_a_format_would_obey_are_escaped():
    assert r"| x\|y | 5 % | a_b & [1] | ± |" in markdown(ODD).splitlines()
    assert r"{x|y} & {5 \%} & {a\_b \& [1]} & {$\pm$} \\" in latex(ODD).splitlines()
    assert comma_separated(ODD).splitlines()[1] == "x|y,5 %,a_b & [1],±,[1] n"


def test_every_published_figure_is_of_a_protocol_that_is_here_and_says_its_source():
    assert len(everything()) > 10
    for one in everything():
        assert one.protocol in protocol.names()
        assert one.figures
        assert all(0 < value < 1 for value in one.figures.values())
        assert one.paper
        assert one.read_in
        assert one.verdict


def allowed(name):
    """Every number of samples that a protocol may have."""
    from itertools import product

    counts = [
        [n] if isinstance(n, int) else n
        for part in protocol.load(name).parts.values()
        for n in (part.expected.values() if part.samples is None else [part.samples])
    ]
    return {sum(chosen) for chosen in product(*counts)}


def test_a_published_number_of_samples_is_the_protocols_and_fits_the_accuracy():
    """An accuracy of N samples, rounded to four digits, is that of a whole number of them."""
    checked = 0
    for one in everything():
        if one.samples is not None:
            assert one.samples in allowed(one.protocol), one
        if one.samples is not None and "accuracy" in one.figures:
            right = round(one.figures["accuracy"] * one.samples)
            assert one.figures["accuracy"] == pytest.approx(right / one.samples, abs=5.1e-5)
            checked += 1
    assert checked == 2


def test_nothing_is_published_of_an_unknown_model_or_protocol():
    assert published("ststnet", "megc2019", "UF1")
    assert not published("ststnet", "loso", "UF1")
    assert not published(None, None, "UF1")
    assert not [one for name in MEASURES for one in published("afn", "casme2-5", name)]


def test_a_difference_that_rounds_to_nothing_has_no_sign():
    assert [points(x) for x in (0.0123, -0.0123, -0.0001)] == ["+1.2", "-1.2", "0.0"]
