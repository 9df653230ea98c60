"""Things found by file name: a feature, a dataset, a network is one file of a folder.

No list to edit, no import for its side effect: a broken file breaks nobody else.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

from features.console import choose

Kind = TypeVar("Kind")


def names(package: ModuleType, besides: frozenset[str] = frozenset({"base"})) -> list[str]:
    """The files of a package, sorted; those in `besides` are no plug-ins."""
    found = {module.name for module in pkgutil.iter_modules(package.__path__)}
    return sorted(found - besides)


def load(
    package: ModuleType,
    name: str,
    kind: type[Kind],
    besides: frozenset[str] = frozenset({"base"}),
) -> Kind:
    """Import one file, and only that one; give what its last line says it is.

    Raises
    ------
    MerError
        Exit code 2: there is no such file; the nearest name is hinted at.
    """
    word = kind.__name__  # Feature, Dataset, Model: the last line's name in capitals
    choose(word.lower(), name, names(package, besides))
    module = importlib.import_module(f"{package.__name__}.{name}")
    thing = getattr(module, word.upper(), None)
    if not isinstance(thing, kind):
        raise TypeError(f"{module.__file__} ends without a {word.upper()} = {word}(…)")
    return thing
