"""A page with a picture of every feature, computed of one clip of the demo. `make gallery` runs it.

    docs/gallery/README.md   what each feature is, in the words of its own file
    docs/gallery/flow.png …  what it looks like

Both are made anew and are not in the repository: faces are not, not even this public-domain one.
"""

import inspect
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from features import base
from features.base import Array, file_digest
from features.console import MerError
from pipeline import graph, recipe
from pipeline.cache import Cache
from pipeline.clips import find
from pipeline.datasets import demo
from pipeline.pictures import picture

FOLDER = Path(__file__).parent / "gallery"
PLAN = (1, "happiness", 1)  # subject, emotion and take of the clip
CROPS = replace(base.load("tim"), convention="RGB 0 to 255; frame 0 is the onset, 1 the apex")
INTRODUCTION = """# Every feature, of one clip

Made by `make gallery`: one clip of the demo, whose face was derived from a public-domain portrait
(NASA, in scikit-image). Subject {subject} shows {emotion}; the skin moves by at most {peak:.1f} px
of a {width} px wide frame. The face was found, cropped to {size} px and steadied; settings are
the defaults. `mer-features list features` lists the same.

![onset and apex](onset_apex.png)

The onset and the apex, of which, or of the clip around them, all below is made.
"""


def settings(size: int) -> recipe.Recipe:
    """Every feature by default; MM-COF takes a second flow, from apex to offset.

    One whose weights a user brings has no picture here.
    """
    table: dict[str, Any] = {
        "features": [name for name in base.names() if base.load(name).read is None],
        "sensitive": True,
        "crop": {"size": size},
        "back": {"feature": "flow", "of": ["apex_offset"]},
        "mm_cof": {"of": ["flow", "back"]},
    }
    return recipe.parse("gallery", table, "gallery")


def computed(plan: demo.Plan, using: recipe.Recipe, folder: Path) -> Iterator[tuple[str, Array]]:
    """The crops of onset and apex, then every feature, as the stages of a run give them."""
    demo.make(folder / "demo", lambda draw, plans, _: [draw(each) for each in plans], [plan])
    (sample,) = demo.read(folder / "demo").samples
    source = find(folder / "demo", sample)
    digests = {path: file_digest(path) for path in source.files.values()}
    task = graph.task(sample, source, digests, using, None, Cache(folder))
    graph.one_thread()
    with graph.at_work(task, graph.Outcome(task.sample_id)) as work:
        for stage in ("onset_apex", *using.stored):
            yield stage, graph.result(stage, work).array


def drawn(name: str, array: Array, config: Any) -> bytes | None:
    """The picture of a feature; None if it has none, as a number has not."""
    try:
        return picture(array, base.load(name), config, name)
    except MerError:
        return None


def section(name: str, array: Array, shown: bool) -> str:
    """What the page says of a feature."""
    feature = base.load(name)
    about = inspect.getdoc(sys.modules[feature.function.__module__]) or ""
    values = "" if shown else f" Here: {', '.join(f'{value:g}' for value in array.ravel()[:8])}."
    units = "no unit" if feature.units == "1" else f"in {feature.units}"
    facts = [
        f"**{array.shape}** {feature.axes}, {units}.",
        f"{feature.convention[0].upper()}{feature.convention[1:]}.{values}",
        f"Made of {', '.join(dict.fromkeys(feature.needs))}.",
    ]
    if feature.sensitive:
        facts.append("A person can be recognised in it.")
    lines = [f"## {name}", about, "\n".join(f"- {fact}" for fact in facts)]
    if shown:
        lines.insert(1, f"![{name}]({name}.png)")
    return "\n\n".join(lines) + "\n"


def make(folder: Path, size: int = 224) -> list[str]:
    """Write the page and its pictures; returns the names of the features on it."""
    plan = demo.plan(*PLAN)
    using = settings(size)
    folder.mkdir(parents=True, exist_ok=True)
    page = [
        INTRODUCTION.format(
            subject=plan.subject, emotion=plan.emotion, peak=plan.peak_px,
            width=demo.synthetic.WIDTH, size=size,
        )
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        for name, array in computed(plan, using, Path(scratch)):
            if name == "onset_apex":
                (folder / f"{name}.png").write_bytes(picture(array, CROPS, None, "the crops"))
                continue
            data = drawn(name, array, using.stages[name].config)
            if data is not None:
                (folder / f"{name}.png").write_bytes(data)
            page.append(section(name, array, data is not None))
    (folder / "README.md").write_text("\n".join(page), encoding="utf-8")
    return list(using.stored)


if __name__ == "__main__":
    made = make(FOLDER)
    print(f"{FOLDER / 'README.md'}: {len(made)} features")
