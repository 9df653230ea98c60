"""The page of a store: what it shows, what it keeps to itself, and what it cannot be made to do."""

import html
import json
import re
import shutil
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from features.publish import Column
from pipeline.cache import Cache
from pipeline.cli import cli
from pipeline.datasets import demo
from pipeline.manifest import read_manifest
from tests.reported import moving, reported, row, strained

ROOT = Path(__file__).parents[1]
HOSTILE = "</script><script>x()</script><img src=x onerror=x()>\"'&amp;{{ 7*7 }}"


class Page(HTMLParser):
    """What a browser would see: tags, the ids of the samples in order, what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.tags: list[str] = []
        self.samples: list[str] = []
        self.alts: list[str] = []
        self.curves = 0
        self.fetched: list[str] = []
        self.scripts: list[str] = []
        self.policy = ""
        self._in = ""
        self.words: list[str] = []
        self.feed(text)
        self.told = json.loads(self.scripts[0])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        self._in = tag
        if tag == "article":
            self.samples.append(str(told["id"]))
        if tag == "script":
            self.scripts.append("")
        if tag == "img":
            self.alts.append(str(told["alt"]))
        if told.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(told["content"])
        self.curves += tag == "path"
        for name in ("src", "href"):
            if name in told and not str(told[name]).startswith(("data:", "#")):
                self.fetched.append(str(told[name]))

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts[-1] += data
        elif self._in != "style":
            self.words.append(data)

    def names(self) -> list[str]:
        """Sample ids in the order of the page."""
        by_id = {one["id"]: one["sample"] for one in self.told["samples"]}
        return [by_id[name] for name in self.samples]


def mer(*words: object):
    return CliRunner().invoke(cli, [str(word) for word in words])


def page_of(store: Path, *options: object) -> Page:
    output = store.with_suffix(".html")
    done = mer("report", store, "-o", output, "--workers", 0, *options)
    assert done.exit_code == 0, done.stderr
    return Page(output.read_text())


@pytest.fixture(scope="module")
def two_datasets(tmp_path_factory) -> Path:
    """Ten samples of two datasets; one moves far more, one is of a sad person."""
    rows = [row(f"s{k}", subject=f"p{k // 2}") for k in range(8)]
    rows += [row("wild", dataset="other", subject="p0", emotion="fear", action_units="")]
    rows += [row("sad", dataset="other", subject="p1", emotion="")]

    def flow(told):
        return moving(9 if told["sample_id"] == "wild" else 1 + 0.01 * len(told["subject"]))

    failures = [
        {"sample_id": "gone", "stage": "scan", "code": "missing_file", "message": "no such folder"},
        {"sample_id": "dark", "stage": "landmarks", "code": "no_face", "message": "no face found"},
        {"sample_id": "black", "stage": "landmarks", "code": "no_face", "message": "no face found"},
    ]
    return reported(
        tmp_path_factory.mktemp("two") / "flow.h5", rows,
        {"flow": flow, "strain": lambda told: strained(flow(told))},
        failures=failures, notes={"s3": ["a frame is missing"]},
    )  # fmt: skip


def test_a_store_alone_is_enough_and_nothing_is_fetched(two_datasets):
    page = page_of(two_datasets)
    assert page.fetched == []
    assert len(page.samples) == 10
    assert sum(alt.startswith("flow, to 1 px of ") for alt in page.alts) == 10
    assert sum(alt.startswith("strain, to 0.1 px/px of ") for alt in page.alts) == 10
    assert {"wheel of the colours of flow", "scale of the colours of strain"} <= set(page.alts)
    assert page.curves == 0


def test_the_terminal_tells_why_there_are_no_curves_and_how_large_the_page_is(two_datasets):
    output = two_datasets.with_suffix(".html")
    done = mer("report", two_datasets, "-o", output)
    why = "no curves of motion: dataset 'made' is none that is known by name"
    assert why in done.stderr
    assert "did you mean" not in done.stderr
    assert "  name that manifest: --dataset FOLDER/manifest.csv\n" in done.stderr
    size = output.stat().st_size
    assert done.stdout == f"{output}: 10 samples, 0 clips looked at; {size / 1024:.3g} KiB\n"


def test_the_most_unlike_the_others_comes_first_and_its_measures_are_marked(two_datasets):
    page = page_of(two_datasets)
    assert page.names()[0] == "wild"
    card = page.text.partition("<article")[2].partition("</article>")[0]
    assert re.search(r'flow, mean<td class="number">1 px<td class="number outlier">\+\d', card)
    assert page.text.count("number outlier") == 4
    scores = [one["score"] for one in page.told["samples"]]
    assert scores == sorted(scores, reverse=True)


def test_the_summary_counts_classes_failures_and_bytes(two_datasets):
    words = " ".join(" ".join(page_of(two_datasets).words).split())
    assert "10 of 6 subjects, made, other" in words  # p0 of made is not p0 of other
    assert "made joy 8 4 other fear 1 1 other none 1 1" in words
    assert "landmarks no_face 2 scan missing_file 1" in words
    assert "gone: no such folder [scan: missing_file]" in words
    assert "flow px 2 × 48 × 48 float32, channel y x no person 18 KiB 180 KiB" in words
    assert "0.20 to 0.20 s, median 0.20 s" in words


def test_a_sample_tells_its_provenance(two_datasets):
    cards = page_of(two_datasets).text.split("<article")
    (card,) = (one for one in cards if ">s3<" in one)
    for word in ("onset 10, apex 15, offset 29", "100 fps", "sheet", "6+12", "a frame is missing",
                 "clip s3", "c0ffee"):  # fmt: skip
        assert word in card
    assert re.search(r"<dt>digest<dd>[0-9a-f]{32}", card)


def test_what_nobody_told_is_left_out(tmp_path):
    unknown = {"onset": -1, "apex": -1, "offset": -1, "fps": 0.0, "action_units": "", "clip": "c"}
    store = reported(tmp_path / "s.h5", [row(**unknown)], {"flow": lambda _: moving(1)})
    text = page_of(store).text
    assert "-1" not in text.partition("<article")[2].partition("</article>")[0]
    assert "<dt>rate" not in text
    assert "clips last" not in text


def test_an_angle_is_drawn_but_has_no_mean(tmp_path):
    store = reported(tmp_path / "s.h5", [row()], {"polar": lambda _: moving(1)})
    page = page_of(store)
    assert [alt.partition(",")[0] for alt in page.alts[2:]] == ["polar", "polar"]
    assert {name.partition(" 0")[0] for name in page.told["measures"]} == {"polar, channel"}


FACES = {"dynamic_image": lambda _: np.full((3, 48, 48), 5.0), "flow": lambda _: moving(1)}


def faces(tmp_path: Path) -> Path:
    return reported(
        tmp_path / "faces.h5", [row("a"), row("b")], FACES, recipe={"sensitive": True}
    )  # fmt: skip


def test_what_shows_people_is_not_drawn_unasked_but_is_measured(tmp_path):
    page = page_of(faces(tmp_path))
    assert [alt for alt in page.alts if "dynamic_image" in alt] == []
    assert len([alt for alt in page.alts if alt.startswith("flow")]) == 2
    assert "dynamic_image, mean" in page.told["measures"]
    assert "rivate" not in " ".join(page.words)


def test_faces_come_when_asked_and_the_page_says_that_it_is_private(tmp_path):
    store = faces(tmp_path)
    page = page_of(store, "--faces")
    assert len([alt for alt in page.alts if alt.startswith("dynamic_image")]) == 2
    assert "Private: this page shows faces" in page.text
    assert "<title>private: " in page.text
    assert store.with_suffix(".html").stat().st_mode & 0o777 == 0o600
    assert (
        "with faces: private" in mer("report", store, "--faces", "-o", tmp_path / "p.html").stdout
    )


def test_a_page_on_which_no_face_could_be_drawn_is_not_called_private(two_datasets, tmp_path):
    done = mer("report", two_datasets, "--faces", "-o", tmp_path / "p.html")
    assert done.exit_code == 0
    assert "private" not in done.stdout
    assert "no face could be drawn: faces are drawn from the clips: --dataset" in done.stderr
    page = Page((tmp_path / "p.html").read_text())
    assert "rivate" not in " ".join(page.words)


def test_a_page_of_ours_is_replaced_and_nothing_else_is_written_over(two_datasets, tmp_path):
    page = tmp_path / "r.html"
    assert mer("report", two_datasets, "-o", page).exit_code == 0
    assert mer("report", two_datasets, "-o", page).exit_code == 0
    page.write_text("<!doctype html>\nmy thesis")
    done = mer("report", two_datasets, "-o", page)
    assert (done.exit_code, "is no report of merkit's" in done.stderr) == (2, True)
    assert page.read_text().endswith("my thesis")


def test_of_fewer_than_eight_samples_none_is_called_unlike_the_others(tmp_path):
    rows = [row(f"s{k}") for k in range(7)]
    px = {one["sample_id"]: 9 if one["sample_id"] == "s4" else 1 for one in rows}
    store = reported(tmp_path / "s.h5", rows, {"flow": lambda told: moving(px[told["sample_id"]])})
    page = page_of(store)
    words = " ".join(" ".join(page.words).split())
    assert "is told from 8 samples on: of fewer it says nothing" in words
    assert "unlike" not in words
    assert page.names() == [f"s{k}" for k in range(7)]
    assert "number outlier" not in page.text
    assert 'flow, mean<td class="number">1 px<td class="number">\n' in page.text


def test_a_recipe_is_shown_as_the_file_that_makes_the_same_store(tmp_path):
    from pipeline import recipe

    own = {"features": ["flow"], "crop": {"size": 64}, "flow": {"tvl1": {"warps": 2}}}
    told = recipe.parse("own", own, "own")
    stored = json.loads(told.json())
    store = reported(tmp_path / "s.h5", [row()], {"flow": lambda _: moving(1)}, recipe=stored)
    text = page_of(store).text.partition("<pre>")[2].partition("</pre>")[0]
    assert "[crop]\n" in text
    shown = recipe.parse("own", tomllib.loads(html.unescape(text)), "page")
    assert shown.json() == told.json()


@pytest.mark.parametrize(("sensitive", "drawn"), [(True, 0), (False, 1)])
def test_of_a_feature_that_is_not_ours_the_stores_word_counts(tmp_path, sensitive, drawn):
    store = reported(
        tmp_path / "own.h5", [row()], {"edges": lambda _: np.ones((1, 9, 9))},
        recipe={"imported": True, "sensitive": sensitive},
        edges=Column("bits", "channel y x", "made elsewhere", '{"imported":true}', 0),
    )  # fmt: skip
    page = page_of(store)
    assert len([alt for alt in page.alts if alt.startswith("edges")]) == drawn


def test_a_feature_under_another_name_is_known_by_what_it_is(tmp_path):
    told = Column("grey levels", "channel y x", "", '{"feature":"dynamic_image"}', 1)
    store = reported(
        tmp_path / "s.h5", [row()], {"rise": lambda _: np.ones((3, 9, 9))}, rise=told
    )  # fmt: skip
    assert [alt for alt in page_of(store).alts if "rise" in alt] == []


@pytest.fixture
def hostile(tmp_path: Path) -> Page:
    ours = {"sample_id": HOSTILE, "subject": HOSTILE, "clip": HOSTILE, "emotion": HOSTILE,
            "action_units": HOSTILE, "apex_source": HOSTILE, "dataset": HOSTILE}  # fmt: skip
    failure = {"sample_id": HOSTILE, "stage": HOSTILE, "code": HOSTILE, "message": HOSTILE}
    name = HOSTILE.replace("/", "")  # a group's name holds none
    store = reported(
        tmp_path / "s.h5", [row(**ours), row("calm")], {name: lambda _: moving(1)},
        failures=[failure], notes={HOSTILE: [HOSTILE]},
        **{name: Column(HOSTILE, "channel y x", HOSTILE, "{}", 0)},
    )  # fmt: skip
    return page_of(store)


def test_whatever_a_stores_words_say_they_stay_words(hostile):
    assert hostile.tags.count("script") == 2
    assert hostile.tags.count("img") == 2 + 2 * 2  # two channels: legends, and two samples' maps
    assert hostile.fetched == []
    assert HOSTILE in "".join(hostile.words)
    assert "&amp;49" not in "".join(hostile.words)
    (told,) = (one for one in hostile.told["samples"] if one["sample"] != "calm")
    assert told["sample"] == told["emotion"] == HOSTILE


def test_the_page_forbids_itself_all_but_its_own_style_and_script(hostile):
    rules = dict(rule.split(" ", 1) for rule in hostile.policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["script-src"])
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["style-src"])
    assert not re.search(r'\s(style|on\w+)="', hostile.text)


def test_no_store_and_a_damaged_one_are_refused_and_leave_no_page(two_datasets, tmp_path):
    done = mer("report", tmp_path / "none.h5", "-o", tmp_path / "r.html")
    assert (done.exit_code, "no such store" in done.stderr) == (1, True)
    data = bytearray(two_datasets.read_bytes())
    where = data.index(moving(9).tobytes())
    data[where + 2000] ^= 1
    (tmp_path / "bad.h5").write_bytes(data)
    done = mer("report", tmp_path / "bad.h5", "-o", tmp_path / "r.html")
    assert (done.exit_code, "flow of wild is damaged" in done.stderr) == (4, True)
    assert not (tmp_path / "r.html").exists()


# Contrast, as WCAG 2 defines it.


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def palettes() -> dict[str, dict[str, str]]:
    text = (ROOT / "pipeline" / "report.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", text, flags=re.S)
    return {
        name: dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", part))
        for name, part in (("light", light), ("dark", dark))
    }


def test_contrast_is_measured_as_wcag_does():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_edges_stand_out_in_light_and_dark(scheme):
    palette = palettes()[scheme]
    grounds = [palette["paper"], palette["card"]]
    for name in ("ink", "faint", "link", "head", "rest", "face"):
        for ground in grounds:
            assert contrast(palette[name], ground) >= 4.5, (name, ground)
    assert contrast(palette["ink"], palette["warn"]) >= 4.5
    assert min(contrast(palette["edge"], ground) for ground in grounds) >= 3


def test_no_colour_of_words_is_outside_the_palette():
    text = (ROOT / "pipeline" / "report.css").read_text()
    rules = text[text.rindex("--warn") :]
    assert re.findall(r"(?<![\w-])color: (?!var\()", rules) == []
    assert re.findall(r"#[0-9a-f]{3,6};", rules.partition("}")[2]) == []


# With the clips at hand.


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
def own(made, monkeypatch):
    """Makes the page of that store, with its clips."""
    root, cache = made
    monkeypatch.setenv("MER_CACHE", str(cache))
    store = next((root / "out").rglob("*.h5"))
    return lambda *options: page_of(store, "--dataset", root / "manifest.csv", *options)


def test_clips_at_hand_are_looked_at_and_faces_stay_away(own):
    page = own()
    assert len(page.samples) == 3
    assert page.curves == 3 * 2  # the third clip is lost
    assert page.told["measures"][-3:] == ["head, largest", "rest, largest", "face, largest"]
    assert not [alt for alt in page.alts if "onset" in alt]
    lost = next(one for one in page.told["samples"] if one["sample"] == "<b>2")
    assert lost["values"][-3:] == [None, None, None]


@pytest.mark.parametrize(
    "options", [[], ["--root", "manifest.csv"], ["--root", ""]], ids=["none", "manifest", "folder"]
)
def test_clips_are_found_where_the_run_had_them_or_their_manifest_is(made, monkeypatch, options):
    root, cache = made
    monkeypatch.setenv("MER_CACHE", str(cache))
    store = next((root / "out").rglob("*.h5"))
    words = [root / word if word != "--root" else word for word in options]
    assert page_of(store, *words).curves == 3 * 2


def test_a_run_that_nobody_remembers_is_asked_for_by_its_manifest(made, tmp_path):
    root, _ = made  # the cache is another, as on another machine
    store = next((root / "out").rglob("*.h5"))
    done = mer("report", store, "--root", tmp_path, "--faces", "-o", tmp_path / "r.html")
    assert done.exit_code == 2
    assert f"dataset '{root.name}' is none that is known by name" in done.stderr
    assert "--dataset FOLDER/manifest.csv" in done.stderr


def test_a_store_of_a_manifest_says_what_to_type_and_holds_no_path(made):
    root, _ = made
    store = next((root / "out").rglob("*.h5"))
    typed = f"mer-features run {root.name}.csv --recipe flow"
    assert typed in page_of(store).text
    assert str(root).encode() not in store.read_bytes()


def test_onset_and_apex_come_when_faces_are_asked_for(own):
    page = own("--faces")
    assert len([alt for alt in page.alts if alt.startswith(("onset", "apex"))]) == 4
    assert "Private: this page shows faces" in page.text
    assert page.fetched == []


def test_curves_begin_at_rest_and_show_the_head_and_little_of_it_left(own):
    page = own()
    for told in page.told["samples"]:
        head, rest, _ = told["values"][-3:]
        if told["sample"] != "<b>2":
            assert 0.2 < head < 3
            assert rest < 0.3
    starts = re.findall(r'<path class="\w+" d="M24\.0 ([\d.]+)', page.text)
    assert len(starts) == 6
    for start in starts:
        assert 79 <= float(start) <= 80


def test_a_clip_that_cannot_be_looked_at_comes_first_and_says_why(two_datasets):
    from pipeline.look import Look
    from pipeline.report import report

    looks = {"s5": Look("s5", failure="no face <b>found</b>")}
    output = two_datasets.with_suffix(".html")
    assert report(two_datasets, output, looks).size == output.stat().st_size
    page = Page(output.read_text())
    assert page.names()[:2] == ["s5", "wild"]
    assert page.told["samples"][0]["score"] is None
    assert "The clip could not be looked at: no face &lt;b&gt;found" in page.text


def test_a_clip_that_was_cut_anew_since_has_a_curve_without_apex():
    from pipeline.curves import plot
    from pipeline.look import Look

    seen = Look("s1", *([0.0, 0.5, 0.2] for _ in range(3)))
    (whole, short) = (plot(seen, 10, apex) for apex in (11, 15))
    assert whole is not None
    assert short is not None
    assert (whole["apex"], short["apex"]) == ("130.0", "")
    assert whole["paths"] == short["paths"]


def test_a_store_of_another_dataset_is_refused_if_that_was_named(made, demo_root, tmp_path):
    store = next((made[0] / "out").rglob("*.h5"))
    done = mer("report", store, "--dataset", "demo", "--root", demo_root, "-o", tmp_path / "r.html")
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert "none of its 3 samples is in this dataset" in done.stderr
    assert not (tmp_path / "r.html").exists()


def test_an_imported_store_has_a_page_but_no_clips(demo_root, tmp_path):
    store = reported(
        tmp_path / "s.h5", [row()], {"flow": lambda _: moving(1)}, recipe={"imported": True}
    )  # fmt: skip
    assert len(page_of(store).samples) == 1
    alone = mer("report", store, "-o", store.with_suffix(".html"))
    assert "was imported, no recipe made it" in alone.stderr
    done = mer("report", store, "--dataset", "demo", "--root", demo_root, "-o", tmp_path / "r.html")
    assert (done.exit_code, "was imported, no recipe made it" in done.stderr) == (1, True)


def test_no_dataset_is_made_for_a_page_that_nobody_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [row(dataset="demo")]
    store = reported(tmp_path / "s.h5", rows, {"flow": lambda _: moving(1)})
    page_of(store)
    assert not (tmp_path / "data").exists()


def test_the_second_look_reads_no_video(own, made, monkeypatch):
    own()
    from pipeline import look

    def read_again(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(look, "_curves", read_again)
    root, cache = made
    from pipeline import recipe
    from pipeline.scan import scan

    found = scan(read_manifest(root / "manifest.csv"), root, cache)
    one, source = found.found["<b>0"]
    task = look.graph.task(one, source, found.digests, recipe.load("flow"), None, Cache(cache))
    seen = look.look(task, faces=False)
    assert len(seen.head) == one.offset - one.onset + 1
    assert np.isfinite(seen.rest).all()
