"""A recipe: which features a store holds and every setting that changes their numbers.

A table of a recipe names a stage. By default it is the feature of that name, computed of what
that feature needs; `feature` and `of` say otherwise, so one feature can stand there twice:

    [fall]
    feature = "flow"
    of = ["apex_offset"]
"""

import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from features import base
from features.apex import ApexConfig
from features.base import Feature, canonical_json, file_digest
from features.console import MerError, choose, mistyped, nearest
from pipeline.align import CropConfig
from pipeline.clips import ClipConfig
from pipeline.crop import Framing
from pipeline.faces import NO_LANDMARKER, LandmarksConfig
from pipeline.steady import SteadyConfig

FOLDER = Path(__file__).parent / "recipes"
SPOTTED_IN = CropConfig(size=224)  # an apex is the same whatever crops a recipe makes
TEXTS = ("about", "features", "sensitive")
SETTINGS = {
    "landmarks": LandmarksConfig,
    "crop": CropConfig,
    "steady": SteadyConfig,
    "clip": ClipConfig,
    "apex": ApexConfig,
}


@dataclass(frozen=True, slots=True)
class Stage:
    """One feature as a recipe uses it."""

    feature: str
    config: Any
    of: tuple[str, ...]  # its inputs: other stages, or sources
    weights: Path | None = None  # the file whose digest is in the config, if it wants one

    def table(self) -> dict[str, Any]:
        """It as a recipe's table."""
        return {"feature": self.feature, "of": self.of, **asdict(self.config)}


@dataclass(frozen=True)
class Recipe:
    """Settings of every stage; the features' in the order they are computed."""

    name: str
    about: str
    landmarks: LandmarksConfig
    framing: Framing
    clip: ClipConfig
    apex: ApexConfig  # how one is spotted where nobody annotated it, or everywhere
    stages: dict[str, Stage]  # what one needs comes before it
    stored: tuple[str, ...]  # those of them that the store holds
    sensitive: bool = False  # a person can be recognised in what it stores

    def json(self) -> str:
        """All of it that changes a number, as canonical JSON."""
        settings = (("landmarks", self.landmarks), ("clip", self.clip), ("apex", self.apex))
        told: dict[str, Any] = {name: asdict(config) for name, config in settings}
        told |= asdict(self.framing) | {name: s.table() for name, s in self.stages.items()}
        return canonical_json({**told, "stored": self.stored, "sensitive": self.sensitive})

    def sources(self) -> set[str]:
        """What its features need of a clip itself."""
        return {need for stage in self.stages.values() for need in stage.of} & set(base.SOURCES)


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
        known = (*TEXTS, *SETTINGS, *base.names())
        strange = mistyped((key for key in table if key not in known), ["features"])
        but = "".join(f", but {one}" for one in strange)
        raise MerError(
            f"{where}: names no features{but}", 'give a list: features = ["flow", "strain"]'
        )
    stages = _stages(stored, table, where)
    for key in table:
        _known(key, [*TEXTS, *SETTINGS, *stages], where, "entry")
    configs = {
        key: _config(kind, _table(table, key, where), f"{where} [{key}]")
        for key, kind in SETTINGS.items()
    }
    recipe = Recipe(
        name=name,
        about=str(table.get("about", "")),
        landmarks=configs["landmarks"],
        framing=Framing(configs["crop"], configs["steady"]),
        clip=configs["clip"],
        apex=configs["apex"],
        stages=stages,
        stored=tuple(stored),
        sensitive=table.get("sensitive", False) is True,
    )
    _check(recipe, where)
    return recipe


def from_store(text: str, path: Path) -> Recipe:
    """The recipe that a store was made by, from its own JSON."""
    table = json.loads(text)
    if "imported" in table:
        raise MerError(
            f"{path}: was imported, no recipe made it",
            "no clip can be cropped as it was: leave out --dataset and --root",
        )
    table["features"] = table.pop("stored")
    return parse(path.stem, table, f"{path} (its recipe)")


def with_model(recipe: Recipe, model_digest: str) -> Recipe:
    """The same recipe, landmarks by the user's model file."""
    if recipe.landmarks.landmarker == NO_LANDMARKER:
        return recipe
    landmarks = replace(recipe.landmarks, landmarker="task", model=model_digest)
    return replace(recipe, landmarks=landmarks)


def spotting(recipe: Recipe) -> Recipe | None:
    """The recipe by which a sample's apex is spotted; None if there is nothing to spot it by."""
    if recipe.apex.method == "midpoint" or recipe.landmarks.landmarker == NO_LANDMARKER:
        return None
    spot = Stage("apex", recipe.apex, base.load("apex").needs)
    return replace(
        recipe,
        name=f"{recipe.name}: apex",
        framing=Framing(SPOTTED_IN),
        clip=ClipConfig(),
        stages={"apex": spot},
        stored=("apex",),
    )


def _check(recipe: Recipe, where: str) -> None:
    """Refuse what no clip could give, before any work."""
    if recipe.landmarks.landmarker == NO_LANDMARKER:
        if "places" in recipe.sources():
            raise MerError(f"{where}: asks for places, which need landmarks", "name a landmarker")
        if recipe.framing.crop.region != "face":
            raise MerError(f"{where}: a region needs landmarks", "name a landmarker")
    faces = [name for name in recipe.stored if base.load(recipe.stages[name].feature).sensitive]
    if faces and not recipe.sensitive:
        raise MerError(
            f"{where}: people can be recognised in {', '.join(faces)}",
            "say so in the recipe: sensitive = true",
        )


def _stages(wanted: Iterable[str], table: dict[str, Any], where: str) -> dict[str, Stage]:
    """The stages asked for with all that they need, needs first."""
    done: dict[str, Stage] = {}

    def visit(name: Any, above: tuple[str, ...]) -> None:
        if name in done or (above and name in base.SOURCES):
            return
        if name in above:
            raise MerError(f"{where}: {name} needs itself", "mend its `of`")
        if name in base.SOURCES:
            raise MerError(f"{where}: {name} is no feature but frames", "name the stage otherwise")
        entry = dict(_table(table, name, where))
        kind = entry.pop("feature", name)
        own = [key for key in table if key not in (*TEXTS, *SETTINGS)]
        _known(kind, base.names(), where, "feature", like=[*base.names(), *own])
        feature: Feature = base.load(kind)
        of = entry.pop("of", list(feature.needs))
        if not isinstance(of, list) or len(of) != len(feature.needs):
            needs = ", ".join(feature.needs)
            raise MerError(f"{where} [{name}]: of is {of!r}", f"{kind} takes, in order, {needs}")
        for need in of:
            visit(need, (*above, name))
        weights = _weights(feature, entry, f"{where} [{name}]")
        config = _config(feature.config, entry, f"{where} [{name}]")
        done[name] = Stage(kind, config, tuple(of), weights)

    for name in wanted:
        visit(name, ())
    return done


def _weights(feature: Feature, entry: dict[str, Any], where: str) -> Path | None:
    """The file of weights that a table names; the table then holds its digest instead."""
    if feature.read is None:
        return None
    path = Path(str(entry.get("weights", ""))).expanduser()
    if re.fullmatch("[0-9a-f]{32}", str(path)):
        return None  # a store's recipe: the digest alone is known
    if not path.is_file():
        raise MerError(f"{where}: no file of weights {str(path)!r}", 'name it: weights = "file"')
    entry["weights"] = file_digest(path)
    return path.resolve()


def _config(kind: type, table: dict[str, Any], where: str) -> Any:
    usual, values = kind(), {}
    for key in table:
        _known(key, [field.name for field in fields(kind)], where, "setting")
        default = getattr(usual, key)
        if is_dataclass(default):  # settings of their own: [flow.tvl1]
            values[key] = _config(type(default), _table(table, key, where), f"{where[:-1]}.{key}]")
        else:
            values[key] = _value(table[key], default, f"{where}: {key}")
    try:
        return kind(**values)
    except ValueError as error:
        raise MerError(f"{where}: {error}", "mend the recipe") from error


def _table(table: dict[str, Any], name: Any, where: str) -> dict[str, Any]:
    entry = table.get(name, {}) if isinstance(name, str) else {}
    if not isinstance(entry, dict):
        raise MerError(f"{where}: {name} is not a table", f"write [{name}] on a line of its own")
    return entry


def _value(value: Any, default: Any, where: str) -> Any:
    """A TOML value as its field wants it: whole numbers may stand for others, lists for tuples."""
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(_value(one, default[0], where) for one in value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise MerError(f"{where} is {value!r}", f"expected a {type(default).__name__}")
    return value


def _known(
    name: Any, known: Iterable[str], where: str, what: str, like: Iterable[str] = ()
) -> None:
    if name not in known:
        raise MerError(
            f"{where}: no {what} {name!r}{nearest(str(name), like or known)}",
            f"there are {', '.join(known)}",
        )
