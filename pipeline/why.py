"""Why a run has something to do: what has changed since the last one of the same store.

After a run that computed or published anything, what the store follows from is remembered in
the cache: recipe, revisions, rows, digests of source files, and the keys of its shards, by which
`sweep` knows what is still wanted.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from features import base
from features.base import digest
from features.disk import write_durably
from pipeline import graph
from pipeline.cache import Cache
from pipeline.plan import Plan

MOST = 12  # lines told of one kind of change


def remembered_at(store: Path, cache: Cache) -> Path:
    """Where the cache remembers the last run of a store."""
    return cache.root / "runs" / f"{digest(str(store.resolve()).encode())}.json"


def remember(
    store: Path, plan: Plan, cache: Cache, copies: Sequence[Mapping[str, str]] = ()
) -> None:
    """Write down what a store follows from, and where its clips lie."""
    where = {"store": str(store.resolve()), "key": plan.key(), "copies": list(copies)}
    told = {**where, **_account(plan), "shards": plan.shards()}
    write_durably(remembered_at(store, cache), json.dumps(told).encode())


def recall(store: Path, cache: Cache) -> dict[str, Any] | None:
    """What the last run of a store followed from; None if that is not known."""
    try:
        return json.loads(remembered_at(store, cache).read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def reasons(
    before: Mapping[str, Any] | None, plan: Plan, missing: Sequence[graph.Task]
) -> list[str]:
    """Tell the field or file that changed since the last run of a store, or that none did."""
    samples = f"{len(missing)} of {len(plan.tasks)} samples to compute"
    if before is None:
        return [f"{samples}: no earlier run of this store is known here"]
    now = _account(plan)
    found = [
        *_between("recipe", before["recipe"], now["recipe"]),
        *_between("revision", before["revisions"], now["revisions"]),
        *_samples(before["samples"], now["samples"]),
    ]
    return [f"{samples}: " + ("because" if found else "no field and no file has changed"), *found]


def _account(plan: Plan) -> dict[str, Any]:
    """What a plan follows from, as JSON."""
    recipe = plan.recipe
    revisions = {name: base.load(stage.feature).revision for name, stage in recipe.stages.items()}
    revisions |= {"landmarks": graph.LANDMARKS_REVISION, "crop": graph.CROP_REVISION}
    samples = {
        sample_id: {
            "row": asdict(task.sample),
            "files": {path.name: value for path, value in task.digests.items()},
        }
        for sample_id, task in plan.tasks.items()
    }
    account = {"recipe": json.loads(recipe.json()), "revisions": revisions, "samples": samples}
    return json.loads(json.dumps(account))  # as it will be read back: lists for tuples


def _samples(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    kinds: dict[str, list[str]] = {
        "new samples": [i for i in now if i not in before],
        "samples no longer there": [i for i in before if i not in now],
        "samples changed": [
            f"{sample_id}: {change}"
            for sample_id in now.keys() & before.keys()
            for kind in ("row", "files")
            for change in _between(kind, before[sample_id][kind], now[sample_id][kind])
        ],
    }
    for kind, lines in kinds.items():
        if lines:
            yield f"{kind}: {len(lines)}"
            yield from (f"  {line}" for line in sorted(lines)[:MOST])
            if len(lines) > MOST:
                yield f"  … and {len(lines) - MOST} more"


def _between(name: str, before: Any, now: Any) -> Iterator[str]:
    """Every field in which two values of JSON differ."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _between(f"{name} {key}", before.get(key), now.get(key))
    else:
        yield f"{name} was {_short(before)}, is {_short(now)}"


def _short(value: Any) -> str:
    return "absent" if value is None else json.dumps(value, ensure_ascii=False)
