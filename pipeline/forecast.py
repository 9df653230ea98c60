"""What a run would cost: a few clips are really computed, the others predicted from them.

What is predicted is kept in the cache beside what is known of the store's last run, until the
next prediction for that store. The run that does just the work that was left then says it before
it begins, and at its end what became of it; any other run has no prediction and says none.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from features.base import canonical_json, digest
from features.disk import write_durably
from pipeline import graph
from pipeline.cache import Cache
from pipeline.plan import Plan

MEASURED = 4  # clips, spread evenly over short and long ones, after one that warms up


@dataclass(slots=True)
class Cost:
    """What a run takes, predicted or measured.

    Parameters
    ----------
    seconds : wall time from the start of the workers until the store is published
    cache_bytes, store_bytes : what it adds to the cache; size of the store
    """

    seconds: float = 0.0
    cache_bytes: int = 0
    store_bytes: int = 0


@dataclass(slots=True)
class Forecast:
    """What a run would do with one recipe.

    Parameters
    ----------
    measured : clips computed to predict the rest; their results are kept
    seconds : wall time from the start of the workers until the store would be published
    cache_bytes, store_bytes : what the run would add to the cache; size of the store
    cache_free, store_free : bytes free where each lies
    left : the cost of the run that follows, which finds the measured clips done
    """

    store: Path
    recipe: str
    samples: int
    to_compute: int
    workers: int
    measured: int = 0
    seconds: float = 0.0
    cache_bytes: int = 0
    store_bytes: int = 0
    cache_free: int = 0
    store_free: int = 0
    left: Cost = field(default_factory=Cost)


def forecast(plan: Plan, store: Path, cache: Cache, workers: int) -> Forecast:
    """Compute a few of the clips that a plan lacks, in this process, and predict from them."""
    missing = plan.missing(cache)
    told = Forecast(store, plan.recipe.name, len(plan.tasks), len(missing), workers)
    start_s = 0.0
    for tasks in (plan.spots, missing):
        start_s = max(start_s, _predict(tasks, told, workers))
    told.seconds += start_s
    told.left.seconds += start_s if told.left.seconds else 0.0
    told.store_bytes = told.left.store_bytes = _store_bytes(plan, cache)
    told.cache_free = shutil.disk_usage(_there(cache.root)).free
    told.store_free = shutil.disk_usage(_there(store)).free
    return told


def _predict(tasks: Sequence[graph.Task], told: Forecast, workers: int) -> float:
    """Add what some tasks would cost; returns the seconds that a worker needs to be warm."""
    if not tasks:
        return 0.0
    ranked = sorted(tasks, key=lambda task: task.sample.offset - task.sample.onset)
    first = ranked[len(ranked) // 2]
    count = min(MEASURED, len(ranked) - 1)
    chosen = [ranked[int((i + 0.5) * len(ranked) / count)] for i in range(count)]
    warming = graph.compute(first)
    outcomes = [graph.compute(task) for task in chosen if task is not first] or [warming]
    spent = [sum(outcome.seconds.values()) for outcome in outcomes]
    written = [outcome.written for outcome in outcomes]
    each = sum(spent) / len(spent)
    done = len({first.sample_id, *(task.sample_id for task in chosen)})
    told.measured += done
    bytes_each = sum(written) / len(written)
    told.seconds += each * len(tasks) / workers
    told.cache_bytes += round(bytes_each * len(tasks))
    told.left.seconds += each * (len(tasks) - done) / workers
    told.left.cache_bytes += round(bytes_each * (len(tasks) - done))
    return max(0.0, sum(warming.seconds.values()) - each)


def keep(left: Cost, store: Path, plan: Plan, cache: Cache, workers: int) -> None:
    """Keep a prediction for the run that does what is left now.

    Parameters
    ----------
    plan : made again after the measuring, as that run will make it
    """
    told = {"work": _work(plan, cache, workers), "left": asdict(left)}
    write_durably(_kept_at(store, cache), json.dumps(told).encode())


def kept(store: Path, plan: Plan, cache: Cache, workers: Callable[[], int]) -> Cost | None:
    """The prediction for just the work that is left of a plan; None if nobody made one.

    Parameters
    ----------
    workers : tells how many there will be; asked only where there is a prediction
    """
    try:
        told = json.loads(_kept_at(store, cache).read_bytes())
        return Cost(**told["left"]) if told["work"] == _work(plan, cache, workers()) else None
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None


def _kept_at(store: Path, cache: Cache) -> Path:
    return cache.root / "forecasts" / f"{digest(str(store.resolve()).encode())}.json"


def _work(plan: Plan, cache: Cache, workers: int) -> str:
    """Digest of what is to be computed, for which store, by how many."""
    lacking = ([task.sample_id for task in tasks] for tasks in (plan.spots, plan.missing(cache)))
    return digest(canonical_json([plan.key(), *lacking, workers]).encode())


def _store_bytes(plan: Plan, cache: Cache) -> int:
    """Size of the store, by the first sample of which everything is in the cache."""
    for keys in plan.keys.values():
        kept = [cache.get(keys[name]) for name in plan.recipe.stored]
        arrays = [one.array for one in kept if one is not None]
        if len(arrays) == len(kept):
            return len(plan.tasks) * sum(2 * array.size for array in arrays)  # float16
    return 0


def _there(path: Path) -> Path:
    """The nearest folder above a path that exists already."""
    return path if path.is_dir() else _there(path.parent)
