"""The documentation: every block runs, every link leads somewhere, its pages fetch nothing.

`make docs` runs all of it; what builds pages or runs blocks is slow, and left out by `make test`.
"""

import re
import shutil
import socket
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from PIL import Image

from docs.generated import GENERATED, MARK, filled, plain
from features import base, protocol
from pipeline import errata, recipe
from pipeline.datasets import base as datasets
from tests.browser import DESKTOP, PHONE, Browser, chromium
from tests.newcomer import ROOT, blocks, commands, furnish, run, shortened
from train.models import base as models

PAGES = {path.stem: path for path in sorted((ROOT / "docs" / "pages").glob("*.md"))}
PATHS = PAGES | {name: ROOT / f"{name}.md" for name in ("CONTRIBUTING", "CHANGELOG", "README")}
TEXTS = {name: path.read_text() for name, path in PATHS.items()}
TRIED = sorted(PATHS.keys() - {"README"})  # which has tests of its own
PACKAGES = ("features", "pipeline", "train")
CLOSING = "set -e; trap 'kill -9 $(jobs -p) 2> /dev/null || :' EXIT\n"  # what a block left running


@pytest.fixture(scope="module")
def furnished(demo_root, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every page's reader has; the results of the demo are kept for all pages."""
    home = tmp_path_factory.mktemp("reader")
    furnish(home, demo_root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MER_CACHE", str(home / "cache"))
        done = run("mer-features run demo --workers 0", home)
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def home(furnished, tmp_path, monkeypatch) -> Path:
    home = tmp_path / "home"
    shutil.copytree(
        furnished, home, symlinks=True, ignore=shutil.ignore_patterns("cache", "stores")
    )
    monkeypatch.setenv("MER_CACHE", str(furnished / "cache"))
    return home


def tried(language: str, block: str, home: Path, code: Path) -> subprocess.CompletedProcess[str]:
    """Run a block, or put it where its first line says."""
    named = re.match(r"# (\S+/\S+\.(?:py|toml))\n", block)
    if language == "sh":
        lines = "\n".join(shortened(command, home) for command in commands(block))
        return run(CLOSING + lines.replace(":8786", f":{free_port()}"), home, code)
    if named or language == "toml":
        (home / (named[1] if named else "mine.toml")).write_text(block)
        return run("true", home)
    (home / "snippet.py").write_text(block)
    return run(f"{sys.executable} -W error snippet.py", home, code)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in TRIED if blocks(TEXTS[page])])
def test_every_block_of_a_page_runs_in_order(page, home):
    code = ROOT
    if "# features/" in TEXTS[page]:  # its reader adds files to a clone
        code = home
        for package in PACKAGES:
            shutil.copytree(ROOT / package, home / package)
    for language, block in blocks(TEXTS[page]):
        if language in ("sh", "python", "toml"):
            done = tried(language, block, home, code)
            assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
def test_a_block_that_fails_is_noticed(home):
    for language, block in (("sh", "false\ntrue\n"), ("python", "raise SystemExit(1)\n")):
        assert tried(language, block, home, ROOT).returncode != 0


def test_a_page_has_no_block_that_nobody_tries():
    for name, text in TEXTS.items():
        found = blocks(text)
        assert {language for language, _ in found} <= {"sh", "python", "toml", "zsh", "fish"}, name
        assert 2 * len(found) == text.count("```"), name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("command", ["mer-features", "mer-train", "mer-report"])
def test_the_completion_that_is_told_prints_a_script(shell, command, tmp_path):
    variable = f"_{command.upper().replace('-', '_')}_COMPLETE"
    assert variable in TEXTS["commands"]
    assert f"_MER_FEATURES_COMPLETE={shell}_source mer-features" in TEXTS["commands"]
    done = run(f"{variable}={shell}_source {command}", tmp_path)
    assert f"{shell}_complete" in done.stdout, done.stderr


@pytest.mark.parametrize("page", TEXTS)
def test_every_relative_link_leads_to_a_file(page):  # headings are checked as pages are built
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", TEXTS[page])
    assert all((PATHS[page].parent / link).is_file() for link in links), links


def test_the_readme_leads_to_every_page():
    linked = set(re.findall(r"\]\(docs/pages/([\w-]+)\.md\)", TEXTS["README"]))
    assert linked == PAGES.keys() - {"results"}  # which the page of the networks leads to


def test_names_in_the_text_are_known():
    from pipeline.cli import cli as mer_features
    from train.cli import cli as mer_train
    from train.report import cli as mer_report

    text = "\n".join(TEXTS[name] for name in TRIED)
    assert set(re.findall(r"mer-features ([a-z]+)", text)) <= set(mer_features.commands)
    assert set(re.findall(r"mer-report ([a-z]+)", text)) <= set(mer_report.commands)
    assert set(re.findall(r"--protocol ([\w-]+)", text)) <= set(protocol.names())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"`make ([a-z]+)", text)) <= targets
    groups = (mer_features, mer_report)
    every = [mer_train, *(c for group in groups for c in group.commands.values())]
    options = {o for c in every for p in c.params for o in p.opts + p.secondary_opts}
    options |= set(re.findall(r'"(--[a-z-]+)"', (ROOT / "docs" / "slurm.py").read_text()))
    ours = [
        line
        for text in map(TEXTS.get, TRIED)
        for line in re.findall(r"^(?:mer-|python docs).*|`[^`]*`", text, flags=re.M)
        if "dask" not in line
    ]
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(ours))) <= options


def test_every_feature_dataset_network_protocol_and_recipe_is_told():
    told = {name: make() for name, make in GENERATED.items()}
    for name in base.names():
        assert f"## {name}\n" in told["features"]
        assert plain(base.load(name).convention) in told["features"], name
    for name in set(datasets.names()) - {"demo", "folder"}:
        assert f"## {name}\n" in told["datasets"]
        for sample_id, fault in errata.load(name).items():
            assert f"`{sample_id}`" in told["datasets"]
            assert plain(fault.reason) in told["datasets"]
    for name in models.names():
        assert f"## {name}\n" in told["networks"]
    assert f"{models.load('ststnet').parameters(5):,} for 5 classes" in told["networks"]
    for name in protocol.names():
        assert f"| `{name}` |" in told["protocols"]
    for name in recipe.names():
        assert f"| `{name}` |" in told["recipes"]
    assert "OnsetFrame" in told["datasets"]
    assert "SAMM\\_Micro\\_FACS\\_Codes\\_v2.xlsx" in told["datasets"]


def test_a_setting_is_told_with_its_default_and_its_comment():
    assert "| `sigma` | `1.0` | px, Gaussian smoothing of u and v; 0 = none |" in filled(
        TEXTS["features"]
    )


def test_whatever_can_be_generated_is_on_a_page_and_nothing_else_is_asked_for():
    asked = [name for page in PAGES for name in MARK.findall(TEXTS[page])]
    assert sorted(asked) == sorted(GENERATED)


class Fetched(HTMLParser):
    """Addresses that a browser fetches by itself when it opens a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if value and (name in ("src", "srcset", "data", "poster") or tag == "link"):
                self.found.append(value)
            if value and name == "style":
                self.found += styled(value)


def styled(text: str) -> list[str]:
    """Addresses that a style sheet fetches."""
    return re.findall(r"(?:url\(|@import\s)\s*[\"']?([^\"')\s]+)", text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_page_is_built_and_in_the_menu(site):
    built = {path.stem for path in site.glob("*.html")} - {"404"}
    assert built == PAGES.keys()
    menu = (site / "faq.html").read_text()
    assert all(f'href="{page}.html"' in menu for page in PAGES)


@pytest.mark.slow
def test_no_comment_of_ours_is_left_in_a_page(site):
    for name in PAGES:
        assert not re.search(r"<!-- [a-z]+ -->", (site / f"{name}.html").read_text()), name


@pytest.mark.slow
def test_the_built_pages_fetch_nothing_from_elsewhere(site):
    fetched = {}
    for path in site.rglob("*.html"):
        page = Fetched()
        page.feed(path.read_text())
        fetched[path] = page.found
    fetched |= {path: styled(path.read_text()) for path in site.rglob("*.css")}
    assert sum(map(len, fetched.values())) > 100
    for path, found in fetched.items():
        for address in found:
            assert not re.match(r"(?:[a-z]+:)?//", address), f"{path.name}: {address}"


def built(folder: Path, pages: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Build other pages, in a copy of the tree."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name)
    (folder / "docs" / "pages").mkdir(parents=True)
    for path in [ROOT / "mkdocs.yml", *(ROOT / "docs").glob("*.py")]:
        shutil.copy(path, folder / path.relative_to(ROOT))
    for name, text in {**dict.fromkeys(PAGES, "# A page\n"), **pages}.items():
        (folder / "docs" / "pages" / f"{name}.md").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_link_that_leads_nowhere_stops_the_build(tmp_path):
    done = built(tmp_path, {"faq": "# Questions\n\n[nowhere](nowhere.md)\n"})
    assert done.returncode != 0
    assert "nowhere.md" in done.stderr


@pytest.mark.slow
def test_pictures_and_the_table_of_networks_are_shown_once_they_are_made(tmp_path):
    (tmp_path / "docs" / "gallery").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "docs" / "gallery" / "flow.png")
    (tmp_path / "docs" / "networks.md").write_text("# A title\n\n| network |\n|---|\n| spread |\n")
    asked = {name: f"# {name}\n\n<!-- {name} -->\n" for name in ("features", "results")}
    done = built(tmp_path, asked)
    assert done.returncode == 0, done.stderr
    site = tmp_path / "docs" / "_site"
    assert (site / "gallery" / "flow.png").is_file()
    assert 'src="gallery/flow.png"' in (site / "features.html").read_text()
    assert "<td>spread</td>" in (site / "results.html").read_text()
    assert "A title" not in (site / "results.html").read_text()


def test_what_is_built_is_ignored_by_git():
    done = subprocess.run(
        ["git", "check-ignore", "-q", "docs/_site/index.html"], cwd=ROOT, check=False
    )
    assert done.returncode == 0


def test_citation_changelog_and_package_are_of_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what must be there
    assert (citation["title"], citation["version"]) == (project["name"], project["version"])
    assert citation["license"] == project["license"]
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert re.search(r"^## ([\d.]+)", TEXTS["CHANGELOG"], flags=re.M)[1] == project["version"]


def contrast(of: list[float], on: list[float]) -> float:
    """What WCAG calls the contrast ratio of two colours."""
    light = sorted(
        sum(
            share * (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4)
            for share, c in zip((0.2126, 0.7152, 0.0722), (v / 255 for v in color), strict=True)
        )
        for color in (of, on)
    )
    return (light[1] + 0.05) / (light[0] + 0.05)


COLORS = """[...document.querySelectorAll("a, p, td, th, code, h1, h2, li, summary, button")]
    .filter((one) => one.offsetParent)
    .filter((one) => [...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((one) => {
        const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
        let behind = one;
        while (behind.parentElement && numbers(getComputedStyle(behind).backgroundColor)[3] === 0)
            behind = behind.parentElement;
        return [one.innerText.trim().slice(0, 40), numbers(getComputedStyle(one).color).slice(0, 3),
            numbers(getComputedStyle(behind).backgroundColor).slice(0, 3)];
    })"""


@pytest.mark.skipif(chromium() is None, reason="no Chromium here")
@pytest.mark.slow
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_fetches_nothing_and_can_be_read(site, size, scheme):
    with Browser() as browser:
        browser.show_at(size, scheme)
        for page in PAGES:
            browser.open(site / f"{page}.html")
            told = [said for said in browser.said if "Worker" not in said]  # of the search
            assert not told, page
            assert all(address.startswith(("file:", "data:", "about:"))
                       for address in browser.asked), page  # fmt: skip
            assert browser.run("document.documentElement.scrollWidth") <= size[0], page
            seen = browser.run(COLORS)
            assert len(seen) > 5
            pale = [(text, of, on) for text, of, on in seen if contrast(of, on) < 4.5]
            assert not pale, page
