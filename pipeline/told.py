"""What the commands tell a person, in lines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from features.console import plural

if TYPE_CHECKING:
    from features.protocol import Protocol
    from pipeline.doctor import Diagnosis
    from pipeline.forecast import Cost, Forecast
    from pipeline.ledger import Failure
    from pipeline.run import Report
    from pipeline.scan import Scan
    from pipeline.sweep import Sweep


def differences(rule: "Protocol", scanned: "Scan", reports: Sequence["Report"]) -> list[str]:
    """How what is left for the stores differs in number from what the protocol expects."""
    from pipeline.manifest import label

    failed = {failure.sample_id for report in reports for failure in report.failures}
    return rule.differences(
        (sample.dataset, sample.subject, label(rule, sample))
        for sample_id, (sample, _) in scanned.found.items()
        if sample_id not in failed
    )


def failed(reports: Sequence["Report"]) -> Iterator[str]:
    """A line a sample and reason; what fails in several recipes is told once."""
    yield from map(failure, dict.fromkeys(f for report in reports for f in report.failures))


def failure(one: "Failure") -> str:
    """One sample that failed, and why."""
    return f"{one.sample_id}: {one.message} [{one.stage}: {one.code}]"


def mixed(reports: Sequence["Report"]) -> Iterator[str]:
    """A store to which several kinds of machine contributed: its last digits depend on which."""
    for report in reports:
        if len(report.numerics) > 1:
            yield f"{report.store}: {len(report.numerics)} kinds of machine had a part in it"
            yield from (f"  {count} arrays: {kind}" for kind, count in report.numerics.items())


def noted(reports: Sequence["Report"]) -> Iterator[str]:
    """What to know of samples just published; what several recipes note is told once."""
    told = ((i, note) for report in reports for i, notes in report.notes.items() for note in notes)
    yield from (f"{sample_id}: {note}" for sample_id, note in sorted(set(told)))


def summary(reports: Sequence["Report"], steps: dict[str, float]) -> Iterator[str]:
    """What became of each store, and where the time went."""
    yield from map(sentence, reports)
    times = [*steps.items(), *(step for report in reports for step in report.seconds.items())]
    told = (f"{name} {spent:.1f} s" for name, spent in times if name != "all" and spent >= 0.05)
    yield ": ".join(filter(None, [f"{steps['all']:.1f} s in all", ", ".join(told)]))
    for report in reports:
        stages = ", ".join(f"{name} {spent:.1f} s" for name, spent in report.worker_seconds.items())
        if stages:
            yield f"workers, {report.recipe}: {stages}"
        if report.predicted is not None and report.published:
            yield compared(report.recipe, report.predicted, report.cost)


def sentence(report: "Report") -> str:
    """What became of one store."""
    if report.refused:
        return f"{report.store}: not published: {report.refused}"
    if not report.samples:
        return f"{report.store}: not made"
    state = "published" if report.published else "up to date, nothing to do"
    failed = f", {len(report.failures)} failed" if report.failures else ""
    samples = plural(report.samples, "sample")
    return f"{report.store}: {state}; {samples}, {report.computed} computed{failed}"


def expected(forecast: "Forecast") -> Iterator[str]:
    """What a run would cost."""
    yield f"{forecast.store}: {forecast.to_compute} of {forecast.samples} samples to compute"
    if forecast.measured:
        yield (
            f"  about {_span(forecast.seconds)} on {forecast.workers} workers, by"
            f" {forecast.measured} clips computed (and kept) to measure it"
        )
    if forecast.to_compute:
        yield f"  {_bytes(forecast.cache_bytes)} for the cache, {_bytes(forecast.cache_free)} free"
    yield f"  {_bytes(forecast.store_bytes)} for the store, {_bytes(forecast.store_free)} free"


def verified(found: Mapping[str, Any]) -> Iterator[str]:
    """A store that is whole."""
    faces = "; people can be recognised in it" if found["sensitive"] else ""
    path, names = found["store"], ", ".join(found["features"])
    yield f"{path}: {found['samples']} samples, {names}: whole{faces}"
    if not found["sealed"]:
        yield (
            f"{path}: schema {found['schema']}, unsealed: its labels cannot be checked;"
            " mer-features migrate makes it new"
        )


def foretold(recipe: str, cost: "Cost") -> str:
    """What a run that begins now will take, as its dry run predicted."""
    return f"{recipe}: predicted {_cost(cost)}"


def compared(recipe: str, predicted: "Cost", actual: "Cost") -> str:
    """How a prediction came out."""
    return f"{recipe}: predicted {_cost(predicted)}; took {_cost(actual)}"


def _cost(cost: "Cost") -> str:
    cache, store = _bytes(cost.cache_bytes), _bytes(cost.store_bytes)
    return f"{_span(cost.seconds)}, {cache} for the cache, {store} for the store"


def swept(found: "Sweep", deleted: bool) -> Iterator[str]:
    """What a cache holds, and what of it nobody wants."""
    yield f"wanted: {found.wanted} shards, {_bytes(found.wanted_bytes)}"
    yield from (f"  by {name}" for name in found.by)
    if found.young:
        yield f"wanted by none, but young: {found.young} shards"
    done = "deleted" if deleted else "to go with --delete"
    yield f"wanted by none: {len(found.unwanted)} files, {_bytes(found.unwanted_bytes)}, {done}"


def _span(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _bytes(count: int) -> str:
    return f"{count / 2**20:.0f} MiB" if count < 10 * 2**30 else f"{count / 2**30:.0f} GiB"


def datasets() -> list[tuple[str, str]]:
    """Name of each and what it is."""
    from pipeline.datasets import base

    return [(name, base.load(name).about) for name in base.names()]


def features() -> list[tuple[str, str]]:
    """Name of each and what it is."""
    from features import base

    return [
        (name, f"{base.load(name).units}; {base.load(name).convention}") for name in base.names()
    ]


def recipes() -> list[tuple[str, str]]:
    """Name of each and what it is."""
    from pipeline import recipe

    return [(name, recipe.load(name).about) for name in recipe.names()]


def protocols() -> list[tuple[str, str]]:
    """Name of each and what it is."""
    from features import protocol

    return [(name, protocol.load(name).about) for name in protocol.names()]


def diagnosis(found: "Diagnosis") -> Iterator[str]:
    """What the doctor found."""
    samples, subjects = plural(found.samples, "sample"), plural(found.subjects, "subject")
    yield f"{found.dataset}: {samples} of {subjects} can be used"
    for title, counts in (
        ("frames a second", found.fps), ("emotion", found.emotions), ("apex", found.apex_sources),
    ):  # fmt: skip
        yield f"  {title}: " + ", ".join(f"{name} {n}" for name, n in counts.items())
    for name, differences in found.protocols.items():
        yield f"  {name}: " + ("; ".join(differences) if differences else "as expected")
    for title, lines in (
        ("cannot be used", [f"{f.sample_id}: {f.message}" for f in found.unusable]),
        ("annotation changed", [f"{name}: {note}" for name, note in found.notes.items()]),
        ("holes", [f"{name}: {what}" for name, what in found.holes.items()]),
        ("the same clip twice", [" = ".join(same) for same in found.duplicates]),
        ("beside them", found.remarks),
    ):
        if lines:
            yield f"{title}: {len(lines)}"
            yield from (f"  {line}" for line in lines)
