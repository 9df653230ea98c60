"""The page of a store in a real browser: chosen among, by mouse, keys and address."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.look import Look
from pipeline.report import report
from tests.browser import DESKTOP, PHONE, Browser, chromium
from tests.reported import moving, reported, row, strained

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title=1\">"
SHOWN = """[...document.querySelectorAll("article")].filter((a) => !a.hidden)
    .map((a) => a.querySelector("h3").textContent)"""
CHOOSE = """(choices) => {
  const form = document.getElementById("choose");
  for (const [name, value] of Object.entries(choices)) {
    const field = form.elements[name];
    if (field.type === "checkbox") field.checked = value; else field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}"""
# Of every element with words of its own: colour, and the colour of what it stands on.
COLOURS = """[...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() &&
    [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
  let under = e;
  const clear = (u) => getComputedStyle(u).backgroundColor === "rgba(0, 0, 0, 0)";
  while (clear(under) && under.parentElement) under = under.parentElement;
  const style = getComputedStyle(e);
  const ink = e instanceof SVGElement ? style.fill : style.color;
  return [ink, getComputedStyle(under).backgroundColor, e.outerHTML.slice(0, 80)];
})"""


@pytest.fixture(scope="module")
def browser():
    if chromium() is None:
        pytest.skip("no Chromium here")
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """Twelve samples of two datasets; f3 moves most, f7 could not be looked at."""
    rows = [
        row(
            f"f{k}", subject=f"p{k % 3}", dataset="other" if k > 8 else "made",
            emotion=("joy", "fear", "")[k % 3], action_units="12" if k == 4 else "",
        )
        for k in range(11)
    ]  # fmt: skip
    rows.append(row("hostile", subject=HOSTILE, clip=HOSTILE, emotion=HOSTILE, action_units="4"))
    motion = {one["sample_id"]: 1 + 0.1 * k for k, one in enumerate(rows)} | {"f3": 9.0}
    store = reported(
        tmp_path_factory.mktemp("page") / "made.h5", rows,
        {"flow": lambda told: moving(motion[told["sample_id"]]),
         "strain": lambda told: strained(moving(motion[told["sample_id"]]))},
        recipe={"stored": ["flow"], "sensitive": False},
    )  # fmt: skip
    looks = {
        one["sample_id"]: Look(
            one["sample_id"], *([0.0, 0.5 + k // 2 / 100] * 10 for _ in range(3))
        )
        for k, one in enumerate(rows)
    }
    looks["f7"] = Look("f7", failure="no face found")
    output = store.with_suffix(".html")
    report(store, output, looks)
    return output


def choose(browser: Browser, **choices: object) -> list[str]:
    browser.run(f"({CHOOSE})({json.dumps(choices)})")
    return browser.run(SHOWN)


def count(browser: Browser) -> str:
    return browser.run("document.getElementById('count').value")


def test_it_opens_without_a_word_on_the_console_and_asks_no_network(browser, page):
    browser.open(page)
    shown = browser.run(SHOWN)
    assert shown[:2] == ["f7", "f3"]
    assert len(shown) == 12
    assert count(browser) == "12 of 12 samples shown"
    assert browser.said == []
    assert [one for one in browser.asked if not one.startswith("data:")] == [page.as_uri()]
    assert browser.run("document.title").endswith("made.h5")
    loaded = browser.run(
        "Promise.all([...document.images].map((i) => {"
        " i.loading = 'eager'; return i.decode().then(() => i.naturalWidth) }))"
    )
    assert len(loaded) == 2 + 2 * 12
    assert min(loaded) > 90


def test_filters_narrow_together_and_the_count_follows(browser, page):
    browser.open(page)
    assert set(choose(browser, emotion="=joy")) == {"f0", "f3", "f6", "f9"}
    assert set(choose(browser, dataset="=made")) == {"f0", "f3", "f6"}
    assert count(browser) == "3 of 12 samples shown"
    assert choose(browser, subject="=made/p1") == []
    assert set(choose(browser, subject="", dataset="", emotion="=")) == {"f2", "f5", "f8"}


def test_a_subject_is_a_person_of_one_dataset(browser, page):
    browser.open(page)
    assert set(choose(browser, subject="=made/p0")) == {"f0", "f3", "f6"}
    assert choose(browser, subject="=other/p0") == ["f9"]


def test_words_are_found_in_names_and_action_units_whatever_their_case(browser, page):
    browser.open(page)
    assert choose(browser, find=" F4") == ["f4"]
    assert choose(browser, find="12 ") == choose(browser, find="12")
    assert set(browser.run(SHOWN)) == {"f4"}
    assert choose(browser, find="nothing like it") == []
    browser.run("document.querySelector('button[type=reset]').click()")
    browser.run("new Promise((done) => setTimeout(done))")  # a form is reset after its event
    assert count(browser) == "12 of 12 samples shown"


@pytest.mark.parametrize("measure", range(7))
def test_a_measure_sorts_the_largest_first_and_what_has_none_before(browser, page, measure):
    browser.open(page)
    told = browser.run("JSON.parse(document.getElementById('told').textContent)")
    assert len(told["measures"]) == 7
    values = {one["sample"]: one["values"][measure] for one in told["samples"]}

    def largest(name):
        return np.inf if values[name] is None else values[name]

    expected = sorted(sorted(values), key=largest, reverse=True)
    # equal ones by name, in either direction
    expected.sort(key=lambda name: (-largest(name), name))
    assert choose(browser, sort=str(measure)) == expected
    assert (expected[0] == "f7") == (measure >= 4)
    reverse = sorted(values, key=lambda name: (largest(name), name))
    assert choose(browser, reversed=True) == reverse


def test_samples_sort_by_name(browser, page):
    browser.open(page)
    names = choose(browser, sort="sample")
    assert names == sorted(names)
    assert choose(browser, reversed=True) == sorted(names, reverse=True)


def test_the_address_keeps_what_was_chosen(browser, page):
    browser.open(page)
    chosen = choose(browser, emotion="=fear", sort="1", reversed=True, find="f")
    address = browser.run("location.hash")
    browser.open(page)
    assert len(browser.run(SHOWN)) == 12
    browser.open(page, address)
    assert browser.run(SHOWN) == chosen
    assert browser.run("location.hash") == address
    assert browser.said == []


@pytest.mark.parametrize(
    "fragment", ["#?emotion=none&sort=__proto__", "#?", "#s3", "#?%zz=%zz&=&&"]
)
def test_a_strange_address_shows_everything(browser, page, fragment):
    browser.open(page, fragment)
    assert len(browser.run(SHOWN)) == 12
    assert browser.run("document.querySelector('select[name=sort]').value") == "score"
    assert browser.run("document.querySelector('select[name=emotion]').value") == ""
    assert browser.said == []


def test_a_link_to_a_sample_leaves_what_was_chosen(browser, page):
    browser.open(page)
    chosen = choose(browser, emotion="=joy")
    browser.run("document.querySelector('article:not([hidden]) h3 a').click()")
    browser.run("new Promise((done) => setTimeout(done, 50))")
    assert browser.run("location.hash").startswith("#s")
    assert browser.run(SHOWN) == chosen


def test_a_samples_provenance_leads_to_the_stores(browser, page):
    browser.open(page)
    assert not browser.run("document.getElementById('made').closest('details').open")
    browser.run("document.querySelector('article:last-child [href=\"#made\"]').click()")
    browser.run("new Promise((done) => setTimeout(done, 50))")
    assert browser.run("document.getElementById('made').closest('details').open")


def test_an_address_given_to_an_open_page_is_followed(browser, page):
    browser.open(page)
    browser.run("location.hash = '#?emotion=%3Djoy'")
    browser.run("new Promise((done) => setTimeout(done, 50))")
    assert set(browser.run(SHOWN)) == {"f0", "f3", "f6", "f9"}


def test_the_keyboard_alone_is_enough(browser, page):
    browser.show_at(DESKTOP)
    browser.open(page)

    def at():
        return browser.run("(({ name, className, id }) => name || className || id)"
                           "(document.activeElement)")  # fmt: skip

    browser.press("Tab")
    assert at() == "skip"
    box = browser.run("document.activeElement.getBoundingClientRect().x")
    assert box >= 0  # seen when it has the focus
    browser.press("Enter")
    assert at() == "samples"
    browser.press("Tab")
    assert browser.run("document.activeElement.textContent") == "f7"
    outline = browser.run("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    browser.press("Tab", "Enter")
    assert browser.run("document.activeElement.parentElement.open")
    browser.run("document.querySelector('select[name=sort]').focus()")
    passed = [at()]
    for _ in range(6):
        browser.press("Tab")
        passed.append(at())
    assert passed[:-1] == ["sort", "reversed", "dataset", "subject", "emotion", "find"]
    assert browser.run("document.activeElement.type") == "reset"
    browser.run("document.querySelector('select[name=emotion]').focus()")
    browser.press("j")
    assert set(browser.run(SHOWN)) == {"f0", "f3", "f6", "f9"}
    browser.run("document.querySelector('input[name=find]').focus()")
    browser.press("f", "9")
    assert browser.run(SHOWN) == ["f9"]


@pytest.mark.parametrize("size", [PHONE, DESKTOP, (1024, 600)])
def test_what_has_the_focus_is_never_covered(browser, page, size):
    browser.show_at(size)
    browser.open(page)
    browser.run("document.querySelector('article:last-child summary').focus()")
    for _ in range(20):
        browser.press("Shift+Tab")
        covered = browser.run(
            "(({ left, top, width, height }) =>"
            " !document.elementFromPoint(left + width / 2, top + height / 2)"
            "?.closest('article'))(document.activeElement.getBoundingClientRect())"
        )
        assert not covered


def test_every_control_and_picture_has_a_name(browser, page):
    browser.open(page)
    nodes = browser.do("Accessibility.getFullAXTree")["nodes"]
    named: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            role = node.get("role", {}).get("value", "")
            named.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    assert len(named["combobox"]) == 4
    for role in ("combobox", "searchbox", "checkbox", "button", "link", "image", "article"):
        assert named[role], role
        assert all(named[role]), role
    assert browser.run("[...document.images].every((one) => one.alt.trim())")
    assert "Samples, the most unlike the others first" in named["region"]


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_phone_and_desktop_and_its_words_stand_out(browser, page, size, scheme):
    from tests.test_report import contrast

    browser.show_at(size, scheme)
    browser.open(page)
    assert browser.run("getComputedStyle(document.documentElement).colorScheme") == "light dark"
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    assert browser.run("document.documentElement.scrollWidth") == size[0]
    found = browser.run(COLOURS)
    assert len(found) > 200

    def hexadecimal(colour: str) -> str:
        numbers = colour.removeprefix("rgb(").removesuffix(")").split(",")
        return "#" + "".join(f"{int(number):02x}" for number in numbers)

    for ink, ground, where in found:
        assert contrast(hexadecimal(ink), hexadecimal(ground)) >= 4.5, where
    light = {hexadecimal(ground) for _, ground, _ in found if ground != "rgba(0, 0, 0, 0)"}
    assert ("#ffffff" in light) == (scheme == "light")


def test_controls_are_large_enough_for_a_finger(browser, page):
    browser.show_at(PHONE)
    browser.open(page)
    sizes = browser.run(
        "[...document.querySelectorAll('select, input, button, summary')]"
        ".map((one) => one.closest('label.check') ?? one)"
        ".map((one) => one.getBoundingClientRect().height).filter((tall) => tall)"
    )
    assert min(sizes) >= 24


def test_hostile_words_do_nothing_and_can_be_filtered_by(browser, page):
    browser.open(page)
    assert choose(browser, subject=f"=made/{HOSTILE}") == ["hostile"]
    assert browser.run("document.title").endswith("made.h5")
    assert browser.run("document.querySelectorAll('img[src=x]').length") == 0


def test_a_script_that_got_in_nevertheless_does_not_run(browser, page, tmp_path):
    text = page.read_text()
    evil = "<script>document.title = 'owned'</script><img src=https://a.invalid/x.png onerror=1>"
    (tmp_path / "bad.html").write_text(text.replace("<main>", f"<main>{evil}"))
    browser.open(tmp_path / "bad.html")
    assert browser.run("document.title").endswith("made.h5")
    assert len(browser.run(SHOWN)) == 12  # its own does
    refused = " ".join(browser.said)
    assert "Executing inline script violates" in refused
    assert "Loading the image 'https://a.invalid/x.png' violates" in refused


def test_without_scripts_all_samples_are_there_in_order(browser, page):
    browser.do("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page)
    browser.do("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.run(SHOWN)[:2] == ["f7", "f3"]
    assert not browser.run("document.getElementById('choose').checkVisibility()")


@pytest.mark.slow
def test_five_hundred_samples_open_in_a_second(browser, tmp_path):
    random = np.random.default_rng(0)
    rows = [row(f"clip{k:03}", subject=f"p{k % 30}") for k in range(500)]
    base = {one["sample_id"]: random.normal(0, 0.3, (2, 14, 14)) for one in rows}

    def flow(told):
        return np.kron(base[told["sample_id"]], np.ones((8, 8)))

    store = reported(
        tmp_path / "s.h5", rows, {"flow": flow, "strain": lambda told: strained(flow(told))},
        recipe={"stored": ["flow"], "sensitive": False},
    )  # fmt: skip
    looks = {i: Look(i, *random.random((3, 60)).tolist()) for i in base}
    begun = time.perf_counter()
    size = report(store, tmp_path / "s.html", looks).size
    made = time.perf_counter() - begun
    spent = []
    for _ in range(3):
        begun = time.perf_counter()
        browser.open(tmp_path / "s.html")
        assert count(browser) == "500 of 500 samples shown"
        browser.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        spent.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    choose(browser, sort="1")
    sorted_in = time.perf_counter() - begun
    print(
        f"\n500 samples: {size / 2**20:.1f} MiB, made in {made:.1f} s, open and painted after"
        f" {', '.join(f'{one:.2f}' for one in spent)} s, sorted in {sorted_in:.2f} s"
    )
    assert min(spent) < 1
