"""What the pages say of every feature, dataset, network, recipe and command, from the code itself.

Each function gives Markdown. A page asks for one by a comment of its name, <!-- features -->.
"""

import ast
import inspect
import io
import re
import sys
import tempfile
import tokenize
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from features import base, protocol
from features.console import MerError
from pipeline import errata, recipe
from pipeline.datasets import base as datasets_base
from train.config import FitConfig
from train.models import base as models_base

HERE = Path(__file__).parent
CLASSES = 5  # for which the parameters of a network are counted
MARK = re.compile(r"^<!-- ([a-z]+) -->$", flags=re.M)
LISTED = ("Parameters", "Attributes", "Raises")  # a term a line, described or not
SECTIONS = (*LISTED, "Returns", "Yields", "Notes")


def filled(text: str) -> str:
    """A page, its comments replaced by what they ask for.

    Raises
    ------
    KeyError
        If nothing of that name can be generated.
    """
    return MARK.sub(lambda mark: GENERATED[mark[1]](), text)


def plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is; ``code`` stays code."""
    parts = re.split(r"(``.+?``|`[^`\n]+`)", text, flags=re.S)
    parts[::2] = [
        re.sub(r"([\\*_\[\]|#])", r"\\\1", part.replace("<", "&lt;")) for part in parts[::2]
    ]
    return "".join(parts)


def prose(doc: str, level: int = 4) -> str:
    """A docstring as Markdown: paragraphs, terms with what is indented below them, sections.

    Parameters
    ----------
    level : of a section's heading
    """
    doc = re.sub(rf"^({'|'.join(SECTIONS)})\n-+$", r"\n\1\n", doc, flags=re.M)
    lines: list[str] = []
    named = ""
    for block in re.split(r"\n\s*\n", doc.strip()):
        if block in SECTIONS:
            lines += [f"{'#' * level} {block}", ""]
        elif named in LISTED or re.search(r"^ {4}", block, flags=re.M):
            lines += [*terms(block), ""]
        else:
            lines += [plain(block), ""]
        named = block
    return "\n".join(lines)


def terms(block: str) -> list[str]:
    """Lines, each a term of a list, and what is indented below one, its definition."""
    made: list[str] = []
    for line in block.splitlines():
        if line.startswith("    "):
            made.append(f"    {plain(line.strip())}")
        else:
            made.append(f"- **{plain(line.strip())}**  ")
    return made


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in lines) + "\n"


def comments(kind: type) -> dict[str, str]:
    """Field of a dataclass -> the comment beside it in the source."""
    source = inspect.cleandoc(inspect.getsource(kind))
    beside = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    return {
        node.target.id: " ".join(
            beside[n] for n in range(node.lineno, (node.end_lineno or 0) + 1) if n in beside
        )
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def settings(kind: type) -> str:
    """What can be chosen of a config: name, default, comment."""
    said = comments(kind)
    rows = [(f"`{f.name}`", f"`{f.default!r}`", plain(said[f.name])) for f in fields(kind)]
    return table(["setting", "default", ""], rows) if rows else "There is nothing to choose.\n"


def module_doc(thing: object) -> str:
    """The docstring of the file that something was defined in."""
    name = (
        thing.__name__ if isinstance(thing, ModuleType) else str(getattr(thing, "__module__", ""))
    )
    return inspect.getdoc(sys.modules[name]) or ""


def features() -> str:
    """Every feature: what it is, units, axes, convention, settings, function."""
    made = []
    for name in base.names():
        feature = base.load(name)
        units = "no unit" if feature.units == "1" else plain(feature.units)
        made += [
            f"## {name}\n",
            picture(name),
            prose(module_doc(feature.function)),
            table(
                ["units", "axes", "made of", "a person can be recognised"],
                [(units, feature.axes, ", ".join(feature.needs), yes(feature.sensitive))],
            ),
            f"**Convention.** {plain(feature.convention)}.\n",
            "### Settings {#" + name + "-settings}\n",
            prose(own_doc(feature.config)),
            settings(feature.config),
            "### Function {#" + name + "-function}\n",
            prose(own_doc(feature.function)),
        ]
    return "\n".join(made)


def own_doc(thing: Callable[..., Any]) -> str:
    """A docstring; blank where a dataclass has only its signature for one."""
    doc = inspect.getdoc(thing) or ""
    return "" if doc.startswith(f"{thing.__name__}(") else doc


def yes(true: bool) -> str:
    """A word for it."""
    return "yes" if true else "no"


def picture(name: str) -> str:
    """The picture that `make gallery` drew of a feature; blank if it did not."""
    drawn = HERE / "gallery" / f"{name}.png"
    return f"![{name}, of one clip of the demo](gallery/{name}.png)\n" if drawn.is_file() else ""


def sources() -> str:
    """What a feature can be made of, beside other features."""
    return table(["source", "array"], [(f"`{n}`", plain(s)) for n, s in base.SOURCES.items()])


def datasets() -> str:
    """Every dataset: what a copy must hold, its protocols and its known errors."""
    known = set(datasets_base.names()) - {"demo", "folder"}
    return "\n".join(dataset(name) for name in sorted(known))


def dataset(name: str) -> str:
    """One of them."""
    read = datasets_base.load(name).read
    module = sys.modules[read.__module__]
    parts = [f"## {name}\n", prose(module_doc(module)), f"**A copy:** {plain(expected(name))}.\n"]
    headings = getattr(module, "HEADINGS", None)
    if isinstance(headings, dict):
        rows = [
            (f"`{ours}`", " or ".join(f"“{t}”" for t in they)) for ours, they in headings.items()
        ]
        parts += ["Its sheet is known by these columns, whatever the file's name:\n"]
        parts += [table(["of the manifest", "in the sheet"], rows)]
    taken = [(p, p.parts[name]) for p in map(protocol.load, protocol.names()) if name in p.parts]
    if taken:
        rows = [
            (f"`{p.name}`", plain(p.about), plain(counts(part.expected)), part.subjects or "")
            for p, part in taken
        ]
        parts.append(table(["protocol", "", "samples of this dataset", "subjects"], rows))
    faults = errata.load(name)
    if faults:
        rows = [
            (f"`{key}`", plain(told(fault)), plain(fault.reason), plain(fault.source))
            for key, fault in faults.items()
        ]
        parts += ["Known errors, each mended only while the copy has it:\n"]
        parts += [table(["sample", "done", "why", "who says so"], rows)]
    return "\n".join(parts)


def expected(name: str) -> str:
    """What a dataset's reader asks for when it is shown an empty folder."""
    with tempfile.TemporaryDirectory() as empty:
        try:
            datasets_base.load(name).read(Path(empty))
        except MerError as error:
            return error.remedy.rstrip(".")
    raise AssertionError(f"{name} reads an empty folder")


def counts(expected: Any) -> str:
    """Samples a class, in words."""
    return ", ".join(
        f"{label} {' or '.join(map(str, n)) if isinstance(n, list) else n}"
        for label, n in expected.items()
    )


def told(fault: errata.Erratum) -> str:
    """What an erratum does."""
    if fault.skip:
        return "left out"
    sheet = ", ".join(f"{key} {fault.sheet.get(key, '')} → {use}" for key, use in fault.use.items())
    return f"{sheet} (only where its files are missing)" if fault.files else sheet


def protocols() -> str:
    """Every protocol, and where it is from."""
    rows = [
        (f"`{p.name}`", plain(p.about), plain(p.source), p.split)
        for p in map(protocol.load, protocol.names())
    ]
    return table(["protocol", "", "source", "left out at a time"], rows)


def recipes() -> str:
    """Every recipe, what it stores and which networks are made for it."""
    made_for: dict[str, list[str]] = {}
    for name in models_base.names():
        made_for.setdefault(models_base.load(name).recipe, []).append(f"`{name}`")
    rows = [
        (f"`{r.name}`", plain(r.about), ", ".join(r.stored), ", ".join(made_for.get(r.name, [])))
        for r in map(recipe.load, recipe.names())
    ]
    return table(["recipe", "", "stores", "networks"], rows)


def networks() -> str:
    """Every network: what its file says of it, what it takes, how it is trained."""
    return "\n".join(network(name) for name in models_base.names())


def network(name: str) -> str:
    """One of them."""
    model = models_base.load(name)
    module = sys.modules[f"train.models.{name}"]
    takes = [
        (
            one.feature,
            size(one.size),
            ", ".join(f"{value:g}" for value in one.scale),
            one.clamp or "",
        )
        for one in model.takes
    ]
    facts = [
        f"Recipe: `{model.recipe}`.",
        "Solved at once, not by epochs."
        if model.solved
        else f"Parameters: {model.parameters(CLASSES):,} for {CLASSES} classes.",
    ]
    if model.pretrained:
        facts.append("Can begin with weights of yours: `--backbone FILE`.")
    return "\n".join(
        [
            f"## {name}\n",
            prose(module_doc(module)),
            *(f"- {fact}" for fact in facts),
            "",
            table(["takes", "size", "what becomes 1", "clamped to ±"], takes),
            fit(model),
        ]
    )


def size(wanted: tuple[int, int] | None) -> str:
    """Of an input, in words."""
    return "as stored" if wanted is None else f"{wanted[0]} × {wanted[1]}"


def fit(model: models_base.Model) -> str:
    """How a network is trained, in one line."""
    if model.solved:
        return f"Class weights: `{model.fit.class_weights}`.\n"
    chosen = [f"`{f.name} = {getattr(model.fit, f.name)!r}`" for f in fields(FitConfig)
              if f.name in FIRST or getattr(model.fit, f.name) != f.default]  # fmt: skip
    return f"Training: {', '.join(chosen)}.\n"


FIRST = ("epochs", "batch_size", "learning_rate", "optimizer")


def results() -> str:
    """The table of `make networks`, if it was made."""
    page = HERE / "networks.md"
    if not page.is_file():
        return "In this copy the table is not made yet: `make networks` makes it.\n"
    return page.read_text(encoding="utf-8").partition("\n")[2]  # the page has a title of its own


def commands() -> str:
    """Every command with its help."""
    from pipeline.cli import cli as mer_features
    from train.cli import cli as mer_train
    from train.report import cli as mer_report

    made = []
    for name, group in (("mer-features", mer_features), ("mer-report", mer_report)):
        assert isinstance(group, click.Group)
        made += [help_of(f"{name} {key}", one) for key, one in sorted(group.commands.items())]
    return "\n".join([*made, help_of("mer-train", mer_train)])


def help_of(name: str, command: click.Command) -> str:
    """A heading and what --help prints."""
    context = click.Context(command, info_name=name, terminal_width=90, max_content_width=90)
    return f"### {name}\n\n```text\n{command.get_help(context)}\n```\n"


GENERATED: dict[str, Callable[[], str]] = {
    one.__name__: one
    for one in (
        commands, datasets, features, networks, protocols, recipes, results, sources,
    )
}  # fmt: skip
