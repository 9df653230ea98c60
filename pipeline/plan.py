"""The plan of a store: what its recipe asks of every sample, before anything is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from features.base import canonical_json, digest
from features.layout import SCHEMA
from pipeline import graph
from pipeline.cache import Cache
from pipeline.clips import Source
from pipeline.manifest import Sample, midpoint
from pipeline.recipe import Recipe, spotting
from pipeline.scan import Scan


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recipe asks of a dataset's samples: a task each, and the key of every result."""

    dataset: str
    recipe: Recipe
    scanned: Scan
    tasks: Mapping[str, graph.Task]
    keys: Mapping[str, Mapping[str, str]]  # sample_id -> stage -> key
    apexes: Mapping[str, str]  # sample_id -> key of its apex, where that is to be spotted
    spots: Sequence[graph.Task]  # what would spot the apexes that no shard holds yet

    def key(self) -> str:
        """Everything that the store's content follows from; labels too, unlike a shard's key."""
        found = self.scanned.found
        rows = [[asdict(found[i][0]), self.keys[i]] for i in sorted(self.keys)]
        failures = sorted([f.sample_id, f.code, f.message] for f in self.scanned.failures)
        told = [SCHEMA, self.dataset, self.recipe.json(), rows, failures]
        return digest(canonical_json(told).encode())

    def missing(self, cache: Cache) -> list[graph.Task]:
        """The samples of which something that the store wants is not in the cache."""
        return [
            task
            for sample_id, task in self.tasks.items()
            if not all(cache.has(self.keys[sample_id][name]) for name in self.recipe.stored)
        ]

    def shards(self) -> list[str]:
        """Keys of all that this plan has or will have in the cache."""
        stages = (key for named in self.keys.values() for key in named.values())
        return sorted({*stages, *self.apexes.values()})


def unannotated(sample: Sample, source: Source) -> tuple[Sample, Source]:
    """The sample as if nobody had said where its apex is."""
    apex = midpoint(sample.onset, sample.offset)
    return replace(sample, apex=apex, apex_source="midpoint"), source


def plan(
    dataset: str, scanned: Scan, recipe: Recipe, cache: Cache, model: Path | None = None
) -> Plan:
    """Plan a store, as far as it can be planned without computing anything.

    A sample whose apex nobody annotated has it spotted, as the recipe says, and is marked
    ``estimated``; until that is done it is planned with the midpoint it came with. A recipe may
    ask that of every sample: an annotated apex of a test clip is more than a user would have.
    """
    if not recipe.apex.annotated:
        scanned = replace(scanned, found={i: unannotated(*e) for i, e in scanned.found.items()})
    spot = spotting(recipe)
    spots = {
        sample_id: graph.task(sample, source, scanned.digests, spot, model, cache)
        for sample_id, (sample, source) in sorted(scanned.found.items())
        if spot and sample.apex_source == "midpoint" and sample.offset - sample.onset > 1
    }
    apexes = {sample_id: graph.keys(task)["apex"] for sample_id, task in spots.items()}
    found = dict(scanned.found)
    for sample_id, key in apexes.items():
        kept = cache.get(key)
        if kept is not None:
            sample, source = found[sample_id]
            apex = sample.onset + int(kept.array[0])
            found[sample_id] = (replace(sample, apex=apex, apex_source="estimated"), source)
            del spots[sample_id]
    tasks = {
        sample_id: graph.task(sample, source, scanned.digests, recipe, model, cache)
        for sample_id, (sample, source) in sorted(found.items())
    }
    keys = {sample_id: graph.keys(task) for sample_id, task in tasks.items()}
    known = replace(scanned, found=found)
    return Plan(dataset, recipe, known, tasks, keys, apexes, list(spots.values()))
