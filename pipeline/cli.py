"""mer-features. Parses, calls one function, prints what happened."""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.console import SOME_FAILED, USAGE, MerError, Rim, choose, examples, printable

if TYPE_CHECKING:
    from pipeline.datasets.base import Dataset
    from pipeline.run import Report


@click.group(
    cls=Rim,
    context_settings={"show_default": True},
    epilog=examples("mer-features run demo", "mer-features list datasets"),
)
@click.version_option(package_name="merkit")
def cli() -> None:
    """Turn micro-expression videos into feature stores."""


dataset_argument = click.argument("dataset")
root_option = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    help="The dataset's folder.  [default: $MER_DATA/DATASET, a manifest's own folder]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


@cli.command(
    epilog=examples(
        "mer-features run demo",
        "mer-features run samm --root /data/SAMM --workers 8",
        "mer-features run clips/manifest.csv --recipe flow",
    )
)
@dataset_argument
@root_option
@click.option("--recipe", "recipes", multiple=True, default=["flow"], help="Repeat for more.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("stores"),
    help="Where stores go, as OUT/DATASET/RECIPE.h5.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: one a core]")
@click.option("--scheduler", help="Address of a running Dask scheduler, tcp://host:8786.")
@click.option(
    "--landmark-model", type=click.Path(dir_okay=False, path_type=Path),
    envvar="MER_LANDMARK_MODEL",
    help="A face_landmarker.task file, instead of the model in MediaPipe's wheel.",
)  # fmt: skip
@json_option
def run(
    dataset: str,
    root: Path | None,
    recipes: tuple[str, ...],
    out: Path,
    workers: int | None,
    scheduler: str | None,
    landmark_model: Path | None,
    as_json: bool,
) -> None:
    """Compute the features of DATASET into stores.

    DATASET is a known name (mer-features list datasets) or a manifest CSV. What is finished is
    kept: run it again to resume, or to find in a second that nothing is to do.
    """
    from pipeline import cache, recipe
    from pipeline.engine import Engine, stop_on_sigterm
    from pipeline.run import make_store, read_dataset, scan

    stop_on_sigterm()
    wanted = [recipe.load(name) for name in recipes]
    if landmark_model is not None:
        wanted = [recipe.with_model(one, _file_digest(landmark_model)) for one in wanted]
    name, source, root = _dataset(dataset, root)
    where = cache.Cache(cache.folder())
    with Engine(workers, scheduler) as engine:
        steps: dict[str, float] = {}
        started = time.perf_counter()
        manifest = read_dataset(source, root, engine)
        steps["dataset"] = time.perf_counter() - started
        scanned = scan(manifest, root, where.root)
        steps["scan"] = time.perf_counter() - started - steps["dataset"]
        reports = [
            make_store(
                name, scanned, one, out / name / f"{one.name}.h5", where, engine, landmark_model
            )
            for one in wanted
        ]
    _show(reports, steps, time.perf_counter() - started, as_json)
    if any(not report.samples for report in reports):
        raise MerError(
            f"{name}: no sample could be used, so no store was made",
            "see the reasons above; mer-features manifest shows what was read",
        )
    if any(report.failures for report in reports):
        sys.exit(SOME_FAILED)


@cli.command(
    epilog=examples(
        "mer-features manifest samm --root /data/SAMM -o samm.csv",
        "mer-features manifest folder --root clips -o clips/manifest.csv",
    )
)
@dataset_argument
@root_option
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="The manifest to write.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a manifest that is there.")
def manifest(dataset: str, root: Path | None, output: Path, force: bool) -> None:
    """Write DATASET's manifest, a row a sample, to be looked at and corrected.

    For clips of your own, DATASET is `folder`: every folder of images and every video below
    --root is a clip.
    """
    from pipeline.engine import Engine
    from pipeline.manifest import write_manifest
    from pipeline.run import read_dataset

    if output.exists() and not force:
        raise MerError(
            f"{output}: is there already, perhaps corrected by hand",
            "choose another name, or replace it with --force",
            USAGE,
        )
    _, source, root = _dataset(dataset, root)
    with Engine() as engine:
        found = read_dataset(source, root, engine)
    write_manifest(found.samples, output)
    for row in found.bad:
        click.echo(f"{printable(row.sample_id)}: {printable(row.reason)}", err=True)
    click.echo(f"{output}: {len(found.samples)} samples, {len(found.bad)} rows left out")
    if found.bad:
        sys.exit(SOME_FAILED)


@cli.command("list", epilog=examples("mer-features list recipes"))
@click.argument("what", type=click.Choice(["datasets", "features", "recipes"]))
def list_(what: str) -> None:
    """List what there is."""
    rows = {"datasets": _datasets, "features": _features, "recipes": _recipes}[what]()
    width = max(len(name) for name, _ in rows)
    for name, about in rows:
        click.echo(f"{name:{width}}  {about}")


@cli.command(epilog=examples("mer-features verify stores/demo/flow.h5"))
@click.argument("stores", nargs=-1, required=True, type=click.Path(path_type=Path))
def verify(stores: tuple[Path, ...]) -> None:
    """Check that STORES still hold, bit for bit, what was published."""
    from features.console import INTEGRITY
    from features.store import Store

    for path in stores:
        with Store(path) as store:
            bad = store.verify()
            if bad:
                raise MerError(
                    f"{path}: {len(bad)} of {len(store)} samples are damaged, first {bad[0]}",
                    "delete it and run mer-features again: finished work is kept",
                    INTEGRITY,
                )
            click.echo(f"{path}: {len(store)} samples, {', '.join(store.features)}: whole")


def _dataset(dataset: str, root: Path | None) -> "tuple[str, Dataset, Path]":
    """Name, reader and root of what the user called DATASET."""
    from pipeline.datasets import base
    from pipeline.manifest import read_manifest

    path = Path(dataset)
    if path.suffix.lower() == ".csv":
        # clips/manifest.csv is called clips, nir.csv is called nir
        name = path.resolve().parent.name if path.stem == "manifest" else path.stem
        reader = base.Dataset(lambda _: read_manifest(path, name), "a manifest")
        return name, reader, root or path.parent
    choose("dataset", dataset, base.names(), "give a manifest CSV")
    return dataset, base.load(dataset), root or Path(os.environ.get("MER_DATA", "data")) / dataset


def _file_digest(path: Path) -> str:
    from features.base import file_digest

    try:
        return file_digest(path)
    except OSError as error:
        raise MerError(f"{path}: {error.strerror}", "check --landmark-model") from error


def _show(
    reports: "Sequence[Report]", steps: dict[str, float], seconds: float, as_json: bool
) -> None:
    for failure in {f.sample_id: f for report in reports for f in report.failures}.values():
        line = f"{failure.sample_id}: {failure.message} [{failure.stage}: {failure.code}]"
        click.echo(printable(line), err=True)
    if as_json:
        shown = [{**asdict(report), "store": str(report.store)} for report in reports]
        click.echo(json.dumps({"steps": steps, "seconds": seconds, "recipes": shown}))
        return
    for report in reports:
        click.echo(_sentence(report))
    times = [*steps.items(), *(step for report in reports for step in report.seconds.items())]
    told = ", ".join(f"{name} {spent:.1f} s" for name, spent in times if spent >= 0.05)
    click.echo(f"{seconds:.1f} s in all" + (f": {told}" if told else ""))
    for report in reports:
        stages = ", ".join(f"{name} {spent:.1f} s" for name, spent in report.worker_seconds.items())
        if stages:
            click.echo(f"workers, {report.recipe}: {stages}")


def _sentence(report: "Report") -> str:
    if not report.samples:
        return f"{report.store}: not made"
    state = "published" if report.published else "up to date, nothing to do"
    failed = f", {len(report.failures)} failed" if report.failures else ""
    return f"{report.store}: {state}; {report.samples} samples, {report.computed} computed{failed}"


def _datasets() -> list[tuple[str, str]]:
    from pipeline.datasets import base

    return [(name, base.load(name).about) for name in base.names()]


def _features() -> list[tuple[str, str]]:
    from features import base

    return [
        (name, f"{base.load(name).units}; {base.load(name).convention}") for name in base.names()
    ]


def _recipes() -> list[tuple[str, str]]:
    from pipeline import recipe

    return [(name, recipe.load(name).about) for name in recipe.names()]
