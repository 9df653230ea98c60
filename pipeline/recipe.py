"""A recipe: which features a store holds and every setting that changes their numbers."""

import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from features import base
from features.base import Feature, canonical_json
from features.console import MerError, choose, nearest
from pipeline.faces import CropConfig

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """Settings of the crop and of each feature, the features in the order they are computed."""

    name: str
    about: str
    crop: CropConfig
    features: dict[str, Any]  # name -> its config; what one needs comes before it
    stored: tuple[str, ...]  # those of them that the store holds

    def json(self) -> str:
        """All of it that changes a number, as canonical JSON."""
        configs = {name: asdict(config) for name, config in self.features.items()}
        return canonical_json({"crop": asdict(self.crop), **configs, "stored": self.stored})


def names() -> list[str]:
    """The recipes that come with merkit."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name_or_file: str) -> Recipe:
    """Read a recipe that comes with merkit, or a TOML file of your own.

    Raises
    ------
    MerError
        If there is no such recipe, or it names a setting that does not exist.
    """
    path = Path(name_or_file)
    if path.suffix == ".toml":
        name = path.stem
    else:
        name, path = name_or_file, FOLDER / f"{name_or_file}.toml"
        choose("recipe", name, names(), "give a file ending in .toml")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MerError(f"{path}: no such recipe", "check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MerError(f"{path}: not TOML ({error})", "mend the line it names") from error
    return parse(name, table, str(path))


def parse(name: str, table: dict[str, Any], where: str) -> Recipe:
    """Turn a table into a recipe; what it leaves out keeps its default."""
    stored = table.get("features")
    if not isinstance(stored, list) or not stored:
        raise MerError(f"{where}: names no features", 'give a list: features = ["flow", "strain"]')
    for feature in stored:
        _known(feature, base.names(), where, "feature")
    order = _order(stored)
    for key in table:
        _known(key, ["about", "features", "crop", *order], where, "entry")
    return Recipe(
        name=name,
        about=str(table.get("about", "")),
        crop=_config(CropConfig, table.get("crop", {}), f"{where} [crop]"),
        features={
            f: _config(base.load(f).config, table.get(f, {}), f"{where} [{f}]") for f in order
        },
        stored=tuple(stored),
    )


def with_model(recipe: Recipe, model_digest: str) -> Recipe:
    """The same recipe, landmarks by the user's model file."""
    crop = replace(recipe.crop, landmarker="task", model=model_digest)
    return replace(recipe, crop=crop)


def _order(wanted: Iterable[str]) -> list[str]:
    """Features with all that they need, needs first."""
    done: list[str] = []

    def visit(name: str) -> None:
        feature: Feature = base.load(name)
        for need in feature.needs:
            if need not in base.SOURCES and need not in done:
                visit(need)
        if name not in done:
            done.append(name)

    for name in wanted:
        visit(name)
    return done


def _config(kind: type, table: Any, where: str) -> Any:
    if not isinstance(table, dict):
        raise MerError(f"{where}: not a table", f"write {where.split()[-1]} on a line of its own")
    known = {field.name: field for field in fields(kind)}
    for key, value in table.items():
        _known(key, known, where, "setting")
        default = known[key].default
        if isinstance(default, float) and type(value) is int:
            continue
        if type(value) is not type(default):
            raise MerError(f"{where}: {key} is {value!r}", f"expected a {type(default).__name__}")
    values = {k: float(v) if isinstance(known[k].default, float) else v for k, v in table.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise MerError(f"{where}: {error}", "mend the recipe") from error


def _known(name: Any, known: Iterable[str], where: str, what: str) -> None:
    if name not in known:
        raise MerError(
            f"{where}: no {what} {name!r}{nearest(str(name), known)}",
            f"there are {', '.join(known)}",
        )
