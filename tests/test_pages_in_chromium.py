"""The pages as a browser lays them out: at phone and desktop width, light and dark."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.test_run_page import EVIL, hostile, made, mer_report  # noqa: F401, fixtures
from train.predictions import Predictions, Row, write

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
DARK = "--blink-settings=preferredColorScheme=0"
LIGHT = "--blink-settings=preferredColorScheme=1"
WIDTHS = (390, 1280)

# A frame is as wide as it is told; a window may not be made as narrow as a phone. Being of this
# page, it can be asked, with no script of its own.
FRAMES = """<!doctype html><meta charset="utf-8"><body>
{frames}
<script>
onload = () => {{
  const told = [...document.querySelectorAll("iframe")].map(frame => {{
    const view = frame.contentWindow, page = frame.contentDocument, root = page.documentElement;
    const color = name => view.getComputedStyle(page.body)[name];
    page.querySelectorAll("details").forEach(one => one.open = true);
    const reached = [...page.querySelectorAll("a, summary, pre, .scroll")].filter(one => {{
      one.focus(); return page.activeElement === one;
    }});
    return {{
      width: view.innerWidth, scrollWidth: root.scrollWidth,
      paper: color("backgroundColor"), ink: color("color"),
      fetched: view.performance.getEntriesByType("resource").map(one => one.name),
      reached: reached.length, toReach: page.querySelectorAll("a, summary, pre, .scroll").length,
      cut: [...page.querySelectorAll(".cards tbody td, .cards tbody th")].filter(one =>
        one.scrollWidth > one.clientWidth || one.getBoundingClientRect().right > view.innerWidth
      ).length,
      outside: [...page.querySelectorAll("main *")].filter(one => !one.closest(".scroll, pre")
        && one.getBoundingClientRect().right > view.innerWidth + 1).length,
    }};
  }});
  document.body.textContent = JSON.stringify(told);
}};
</script>"""


def looked_at(page: str, folder: Path, scheme: str) -> tuple[list[dict[str, object]], list[str]]:
    """What a browser says of a page in frames of WIDTHS, and its console."""
    frames = "".join(
        f'<iframe style="width:{width}px;height:800px;border:0" srcdoc="{html.escape(page)}">'
        "</iframe>"
        for width in WIDTHS
    )
    outer = folder / "frames.html"
    outer.write_text(FRAMES.format(frames=frames))
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr",
            "--window-size=1400,900", scheme, "--dump-dom", outer.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    (body,) = re.findall(r"<body>(.*)</body>", done.stdout, flags=re.S)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(body)), console


@pytest.fixture
def wide(tmp_path):
    """A composite with published figures, many people and long names, none of which break."""
    classes = tuple(f"{name}{'y' * 40}" for name in ("negative", "positive", "surprise"))
    rows = tuple(
        Row("r", seed, f"d{p % 3}/{p}", f"{p}-{c}", f"d{p % 3}", f"{p}{'x' * 60}", classes[c % 3],
            classes[(c + (p + c) % 4) % 3], (0.4, 0.3, 0.3), 2)
        for seed in range(2) for p in range(70) for c in range(4)
    )  # fmt: skip
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    write(folder / "predictions.csv", Predictions(classes, rows))
    (folder / "config.toml").write_text('model = "ststnet"\nprotocol = "megc2019"\n')
    return folder


@pytest.fixture
def pages(made, hostile, wide, tmp_path):  # noqa: F811
    """Every kind of page."""
    found = {"run": (made.run / "report.html").read_text()}
    for name, words in (
        ("hostile", [hostile]),
        ("wide", [wide, "--beside", wide]),
        ("comparison", [made.run, made.other, wide, hostile]),
    ):
        done = mer_report("page", *words, "-o", tmp_path / "page.html")
        assert done.exit_code == 0, done.output
        found[name] = (tmp_path / "page.html").read_text()
    return found


@needs_chromium
@pytest.mark.slow
def test_nothing_overflows_is_fetched_or_complained_of_and_all_is_reached_by_key(pages, tmp_path):
    papers = set()
    for name, page in pages.items():
        for scheme in (LIGHT, DARK):
            frames, console = looked_at(page, tmp_path, scheme)
            assert not console, (name, console)
            assert [frame["width"] for frame in frames] == list(WIDTHS)
            for frame in frames:
                assert frame["scrollWidth"] <= frame["width"], (name, frame)
                assert frame["outside"] == 0, (name, frame)
                assert frame["cut"] == 0 or frame["width"] > 390, (name, frame)
                assert frame["fetched"] == [], name
                assert frame["reached"] == frame["toReach"] > 5, (name, frame)
            papers |= {(scheme, frame["paper"], frame["ink"]) for frame in frames}
    palette = {scheme: colors(pages["run"], scheme == DARK) for scheme in (LIGHT, DARK)}
    assert papers == {
        (scheme, rgb(found["paper"]), rgb(found["ink"])) for scheme, found in palette.items()
    }


@needs_chromium
@pytest.mark.slow
def test_the_browser_would_tell_of_what_is_too_wide_fetched_or_run(pages, tmp_path):
    """So the test above can fail; and what gets past the escaping is not run or fetched."""
    planted = '<div style="width:2000px">x</div><img src="http://127.0.0.1:9/x"><script>1</script>'
    page = pages["run"].replace("</main>", f"{planted}</main>")
    frames, console = looked_at(page, tmp_path, LIGHT)
    assert all(frame["scrollWidth"] > frame["width"] for frame in frames)
    assert all(frame["outside"] > 0 for frame in frames)
    for kind in ("img-src", "script-src"):
        assert any(kind in line and "Content Security Policy" in line for line in console), kind


def colors(page: str, dark: bool) -> dict[str, str]:
    """The palette of a page, name -> #rrggbb."""
    blocks = re.findall(r":root \{(.*?)\}", page, flags=re.S)
    assert len(blocks) == 2
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", blocks[dark]))


def channels(color: str) -> list[float]:
    return [int(color[k : k + 2], 16) for k in (1, 3, 5)]


def rgb(color: str) -> str:
    return f"rgb({', '.join(map(str, channels(color)))})"


def luminance(color: list[float]) -> float:
    """Relative luminance of WCAG 2."""
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4
              for c in color]  # fmt: skip
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: list[float], other: list[float]) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_the_contrast_of_aa_and_every_mark_that_of_graphics(made, dark):  # noqa: F811
    found = {
        name: channels(c)
        for name, c in colors((made.run / "report.html").read_text(), dark).items()
    }
    for text in ("ink", "faint", "run"):  # run: links too
        assert contrast(found[text], found["paper"]) >= 4.5, text
    for box in ("good", "bad", "warn"):
        assert contrast(found["ink"], found[box]) >= 4.5, box
        assert contrast(found["run"], found[box]) >= 4.5, box
    for share in range(101):
        mixed = [(share * a + (100 - share) * b) / 100
                 for a, b in zip(found["shade"], found["paper"], strict=True)]  # fmt: skip
        assert contrast(found["ink"], mixed) >= 4.5, share
    assert contrast(found["oracle"], found["paper"]) >= 3


def test_no_color_is_used_beside_the_palette(made):  # noqa: F811
    page = (made.run / "report.html").read_text()
    style = re.sub(r":root \{.*?\}", "", page[: page.index("</style>")], flags=re.S)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsl", style)
    light, dark = (colors(page, which) for which in (False, True))
    assert light.keys() == dark.keys() == {
        "ink", "paper", "faint", "line", "run", "oracle", "shade", "good", "bad", "warn"
    }  # fmt: skip
    assert set(re.findall(r"var\(--(\w+)\)", style)) - {"part"} == light.keys()
