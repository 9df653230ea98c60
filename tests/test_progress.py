"""What a person is shown of a long loop: how far, how fast, how long still."""

import io
import re
import signal
import sys
import threading
import time

import pytest

from features import progress
from features.progress import Pace, Steps, follow_steps, in_words, per_time


def test_the_rate_is_of_what_was_done_since_the_first_step():
    pace = Pace()
    seen = [
        pace.line(Steps(done, 1230, before), "epochs", "fits 1/3", now)
        for done, before, now in [
            (0, 0, 0), (500, 500, 100), (510, 500, 103), (530, 500, 105), (1230, 1130, 107)
        ]
    ]  # fmt: skip
    assert seen == [
        "epochs 0/1,230 · fits 1/3",
        "epochs 500/1,230 · fits 1/3",
        "epochs 510/1,230 · fits 1/3",
        "epochs 530/1,230 · fits 1/3 · 10/s · 70 s left",
        "epochs 1,230/1,230 · fits 1/3 · 22/s",
    ]


@pytest.mark.parametrize(
    ("rate", "words"),
    [(95.4, "95/s"), (3.21, "3.2/s"), (0.5, "30/min"), (1 / 50, "1.2/min"), (1 / 7200, "0.5/h")],
)
def test_a_rate_is_told_in_the_unit_that_fits_it(rate, words):
    assert per_time(rate) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (99.4, "99 s"), (240, "4 min"), (7 * 3600, "7 h")]
)
def test_a_time_is_told_in_the_unit_that_fits_it(seconds, words):
    assert in_words(seconds) == words


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(progress, "LOOK", 0.001)


def followed(items=100, rest=0.002):
    """Follow items of ten steps each, of which the first half was done before."""
    done = 0

    def made():
        nonlocal done
        for item in range(items):
            done += 10
            if item > items / 2:
                time.sleep(rest)
            yield item

    half = 10 * items // 2
    steps = lambda: Steps(done, 10 * items, min(done, half))  # noqa: E731
    return follow_steps(made(), items, "fits", steps, "epochs")


def test_in_a_file_there_are_at_most_ten_lines_and_the_last_is_whole(quick, capsys):
    assert list(followed()) == list(range(100))
    lines = capsys.readouterr().err.splitlines()
    assert 4 <= len(lines) <= 10
    assert re.fullmatch(r"epochs 1,000/1,000 · fits 100/100 · \d+/s, 0 s", lines[-1])
    assert re.search(r"epochs 7\d\d/1,000 · fits \d\d/100 · \d+/s · 0 s left", "\n".join(lines))


def test_slow_steps_have_a_line_all_the_same_once_in_a_while(quick, monkeypatch, capsys):
    monkeypatch.setattr(progress, "LATEST", 0.05)
    slow = follow_steps(map(time.sleep, [0.2]), 1, "fits", lambda: Steps(1, 1000), "epochs")
    list(slow)
    assert capsys.readouterr().err.count("epochs 1/1,000 · fits 0/1\n") >= 2


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_a_bar_moves_between_two_items(quick, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    counted = iter(range(10**6))
    steps = lambda: Steps(next(counted), 24_480)  # noqa: E731
    list(follow_steps(map(time.sleep, [0.1]), 408, "fits", steps, "epochs"))
    shown = sys.stderr.getvalue()
    assert "━" in shown
    found = {int(n) for n in re.findall(r"epochs (\d+)/24,480 · fits 0/408 · \d+/s · ", shown)}
    assert len(found) > 2


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_whatever_ends_the_loop_ends_the_looking_too(quick, kind):
    def failing():
        yield 1
        raise kind

    before = threading.active_count()
    with pytest.raises(kind):
        list(follow_steps(failing(), 2, "fits", lambda: Steps(0, 1), "epochs"))
    assert threading.active_count() == before


def test_a_signal_is_never_handed_to_the_thread_that_looks(quick):
    """Python would run its handler in the main thread, also where that holds signals back."""
    masks = []

    def steps():
        masks.append((threading.current_thread(), signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        return Steps(0, 1)

    list(follow_steps(map(time.sleep, [0.02]), 1, "fits", steps, "epochs"))
    of_others = [mask for thread, mask in masks if thread is not threading.main_thread()]
    assert of_others
    assert all({signal.SIGINT, signal.SIGTERM} <= mask for mask in of_others)
    assert not {signal.SIGINT, signal.SIGTERM} & signal.pthread_sigmask(signal.SIG_BLOCK, ())
