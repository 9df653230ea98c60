"""The one table of a paper: whose rows, in what order, and the same in CSV and LaTeX."""

import csv
import io
from dataclasses import replace
from pathlib import Path

from tests.test_standings import PAPER, table
from train.finished import Finished
from train.measures import MEASURES
from train.paper import lines, scored, sources, written
from train.predictions import Predictions
from train.published import everything
from train.written import comma_separated, latex


def run(name, model="mine", protocol="loso", right=3, oracle=False, rows=None):
    """A run of four people of four clips, of which `right` are guessed."""
    predictions = table(right)
    if rows is not None:
        predictions = Predictions(predictions.classes, tuple(rows))
    perfect = tuple(replace(row, prediction=row.truth) for row in predictions.rows)
    best = Predictions(predictions.classes, perfect) if oracle else None
    told = {"model": model, "protocol": protocol}
    return scored(Finished(Path(f"runs/{name}/predictions.csv"), name, predictions, best, told))


def test_published_come_first_then_the_majority_then_each_run_and_its_oracle():
    rows = lines([run("a", "ststnet", "megc2019", oracle=True), run("svm", right=2)])
    published = [one for one in rows if one.kind == "published"]
    assert rows[: len(published)] == published
    assert [(one.kind, one.name) for one in rows[len(published) :]] == [
        ("majority", "majority"),
        ("run", "a"),
        ("oracle", "a, oracle (test-selected)"),
        ("run", "svm"),
    ]


def test_every_published_figure_of_the_model_and_protocol_is_there_with_its_verdict():
    known = [one for one in everything() if (one.model, one.protocol) == ("ststnet", "megc2019")]
    rows = lines([run("a", "ststnet", "megc2019"), run("b", "ststnet", "megc2019")])
    found = [one for one in rows if one.kind == "published"]
    assert len(known) > 2
    assert [(one.name, one.verdict, one.source) for one in found] == [
        (one.paper, one.verdict, one.source) for one in known
    ]
    assert {name: value["mean"] for name, value in found[0].figures.items()} == known[0].figures
    assert not [one for one in lines([run("c")]) if one.kind == "published"]


def test_runs_of_other_samples_have_a_majority_of_their_own():
    fewer = [row for row in table().rows if row.sample_id != "0-0"]
    rows = lines([run("a"), run("b"), run("c", rows=fewer)])
    assert [one.samples for one in rows if one.kind == "majority"] == [16, 15]


def test_what_a_run_says_in_other_types_than_text_is_not_taken_for_a_model():
    (_, row) = lines([run("a", model=["ststnet"], protocol=7)])
    assert (row.model, row.protocol) == ("", "")


def test_csv_reads_back_with_a_column_a_measure_and_interval():
    words = written(lines([run("a", "ststnet", "megc2019", oracle=True)]), MEASURES)
    found = list(csv.DictReader(io.StringIO(comma_separated(words))))
    assert list(found[0]) == [*words.columns, "source"]
    own = next(line for line in found if line["run"] == "a")
    assert (own["UF1"], own["UF1, 95 %"]) == ("73.3 % ± 0.0", "73.3 to 73.3")
    assert (found[0]["UF1"], found[0]["UF1, 95 %"], found[0]["accuracy"]) == ("73.5 %", "", "")
    assert PAPER in found[0]["source"]
    assert own["source"] == ""


def test_latex_has_as_many_cells_in_a_row_as_its_tabular_and_a_note_a_source():
    rows = lines([run("a_1", "ststnet", "megc2019")])
    words = written(rows, MEASURES)
    text = latex(words).splitlines()
    (begin,) = [line for line in text if line.startswith(r"\begin")]
    places = begin.removesuffix("}").rpartition("{")[2]
    cells = [line.count(" & ") + 1 for line in text if line.endswith(r"\\")]
    assert set(cells) == {len(places)} == {len(words.columns)}
    assert sum(line.startswith(r"\par") for line in text) == len(sources(rows))
    assert any(r"a\_1" in line for line in text)


def test_a_source_is_cited_by_its_number():
    rows = lines([run("a", "ststnet", "megc2019")])
    words = written(rows, MEASURES)
    for line, cells in zip(rows, words.rows, strict=True):
        if line.source:
            number = 1 + words.notes.index(line.source)
            assert cells[0] == f"{line.name} [{number}]"
        else:
            assert cells[0] == line.name
