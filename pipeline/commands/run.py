"""mer-features run: videos to stores."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.console import (
    SOME_FAILED,
    MerError,
    examples,
    printable,
    stop_on_sigterm,
)
from pipeline.commands.options import (
    ROOT_HELP,
    json_option,
    landmark_model_option,
    max_failed_option,
    model_digest,
    workers_option,
)

if TYPE_CHECKING:
    from pipeline.cache import Cache
    from pipeline.engine import Engine
    from pipeline.ledger import Tolerance
    from pipeline.recipe import Recipe
    from pipeline.scan import Scan


@click.command(
    epilog=examples(
        "mer-features run demo",
        "mer-features run samm --root /data/SAMM --workers 8",
        "mer-features run clips/manifest.csv --recipe flow",
        "mer-features run casme2 smic samm --protocol megc2019",
    )
)
@click.argument("datasets", metavar="DATASET...", nargs=-1, required=True)
@click.option("--root", "roots", multiple=True, help=ROOT_HELP + "  Of several: --root NAME=DIR.")
@click.option("--protocol", help="Take its samples alone, as OUT/PROTOCOL/RECIPE.h5.")
@click.option("--recipe", "recipes", multiple=True, default=["flow"], help="Repeat for more.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("stores"),
    help="Where stores go, as OUT/DATASET/RECIPE.h5.",
)  # fmt: skip
@workers_option
@click.option("--scheduler", help="Address of a running Dask scheduler, tls://host:8786.")
@click.option("--dry-run", is_flag=True, help="Compute a few clips, predict time and bytes, stop.")
@click.option("--why", is_flag=True, help="Name what has changed since this store's last run.")
@max_failed_option
@click.option("--strict", is_flag=True, help="Publish only what is complete, and of one machine.")
@landmark_model_option
@json_option
def run(
    datasets: tuple[str, ...],
    roots: tuple[str, ...],
    protocol: str | None,
    recipes: tuple[str, ...],
    out: Path,
    workers: int | None,
    scheduler: str | None,
    dry_run: bool,
    why: bool,
    max_failed: "Tolerance",
    strict: bool,
    landmark_model: Path | None,
    as_json: bool,
) -> None:
    """Compute the features of DATASET into stores.

    DATASET is a known name (mer-features list datasets) or a manifest CSV; several make one
    store together. What is finished is kept: run it again to resume, or to find in a second that
    nothing is to do. What failed is named here and beside the store, in RECIPE.failures.jsonl.
    After a --dry-run it says beforehand what was predicted, and at its end what it took.
    """
    from features import protocol as protocols
    from pipeline import cache, copies, origin, recipe, told
    from pipeline.engine import Engine
    from pipeline.manifest import taking_part
    from pipeline.run import make_store
    from pipeline.scan import Scan, scan

    stop_on_sigterm()
    wanted = [recipe.load(name) for name in recipes]
    if landmark_model is not None:
        wanted = [recipe.with_model(one, model_digest(landmark_model)) for one in wanted]
    found = copies.find(datasets, roots)
    copies.refuse_inside(found, out)
    rule = protocols.load(protocol or protocols.ALL)
    name = protocol or "+".join(sorted(copy.name for copy in found))
    asked = " ".join(copy.asked for copy in found) + (f" --protocol {protocol}" if protocol else "")
    stores = {out / name / f"{one.name}.h5": one for one in wanted}
    where = cache.Cache(cache.folder())
    with Engine(workers, scheduler) as engine:
        steps = {"dataset": 0.0, "scan": 0.0}
        begun, scanned = time.perf_counter(), Scan()
        for copy in found:
            started = time.perf_counter()
            manifest = copy.manifest(engine)
            if protocol:
                manifest = taking_part(manifest, rule)
            read = time.perf_counter()
            scanned.join(scan(manifest, copy.root, where.root))
            steps["dataset"] += read - started
            steps["scan"] += time.perf_counter() - read
        if dry_run:
            _predict(name, scanned, stores, where, engine, landmark_model, why, as_json)
            return
        reports = [
            make_store(
                name, scanned, one, store, where, engine, landmark_model, asked,
                origin.told(found), tolerance=max_failed, strict=strict, why=why,
            )
            for store, one in stores.items()
        ]  # fmt: skip
    differences = [f"{name}: {one}" for one in told.differences(rule, scanned, reports)]
    problems = (*told.noted(reports), *told.mixed(reports), *differences, *told.failed(reports))
    for line in (*scanned.remarks, *problems):
        click.echo(printable(line), err=True)
    steps["all"] = time.perf_counter() - begun
    if as_json:
        shown = [{**asdict(report), "store": str(report.store)} for report in reports]
        answer = {"recipes": shown, "differences": differences, "remarks": scanned.remarks}
        click.echo(json.dumps({"steps": steps, **answer}))
    else:
        for line in told.summary(reports, steps):
            click.echo(line)
    if any(not report.samples for report in reports):
        raise MerError(
            f"{name}: no sample could be used, so no store was made",
            "see the reasons above; mer-features manifest shows what was read",
        )
    for report in reports:
        if report.refused:
            raise MerError(
                f"{report.store}: not published: {report.refused}",
                "mend what is named above, or let more fail with --max-failed; the work is kept",
            )
    if any(report.failures for report in reports):
        sys.exit(SOME_FAILED)


def _predict(
    name: str,
    scanned: "Scan",
    stores: Mapping[Path, "Recipe"],
    cache: "Cache",
    engine: "Engine",
    model: Path | None,
    why: bool,
    as_json: bool,
) -> None:
    from pipeline import told
    from pipeline.forecast import forecast, keep
    from pipeline.plan import plan
    from pipeline.why import reasons, recall

    answers = []
    for failure in scanned.failures:
        click.echo(printable(told.failure(failure)), err=True)
    for store, recipe in stores.items():
        planned = plan(name, scanned, recipe, cache, model)
        if why:
            for line in reasons(recall(store, cache), planned, planned.missing(cache)):
                click.echo(printable(f"{recipe.name}: {line}"), err=True)
        answers.append(forecast(planned, store, cache, engine.size()))
        if answers[-1].left.seconds:
            after = plan(name, scanned, recipe, cache, model)
            keep(answers[-1].left, store, after, cache, engine.size())
    if as_json:
        click.echo(json.dumps([{**asdict(one), "store": str(one.store)} for one in answers]))
    else:
        for one in answers:
            for line in told.expected(one):
                click.echo(line)
