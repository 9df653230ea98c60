"""What can be read of a run that was interrupted, and that nobody takes it for a result."""

import csv
import json

import pytest
from click.testing import CliRunner

from features.console import MerError
from tests.tiny_store import tiny_store
from train.cli import cli
from train.predictions import Predictions, Row, read, read_as_is, read_so_far, write
from train.report import cli as report
from train.work import FitWork, work_folder

FAST = ["--seeds", "2", "--epochs", "1", "--batch-size", "8", "--device", "cpu",
        "--workers", "1", "--folds-at-once", "1"]  # fmt: skip


def mer_train(store, out):
    return CliRunner().invoke(cli, [*map(str, ("--features", store, *FAST, "-o", out))])


def mer_report(*args):
    return CliRunner().invoke(report, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tiny_store(tmp_path_factory.mktemp("store") / "tiny.h5")


def left_after(fits, store, out, before=lambda finished: None):
    """Press Ctrl-C when so many of the 8 fits are finished; what the command said."""
    finish, finished = FitWork.finish, []

    def finish_or_leave(work, *args):
        if len(finished) == fits:
            before(finished)
            raise KeyboardInterrupt
        finish(work, *args)
        finished.append(work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FitWork, "finish", finish_or_leave)
        return mer_train(store, out)


@pytest.fixture(scope="module")
def left(store, tmp_path_factory):
    """The table that a run leaves after 6 of its 8 fits, and what the command said."""
    out = tmp_path_factory.mktemp("left") / "run"
    done = left_after(6, store, out)
    return out.with_name(".run.work") / "predictions.partial.csv", done


def test_the_last_lines_tell_how_many_fits_are_kept_and_where_they_can_be_read(left):
    path, done = left
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-2:] == [
        "error: interrupted: 6 of 8 fits are finished and kept",
        f"  run the same command again to go on; so far: mer-report score {path}",
    ]


def test_the_table_holds_every_finished_fit_and_says_in_every_row_that_it_is_partial(left):
    with left[0].open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["partial"] for line in lines} == {"6 of 8 fits"}
    assert len({(line["seed"], line["fold"]) for line in lines}) == 6
    assert len(lines) == 6 * 9


def test_a_score_of_it_says_that_it_is_partial_and_of_which_seeds(left):
    done = mer_report("score", left[0])
    assert done.exit_code == 0, done.output
    title = done.stdout.splitlines()[0]
    assert title == f"{left[0]}, partial: 6 of 8 fits, no result; of seeds 0"
    assert "36 samples, 4 subjects" in done.stdout
    told = json.loads(mer_report("score", left[0], "--json").stdout)
    assert (told["partial"], told["seeds"]) == ("6 of 8 fits", [0])


@pytest.mark.parametrize("how", [
    ["audit"], ["table"], ["compare", "{}"], ["page", "-o", "never.html"], ["export", "mlflow"],
])  # fmt: skip
def test_nothing_else_reads_it(left, how):
    first, *more = how
    done = mer_report(first, left[0], *(left[0] if one == "{}" else one for one in more))
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {left[0]}: partial, 6 of 8 fits: no result of a run\n")


def test_before_the_first_fit_is_finished_there_is_nothing_to_read(store, tmp_path):
    done = left_after(0, store, tmp_path / "run")
    assert done.stderr.splitlines()[-2:] == [
        "error: interrupted: 0 of 8 fits are finished and kept",
        "  run the same command again to go on",
    ]
    assert not (tmp_path / ".run.work" / "predictions.partial.csv").exists()


def test_a_finished_fit_that_is_damaged_is_not_counted(store, tmp_path):
    def damage(finished):
        finished[0].result.write_bytes(finished[0].result.read_bytes()[:-9])

    done = left_after(2, store, tmp_path / "run", damage)
    assert (done.exit_code, "interrupted: 1 of 8 fits" in done.stderr) == (130, True)


def test_it_stays_for_the_run_that_goes_on_and_goes_for_another_of_that_name(tmp_path):
    found = []

    def open_and_leave(of):
        with work_folder(tmp_path / "run", of, 30.0, False) as work:
            found.append(work.partial.exists())
            work.partial.touch()
            raise KeyboardInterrupt

    for of in ({"seed": 0}, {"seed": 0}, {"seed": 1}):
        with pytest.raises(KeyboardInterrupt):
            open_and_leave(of)
    assert found == [False, True, False]


def test_a_run_that_goes_on_counts_what_it_found_and_ends_whole(store, tmp_path):
    left_after(6, store, tmp_path / "run")
    done = mer_train(store, tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "epochs 8/8 · fits 8/8" in done.stderr
    assert [path.name for path in tmp_path.glob(".*")] == []
    with (tmp_path / "run" / "predictions.csv").open() as file:
        assert "partial" not in file.readline()


def rows(seed, subjects):
    """A sample a subject."""
    return [Row("r", seed, s, f"{s}-1", "d", s, "x", "x", (1.0, 0.0), 2) for s in subjects]


def test_of_a_partial_table_the_seeds_count_that_have_the_samples_of_the_fullest(tmp_path):
    path = tmp_path / "p.csv"
    table = [*rows(0, "ab"), *rows(1, "abc"), *rows(2, "abc"), *rows(3, "abd"), *rows(4, "c")]
    write(path, Predictions(("x", "y"), tuple(table), "12 of 20 fits"))
    found = read_so_far(path)
    assert (found.seeds(), len(found.rows)) == ([1, 2], 6)
    for reader in (read, read_as_is):
        with pytest.raises(MerError, match="partial, 12 of 20 fits"):
            reader(path)


def test_what_a_table_says_of_itself_cannot_move_the_cursor(tmp_path):
    path = tmp_path / "p.csv"
    write(path, Predictions(("x", "y"), tuple(rows(0, "ab")), "\x1b[2J1 of 2"))
    assert read_so_far(path).partial == "\\x1b[2J1 of 2"


def test_a_whole_table_is_read_as_ever(tmp_path):
    path = tmp_path / "p.csv"
    whole = Predictions(("x", "y"), tuple(rows(0, "ab")))
    write(path, whole)
    assert read_so_far(path) == read(path) == whole
    write(path, Predictions(("x", "y"), tuple([*rows(0, "ab"), *rows(1, "a")])))
    with pytest.raises(MerError, match="differ in 1 samples"):
        read_so_far(path)
