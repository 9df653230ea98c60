"""The report of a real store, made from real clips."""

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.cache import Cache
from pipeline.cli import cli
from pipeline.datasets import demo
from pipeline.manifest import read_manifest
from pipeline.report import by_outlyingness


class Page(HTMLParser):
    """What a browser would show: ids of the clips in order, pictures, what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.clips: list[str] = []
        self.pictures: list[str] = []
        self.curves = 0
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "section":
            self.clips.append(str(told["id"]))
        if tag == "img":
            self.pictures.append(str(told["src"]))
        self.curves += tag == "path"
        for name in ("src", "href"):
            if name in told and not str(told[name]).startswith("data:"):
                self.fetched.append(str(told[name]))


def mer(*words: object):
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture(scope="module")
def made(demo_root, tmp_path_factory):
    """A store of three clips of somebody's own, one of which is then lost; and its cache."""
    root = tmp_path_factory.mktemp("own")
    cache = root / "cache"
    samples = demo.read(demo_root).samples[:3]
    lines = ["sample_id,subject,path,first_frame,onset,apex,offset,fps,emotion"]
    for k, s in enumerate(samples):
        shutil.copytree(demo_root / s.path, root / f"c{k}")
        lines.append(f"<b>{k},p{k},c{k},{s.onset},{s.onset},{s.apex},{s.offset},100,joy")
    lines.append("gone,p9,nowhere,1,1,5,9,100,joy")
    (root / "manifest.csv").write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MER_CACHE", str(cache))
        done = mer("run", root / "manifest.csv", "--workers", 0, "--out", root / "out")
        assert done.exit_code == 3, done.stderr
    shutil.rmtree(root / "c2")
    return root, cache


@pytest.fixture
def report(made, monkeypatch, tmp_path):
    root, cache = made
    monkeypatch.setenv("MER_CACHE", str(cache))

    def make(*options: str):
        store = next((root / "out").rglob("*.h5"))
        output = tmp_path / "report.html"
        done = mer(
            "report", store, "--dataset", root / "manifest.csv", "-o", output, "--workers", 1,
            *options,
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        return output, output.read_text(), done

    return make


def test_without_being_asked_no_face_is_shown(report):
    output, text, done = report()
    page = Page(text)
    assert (len(page.clips), page.pictures, page.fetched) == (2, [], [])
    assert page.curves == 3 * 2
    assert "Private" not in text
    assert "private" not in done.stdout
    assert output.stat().st_mode & 0o777 == 0o600


def test_faces_come_when_asked_and_the_page_says_that_it_is_private(report):
    _, text, done = report("--faces")
    page = Page(text)
    assert len(page.pictures) == 4  # onset and apex of each
    assert page.fetched == []
    assert "Private: this page shows faces" in text
    assert "with faces: private" in done.stdout


def test_the_page_tells_which_samples_failed_and_escapes_their_names(report):
    _, text, _ = report()
    assert "gone: nowhere: no such folder or video [scan: missing_file]" in text
    assert "<b>0" not in text
    assert "&lt;b&gt;0" in text


def test_curves_begin_at_rest_and_show_the_head_and_little_of_it_left(report, made):
    _, text, _ = report()
    for peaks in re.findall(r"head at most ([\d.]+) px, rest ([\d.]+) px", text):
        head, rest = map(float, peaks)
        assert 0.2 < head < 3
        assert rest < 0.3
    for path in re.findall(r'<path class="\w+" d="M24\.0 ([\d.]+)', text):
        assert 79 <= float(path) <= 80


def test_outliers_come_first_and_what_cannot_be_looked_at_before_them():
    calm = [
        {"sample_id": f"s{k}", "failure": "", "peaks": [0.5, 0.1 + k / 1e3, 0.3]} for k in range(9)
    ]
    wild = {"sample_id": "wild", "failure": "", "peaks": [0.5, 0.9, 0.3]}
    lost = {"sample_id": "lost", "failure": "no face", "score": 0.0}
    ordered = by_outlyingness([{**c, "score": 0.0} for c in (*calm, wild)] + [lost])
    assert [clip["sample_id"] for clip in ordered][:2] == ["lost", "wild"]
    assert ordered[1]["score"] > 10
    assert max(clip["score"] for clip in ordered[2:]) < 3


def test_all_clips_alike_make_no_outlier():
    alike = [
        {"sample_id": str(k), "failure": "", "peaks": [0.5, 0.1, 0.3], "score": 0.0}
        for k in range(4)
    ]
    assert [clip["score"] for clip in by_outlyingness(alike)] == [0, 0, 0, 0]


def test_a_store_of_another_dataset_is_refused(made, demo_root, tmp_path):
    store = next((made[0] / "out").rglob("*.h5"))
    done = mer("report", store, "--dataset", "demo", "--root", demo_root, "-o", tmp_path / "r.html")
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert "none of its 3 samples is in this dataset" in done.stderr
    assert not (tmp_path / "r.html").exists()


def test_the_second_look_reads_no_video(report, made, monkeypatch):
    report()
    from pipeline import look

    def read_again(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(look, "_curves", read_again)
    root, cache = made
    from pipeline import recipe
    from pipeline.scan import scan

    own = scan(read_manifest(root / "manifest.csv"), root, cache)
    one, source = own.found["<b>0"]
    task = look.graph.task(one, source, own.digests, recipe.load("flow"), None, Cache(cache))
    seen = look.look(task, faces=False)
    assert len(seen.head) == one.offset - one.onset + 1
    assert np.isfinite(seen.rest).all()
