import json

import pytest
from click.testing import CliRunner

from pipeline.cli import cli
from pipeline.ledger import Failure, ledger_of, tolerance, write_ledger
from tests.movies import cut_in_half
from tests.walls import made, walls


@pytest.mark.parametrize(
    ("text", "samples", "may"),
    [
        ("5%", 442, 22), ("5%", 100, 5), ("5%", 8, 1), ("5%", 1, 1), ("0%", 100, 0), ("0", 9, 0),
        ("12", 442, 12), ("12", 5, 12), ("100%", 7, 7), ("2.5%", 400, 10),
    ],
)  # fmt: skip
def test_a_share_or_a_number_says_how_many_may_fail(text, samples, may):
    assert tolerance(text).of(samples) == may
    assert str(tolerance(text)) == ("0" if text == "0%" else text)


@pytest.mark.parametrize("text", ["", "many", "-1", "-5%", "101%", "5%%", "5% of all", "1.5", "%"])
def test_anything_else_is_a_mistake_of_usage(text):
    done = CliRunner().invoke(cli, ["run", "demo", f"--max-failed={text}"])
    assert done.exit_code == 2
    assert "neither a share such as 5% nor a number of samples" in done.stderr


def test_the_ledger_is_a_line_a_failure_and_goes_when_none_fails(tmp_path):
    store = tmp_path / "s.h5"
    failures = [Failure("b", "scan", "truncated", "img1.png: …"), Failure("a", "read", "x", '"')]
    write_ledger(store, failures)
    lines = [json.loads(line) for line in ledger_of(store).read_text().splitlines()]
    assert [line["sample_id"] for line in lines] == ["a", "b"]
    assert lines[1] == {
        "sample_id": "b", "stage": "scan", "code": "truncated", "message": "img1.png: …",
    }  # fmt: skip
    assert ledger_of(store).stat().st_mode & 0o777 == 0o600
    write_ledger(store, [])
    assert not list(tmp_path.iterdir())


def test_a_hollow_store_is_not_published_and_the_old_one_stays(tmp_path):
    manifest, store = walls(tmp_path / "clips"), tmp_path / "s.h5"
    made(manifest, store)
    before = store.read_bytes()
    for k in (1, 2):
        cut_in_half(tmp_path / "clips" / f"w{k}" / "img1.png")
    report = made(manifest, store, tolerance=tolerance("5%"))
    assert report.refused == "2 of 4 samples failed, at most 5% may"
    assert not report.published
    assert store.read_bytes() == before
    assert len(ledger_of(store).read_text().splitlines()) == 2
    assert made(manifest, store, tolerance=tolerance("50%")).published
    assert store.read_bytes() != before


def test_one_failure_of_a_few_is_let_through_but_not_by_strict(tmp_path):
    manifest, store = walls(tmp_path / "clips"), tmp_path / "s.h5"
    cut_in_half(tmp_path / "clips" / "w1" / "img1.png")
    assert not made(manifest, store, tolerance=tolerance("5%"), strict=True).published
    assert not store.exists()
    assert made(manifest, store, tolerance=tolerance("5%")).published


def test_the_command_refuses_in_two_lines_and_takes_a_larger_share(tmp_path, monkeypatch):
    manifest = walls(tmp_path / "clips")
    for k in (1, 2):
        cut_in_half(tmp_path / "clips" / f"w{k}" / "img1.png")
    (tmp_path / "r.toml").write_text(
        'features = ["strain"]\n[landmarks]\nlandmarker = "none"\n[crop]\nsize = 32\n'
    )
    words = ["run", str(manifest), "--recipe", str(tmp_path / "r.toml"), "--workers", "0"]
    words += ["--out", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 1
    assert "w1: img1.png: the image is truncated [scan: truncated]" in done.stderr
    cause, remedy = done.stderr.splitlines()[-2:]
    assert cause.endswith("r.h5: not published: 2 of 4 samples failed, at most 5% may")
    assert "--max-failed" in remedy
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["r.failures.jsonl"]
    assert CliRunner().invoke(cli, [*words, "--max-failed", "2"]).exit_code == 3
    assert CliRunner().invoke(cli, [*words, "--max-failed", "2", "--strict"]).exit_code == 1
