"""The page of a run and the page of several: what they say is what the files say."""

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from click.testing import CliRunner

from tests.test_audit import SHORT, mer_train
from tests.tiny_store import tiny_store
from train import tables
from train.curves import beside
from train.finished import finished
from train.measures import MEASURES
from train.page import obeying_nobody
from train.predictions import Predictions, Row, read, write
from train.report import cli as report


class Page(HTMLParser):
    """What a browser would make of a page: its tables, links, tags and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.tiles: list[str] = []
        self.texts: list[str] = []
        self.inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("th", "td"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self.inside:
            return
        self.texts.append(data)
        if {"th", "td"} & set(self.inside) and data.strip():
            row = self.tables[-1][-1]
            row[-1] = f"{row[-1]} {' '.join(data.split())}".strip()
        if "li" in self.inside and data.strip():
            self.tiles.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, name: str, tag: str | None = None) -> list[str]:
        """Every value of an attribute."""
        return [str(attrs[name]) for one, attrs in self.tags
                if name in attrs and tag in (None, one)]  # fmt: skip

    def headed(self, first: str) -> dict[str, list[str]]:
        """The first table whose first heading is this; first cell -> the others."""
        found = next(table for table in self.tables if table[0][0] == first)
        return {row[0]: row[1:] for row in found[1:]}


def mer_report(*args):
    return CliRunner().invoke(report, [str(arg) for arg in args])


def page_of(*args):
    """The page that `mer-report page` makes."""
    done = mer_report("page", *args)
    assert done.exit_code == 0, done.output
    return Page(Path(args[-1]).read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store, and two runs of it."""
    folder = tmp_path_factory.mktemp("made")
    store = tiny_store(folder / "tiny.h5")
    for name, epochs in (("one", 2), ("other", 5)):
        mer_train("--features", store, *SHORT, "--epochs", epochs, "-o", folder / name)
    return SimpleNamespace(store=store, run=folder / "one", other=folder / "other")


@pytest.fixture(scope="module")
def results(made):
    return json.loads((made.run / "results.json").read_text())


@pytest.fixture(scope="module")
def own(made):
    """The page that mer-train has written."""
    return Page((made.run / "report.html").read_text())


def shown(figure):
    """A figure and its interval, as in a cell."""
    return f"{tables.spread(figure)} {tables.between(figure)}".strip()


def test_the_scores_on_the_page_are_those_of_the_results(own, results):
    rows = own.headed("run")
    for words, name in (("one ststnet, loso", "network"), ("majority loso", "majority"),
                        ("one, oracle (test-selected) ststnet, loso", "oracle")):  # fmt: skip
        wanted = [shown(results["scores"][name][measure]) for measure in MEASURES]
        assert rows[words] == ["36", *wanted]
    assert len(rows) == 3
    assert "no result" in own.text
    assert f"By chance the UAR is {tables.percent(1 / 3)}" in own.text


def test_classes_subjects_and_counts_on_the_page_are_those_of_the_results(own, results):
    scores = results["scores"]
    matrix = own.headed(r"truth \ predicted")
    counts = [[int(cell.split()[0]) for cell in row] for row in matrix.values()]
    assert counts == scores["confusion"]
    assert list(matrix) == scores["classes"]
    for name, row in scores["per_class"].items():
        found = own.headed("emotion")[name]
        assert found == [str(row["n"]), shown(row["F1"]), shown(row["recall"])]
    tiles = [
        (a, b) for a, b in zip(own.tiles, own.tiles[1:], strict=False) if a.startswith("tiny/")
    ]
    wanted = sorted(scores["per_subject"].items(), key=lambda s: (s[1]["accuracy"]["mean"], s[0]))
    assert tiles == [
        (name, f"{tables.percent(row['accuracy']['mean'])} of {row['n']}") for name, row in wanted
    ]
    assert "36 samples, 4 subjects, 3 classes · 4 folds × 2 seeds, 2 epochs" in own.text
    assert "drawn from 4 subjects, it means little" in own.text
    assert results["stores"][0]["blake3"] in own.text
    assert "seconds" not in own.text  # they are others each time


def test_a_cell_of_the_confusion_is_shaded_by_its_share_of_the_row(own, results):
    parts = [style for style in own.all("style", "td") if "--part" in style]
    wanted = [f"--part: {100 * n / sum(row):.0f}%" for row in results["scores"]["confusion"]
              for n in row]  # fmt: skip
    assert parts == wanted


def test_the_verdict_of_the_audit_stands_on_the_page_with_what_was_not_looked_at(own):
    assert "Audit: clean: no leak found in 72 predictions" in own.text
    assert "control: no control with shuffled labels lies beside it" in own.text
    assert "equal clips under two names show only in the store" not in own.text  # it was there


def test_a_leak_is_told_on_the_page(made, tmp_path):
    run = tmp_path / "one"
    shutil.copytree(made.run, run)
    table = read(run / "predictions.csv")
    rows = [replace(row, fold="tiny/s2") if row.sample_id == "s1-disgust-0" else row
            for row in table.rows]  # fmt: skip
    write(run / "predictions.csv", Predictions(table.classes, tuple(rows)))
    (run / "oracle.csv").unlink()
    text = page_of(run, "-o", tmp_path / "page.html").text
    assert "not to be believed as it stands" in text
    assert "tiny/s1 is trained on where it is tested" in text


def test_the_page_made_again_is_the_same_to_the_byte(made, tmp_path):
    again = tmp_path / "again.html"
    page_of(made.run, "--features", made.store, "-o", again)
    assert again.read_bytes() == (made.run / "report.html").read_bytes()
    assert again.stat().st_mode & 0o777 == 0o600


def test_a_control_made_later_is_on_the_page_made_again(made, tmp_path):
    run = tmp_path / "one"
    shutil.copytree(made.run, run)
    mer_train("--features", made.store, *SHORT, "--shuffle-labels", "-o", tmp_path / "one-shuffled")
    page = page_of(run, "-o", run / "report.html")
    assert "no control with shuffled labels" not in page.text
    control = Page((tmp_path / "one-shuffled" / "report.html").read_text())
    assert "its labels were shuffled" in control.text
    assert "its labels were shuffled" not in page.text


def test_a_control_that_does_not_read_costs_no_finished_run(made, tmp_path):
    (tmp_path / "run-shuffled").mkdir()
    (tmp_path / "run-shuffled" / "predictions.csv").write_text("nothing")
    mer_train("--features", made.store, *SHORT, "-o", tmp_path / "run")
    page = Page((tmp_path / "run" / "report.html").read_text())
    assert "no control with shuffled labels" in page.text


def test_the_last_point_of_the_oracles_curve_is_the_runs_accuracy(made, own, results):
    mean = results["scores"]["network"]["accuracy"]["mean"]
    assert f"is what counts: {100 * mean:.1f} %" in own.text
    (cy,) = own.all("cy", "circle")
    assert float(cy) == pytest.approx(122 - 112 * mean, abs=0.06)
    assert "Training loss of 8 fits" in own.text
    assert len(beside(made.run)) == 8 * 2


def test_baselines_given_stand_beside_the_run(made, tmp_path):
    page = page_of(made.run, "--beside", made.other, "-o", tmp_path / "page.html")
    theirs = json.loads((made.other / "results.json").read_text())["scores"]["network"]
    assert page.headed("run")["other ststnet, loso"][1:] == [shown(theirs[m]) for m in MEASURES]


def test_the_table_can_be_taken_as_csv_and_latex(own, results):
    data = [href for href in own.all("href", "a") if href.startswith("data:")]
    uris = dict(zip(own.all("download"), data, strict=True))
    comma, tex = (unquote(uris[name].partition(",")[2]) for name in ("table.csv", "table.tex"))
    found = {line["run"]: line for line in csv.DictReader(io.StringIO(comma))}
    figure = results["scores"]["network"]["UF1"]
    assert found["one"]["UF1"] == tables.spread(figure)
    assert found["one"]["UF1, 95 %"] == tables.between(figure)
    assert tex.splitlines()[-1] == r"\end{tabular}"
    for text in (comma, tex):
        assert " ".join(text.split()) in own.text  # to be copied, too


def test_a_single_seed_has_no_spread_and_a_table_alone_no_curves(made, tmp_path):
    table = read(made.run / "predictions.csv")
    write(tmp_path / "theirs.csv", Predictions(table.classes, tuple(table.of(0))))
    page = page_of(tmp_path / "theirs.csv", "-o", tmp_path / "page.html")
    assert "±" not in page.headed("run")["theirs"][1]
    assert "None are known" in page.text
    assert "Nothing but the predictions is known" in page.text
    assert "no protocol is named" in page.text
    assert "test-selected" not in page.text


def test_a_class_that_nobody_shows_counts_as_0_and_its_row_is_empty(made, tmp_path):
    table = read(made.run / "predictions.csv")
    rows = [replace(row, probabilities=(*row.probabilities, 0.0)) for row in table.rows]
    write(tmp_path / "p.csv", Predictions((*table.classes, "zeal"), tuple(rows)))
    page = page_of(tmp_path / "p.csv", "-o", tmp_path / "page.html")
    assert page.headed(r"truth \ predicted")["zeal"] == ["0 –"] * 4
    assert page.headed("emotion")["zeal"][:2] == ["0", "0.0 % ± 0.0 0.0 to 0.0"]


def test_a_composite_has_a_row_a_dataset(made, tmp_path):
    table = read(made.run / "predictions.csv")
    rows = [replace(row, dataset="d" + row.subject[-1]) for row in table.rows]
    write(tmp_path / "p.csv", Predictions(table.classes, tuple(rows)))
    page = page_of(tmp_path / "p.csv", "-o", tmp_path / "page.html")
    assert [row[:3] for row in page.headed("dataset").values()] == [["9", "1", "3"]] * 4
    assert "#datasets" in page.all("href")


EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{ 7*7 }}\x1b[31m\u202e"


@pytest.fixture
def hostile(tmp_path):
    """A run every text of which is hostile, its folder's name too."""
    folder = tmp_path / EVIL.replace("/", "_")
    folder.mkdir()
    classes = (EVIL, "calm")
    rows = tuple(
        Row(EVIL, 0, f"{p}{EVIL}", f"{p}-{c}{EVIL}", EVIL, f"{p}{EVIL}", classes[c % 2],
            classes[(c + p) % 2], (0.5, 0.5), 3)
        for p in range(3) for c in range(4)
    )  # fmt: skip
    write(folder / "predictions.csv", Predictions(classes, rows))
    told = {"model": EVIL, "protocol": EVIL, EVIL: EVIL, "differences": [EVIL, 7], "left_out": {},
            "stores": [{"name": EVIL, "blake3": EVIL}, 3], "epochs": 9, "UF1": 0.99}  # fmt: skip
    (folder / "results.json").write_text(json.dumps(told))
    (folder / "curves.csv").write_text(
        f'seed,fold,epoch,loss,oracle_accuracy\n0,"0{EVIL.replace(chr(34), chr(34) * 2)}",1,nan,1\n'
    )
    (folder / "report.html").touch()
    return folder


def test_hostile_names_are_shown_and_not_obeyed(hostile, made, tmp_path):
    for words in ([hostile], [hostile, made.run], [hostile, "--beside", hostile]):
        page = page_of(*words, "-o", tmp_path / "page.html")
        assert not {"script", "img", "iframe", "base", "link"} & {tag for tag, _ in page.tags}
        assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
        assert not page.all("src")
        for href in page.all("href"):
            assert href.startswith(("#", "data:text/")) or re.fullmatch(r"[\w./%-]+", href), href
        assert "<script>alert(1)</script>" in page.text
        assert "{{ 7*7 }}" in page.text
        raw = (tmp_path / "page.html").read_text()
        assert "\x1b" not in raw
        assert "\u202e" not in raw
        assert "script-src" not in raw
        assert "default-src 'none'" in raw


def test_a_folder_that_tells_other_types_than_ours_still_has_a_page(made, tmp_path):
    shutil.copy(made.run / "predictions.csv", tmp_path)
    told = {"differences": 7, "stores": "flow.h5", "model": None, "seeds": {}, "epochs": [2]}
    (tmp_path / "results.json").write_text(json.dumps(told))
    page = page_of(tmp_path, "-o", tmp_path / "page.html")
    assert "stores flow.h5" in page.text
    assert "Other than the protocol expects" not in page.text


def test_only_line_ends_are_obeyed():
    assert obeying_nobody("a\nb\x1b\udc80\r") == "a\nb\\x1b\\udc80\\r"
    assert obeying_nobody(7) == 7


def test_the_comparison_has_the_differences_that_compare_gives(made, tmp_path):
    page = page_of(made.run, made.other, "-o", tmp_path / "page.html")
    compared = json.loads(mer_report("compare", made.run, made.other, "--json").stdout)
    ((row,), names) = compared["runs"], list(compared["runs"][0]["measures"])
    (table,) = [t for t in page.tables if "difference" in t[0]]
    assert [cells[1] for cells in table[1:]] == names
    for cells in table[1:]:
        figure = row["measures"][cells[1]]
        assert cells[2:7] == [
            tables.percent(figure["score"]),
            tables.percent(figure["first"]),
            tables.points(figure["difference"]),
            tables.between(figure, tables.points),
            f"{figure['p']:.4f}",
        ]
    signs = row["signs"]
    assert table[1][7] == f"{signs['better']} : {signs['equal']} : {signs['worse']}"
    assert {"one ststnet, loso", "other ststnet, loso", "majority loso"} <= set(page.headed("run"))
    assert page.text.count("clean: no leak found in 72 predictions") == 2


def test_the_comparison_links_to_each_runs_page_from_where_it_lies(made, tmp_path):
    named = tmp_path / "a b:c"
    shutil.copytree(made.other, named)
    (tmp_path / "pages").mkdir()
    page = page_of(made.run, named, "-o", tmp_path / "pages" / "page.html")
    links = [href for href in page.all("href", "a") if href.endswith("report.html")]
    assert links[1] == "../a%20b%3Ac/report.html"
    assert [(tmp_path / "pages" / unquote(link)).is_file() for link in links] == [True, True]
    (named / "report.html").unlink()
    page = page_of(made.run, named, "-o", tmp_path / "pages" / "page.html")
    assert sum(href.endswith("report.html") for href in page.all("href", "a")) == 1


def test_a_run_of_other_samples_is_compared_with_nothing_and_the_page_says_why(made, tmp_path):
    table = read(made.other / "predictions.csv")
    fewer = [row for row in table.rows if row.sample_id != "s0-disgust-0"]
    write(tmp_path / "fewer.csv", Predictions(table.classes, tuple(fewer)))
    page = page_of(made.run, tmp_path / "fewer.csv", made.other, "-o", tmp_path / "page.html")
    assert "Not to be paired with one:" in page.text
    assert "differ in 1 samples: 1 only in the first" in page.text
    (table,) = [t for t in page.tables if "difference" in t[0]]
    assert {cells[0] for cells in table[1:]} == {"other"}


@pytest.mark.parametrize("option", ["--beside", "--features"])
def test_what_belongs_to_the_page_of_one_run_is_refused_for_several(made, tmp_path, option):
    value = made.other if option == "--beside" else made.store
    done = mer_report("page", made.run, made.other, option, value, "-o", tmp_path / "page.html")
    assert done.exit_code == 2
    assert "belong to the page of one run" in done.stderr
    assert not (tmp_path / "page.html").exists()


def test_every_link_leads_somewhere_and_every_wide_table_can_be_reached_by_key(own, made, tmp_path):
    both = page_of(made.run, made.other, "-o", tmp_path / "page.html")
    known = tmp_path / "known"
    known.mkdir()
    shutil.copy(made.run / "predictions.csv", known)
    (known / "config.toml").write_text('model = "ststnet"\nprotocol = "megc2019"\n')
    cited = page_of(known, "-o", tmp_path / "page.html")
    assert "#source-1" in cited.all("href")
    for page in (own, both, cited):
        ids = page.all("id")
        assert len(ids) == len(set(ids))
        inner = [href[1:] for href in page.all("href") if href.startswith("#")]
        assert inner
        assert set(inner) <= set(ids)
        assert set(page.all("tabindex")) == {"0"}
        regions = [attrs for _, attrs in page.tags if attrs.get("class") == "scroll"]
        assert len(regions) == len(page.tables)
        assert all(r["tabindex"] == "0" and r["role"] == "region" and r["aria-label"]
                   for r in regions)  # fmt: skip
        texts = [attrs for tag, attrs in page.tags if tag == "pre"]
        assert [attrs.get("tabindex") for attrs in texts] == ["0", "0"]
        headings = [attrs for tag, attrs in page.tags if tag == "th"]
        assert all("scope" in attrs for attrs in headings)


def test_the_name_of_a_run_is_its_folders_wherever_the_page_goes(made):
    assert finished(made.run).name == "one"
    assert "<title>one</title>" in (made.run / "report.html").read_text()
