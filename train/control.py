"""The control of a run: trained and scored with shuffled labels, it must land at chance.

Above chance something of the test side reached the training. Below it nothing did: leaving a
subject out leaves fewer of its classes to learn from, which pulls a shuffled run down.
"""

import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from train.bootstrap import count, intervals
from train.config import FitConfig
from train.finished import PREDICTIONS, Finished, finished
from train.found import Found
from train.scoring import scoring
from train.seeds import by_seed

SUFFIX = "-shuffled"
FLAGS = (
    "features",
    "model",
    "protocol",
    "split",
    "seeds",
    *(one.name for one in fields(FitConfig)),
)


def beside(run: Finished) -> Finished | None:
    """The control that lies beside a run's folder, if there is one."""
    if run.folder is None:
        return None
    folder = shuffled(run)
    return finished(folder) if (folder / PREDICTIONS).is_file() else None


def shuffled(run: Finished) -> Path:
    """Where the control of a run lies, or is to lie."""
    folder = run.path.parent
    if run.folder is None:
        return folder / (run.name + SUFFIX)
    name = folder.name or run.name  # of . there is none
    return folder.with_name(name + SUFFIX) if folder.name else folder / ".." / (name + SUFFIX)


def check_control(run: Finished, control: Finished | None) -> Iterator[Found]:
    """Whether the control, or the run itself if it is one, is at chance."""
    if run.told.get("shuffle_labels") is True:
        yield from at_chance(run)
    elif control is not None and control.told.get("shuffle_labels") is True:
        yield from at_chance(control)
    elif control is not None:
        sentence = f"{control.name} does not say that its labels were shuffled: it is no control"
        yield Found("control", sentence, {"control": control.name}, remark=True)
    else:
        sentence = f"no control with shuffled labels lies beside it; make it by: {command(run)}"
        yield Found("control", sentence, {"command": command(run)}, remark=True)


def at_chance(control: Finished) -> Iterator[Found]:
    """Compare the interval of UAR, or of action units' balanced accuracy, with chance."""
    classes = control.predictions.classes
    kind = scoring(classes)
    confusion = count(by_seed(control.predictions), classes).confusion
    shown = kind.decided(confusion.sum((0, 1))).tolist()
    between = intervals(confusion, shown, kind.of_counts)[kind.at_chance]
    chance = kind.chance(len(classes))
    if between is None or between[0] <= chance <= between[1]:
        return
    low, high = between
    above = low > chance
    yield Found(
        "control",
        f"{control.name}: with shuffled labels {kind.at_chance} is {low:.3f} to {high:.3f}, "
        + (f"above chance {chance:.3f}: something leaks" if above else f"below {chance:.3f}"),
        {"control": control.name, kind.at_chance: [low, high], "chance": chance},
        remark=not above,
    )


def command(run: Finished) -> str:
    """The line that makes the control of a run, as far as the run says how it was made."""
    words = ["mer-train"]
    for name in FLAGS:
        value = run.told.get(name)
        if name == "seeds" and isinstance(value, list):
            value = len(value)
        if value == []:
            value = "none"  # of the changes; a model may have its own
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                words += [f"--{name.replace('_', '-')}", str(one)]
    return shlex.join([*words, "--shuffle-labels", "-o", str(shuffled(run))])
