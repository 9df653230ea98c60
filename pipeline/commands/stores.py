"""What lies on disk already: list, verify, migrate, report, gc."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.console import (
    MerError,
    examples,
    printable,
    stop_on_sigterm,
)
from pipeline.commands.options import (
    ROOT_HELP,
    json_option,
    landmark_model_option,
    workers_option,
)

if TYPE_CHECKING:
    from pipeline.look import Look


@click.command("list", epilog=examples("mer-features list recipes"))
@click.argument("what", type=click.Choice(["datasets", "features", "protocols", "recipes"]))
def list_(what: str) -> None:
    """List what there is."""
    from pipeline import told

    rows = {
        "datasets": told.datasets,
        "features": told.features,
        "protocols": told.protocols,
        "recipes": told.recipes,
    }[what]()
    width = max(len(name) for name, _ in rows)
    for name, about in rows:
        click.echo(f"{name:{width}}  {about}")


@click.command(epilog=examples("mer-features verify stores/demo/flow.h5"))
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
            faces = json.loads(store.attrs["recipe"]).get("sensitive", False)
            told = "; people can be recognised in it" if faces else ""
            click.echo(f"{path}: {len(store)} samples, {', '.join(store.features)}: whole{told}")
            if not store.sealed:
                click.echo(
                    f"{path}: schema {store.attrs['schema']}, unsealed: its labels cannot be"
                    " checked; mer-features migrate makes it new"
                )


@click.command(epilog=examples("mer-features migrate stores/samm/flow.h5 -o stores/samm/new.h5"))
@click.argument("old", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The new one.")
def migrate(old: Path, output: Path) -> None:
    """Make a store of this version's schema from one of an older; OLD stays as it is."""
    from features.layout import SCHEMA
    from features.migrate import migrate as made_new

    made_new(old, output)
    click.echo(f"{output}: schema {SCHEMA}, every sample as in {old}")


@click.command(
    epilog=examples(
        "mer-features report stores/demo/flow.h5 -o report.html",
        "mer-features report stores/samm/flow.h5 --root /data/SAMM --faces -o private.html",
        "mer-features report stores/clips/flow.h5 --dataset clips/manifest.csv -o report.html",
    )
)
@click.argument("store", type=click.Path(path_type=Path))
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    help="Look at its clips too.  [default: as the store says, if at hand]",
)
@click.option("--root", "roots", multiple=True, help=ROOT_HELP + "  Of several: --root NAME=DIR.")
@click.option("--faces", is_flag=True, help="Show faces too. The page is then private.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="The page to write.",
)  # fmt: skip
@workers_option
@landmark_model_option
def report(
    store: Path,
    datasets: tuple[str, ...],
    roots: tuple[str, ...],
    faces: bool,
    output: Path,
    workers: int | None,
    landmark_model: Path | None,
) -> None:
    """Show what STORE holds as one page that needs no network, outliers first.

    The store is enough. Where the dataset is at hand, every frame of every clip is looked at
    too: how its head moved, and what of it is left. A second time is quick.
    """
    from features.store import Store
    from pipeline.facts import size
    from pipeline.report import report as write

    stop_on_sigterm()
    with Store(store) as opened:
        samples = len(opened)
    looks: dict[str, Look] = {}
    try:
        looks = _looks(store, datasets, roots, faces, workers, landmark_model)
    except MerError as error:
        if datasets or roots:
            raise
        click.echo(printable(f"no curves of motion: {error.cause}"), err=True)
    told = f"{samples} samples, {len(looks)} clips looked at"
    written = size(write(store, output, looks, faces))
    click.echo(f"{output}: {told}; {written}" + (", with faces: private" if faces else ""))


def _looks(
    store: Path,
    datasets: Sequence[str],
    roots: Sequence[str],
    faces: bool,
    workers: int | None,
    landmark_model: Path | None,
) -> dict[str, "Look"]:
    """Looks at a store's clips, if its dataset is at hand; none is made that nobody named."""
    from features.store import Store
    from pipeline import cache, copies
    from pipeline.engine import Engine
    from pipeline.look import look_through
    from pipeline.scan import Scan, scan

    with Store(store) as opened, Engine(workers) as engine:
        named = datasets or sorted(set(opened.index["dataset"]))
        scanned, where = Scan(), cache.Cache(cache.folder())
        for copy in copies.find(named, roots):
            if not datasets and not copy.root.is_dir():
                raise MerError(f"{copy.root}: no such folder", "name the dataset's with --root")
            scanned.join(scan(copy.manifest(engine), copy.root, where.root))
        return look_through(opened, scanned, where, engine, faces, landmark_model)


@click.command(epilog=examples("mer-features gc", "mer-features gc --pin stores/samm/flow.h5",
                             "mer-features gc --keep-days 7 --delete"))  # fmt: skip
@click.option("--delete", is_flag=True, help="Delete it; without this, only tell.")
@click.option("--keep-days", type=click.FloatRange(min=0), default=30.0, help="Younger ones stay.")
@click.option(
    "--pin", "pinned", type=click.Path(path_type=Path), multiple=True,
    help="Keep this store's results for good, whatever becomes of it.",
)  # fmt: skip
@click.option("--unpin", "unpinned", multiple=True, metavar="NAME", help="Let a pin go.")
@json_option
def gc(
    delete: bool,
    keep_days: float,
    pinned: tuple[Path, ...],
    unpinned: tuple[str, ...],
    as_json: bool,
) -> None:
    """Tell which kept results no store wants any more, or delete them.

    Wanted is what the last run of each store used, as long as the store is where it was
    published, and what is pinned. Deleting costs only time: a run that misses a result makes
    it again.
    """
    from pipeline import sweep, told
    from pipeline.cache import Cache, folder

    cache = Cache(folder())
    for store in pinned:
        click.echo(f"pinned as {sweep.pin(store, cache)}", err=True)
    for name in unpinned:
        sweep.unpin(name, cache)
    found = sweep.look_through(cache, keep_days)
    if delete:
        sweep.remove(found)
    if as_json:
        click.echo(json.dumps({**asdict(found), "unwanted": [str(one) for one in found.unwanted]}))
    else:
        for line in told.swept(found, delete):
            click.echo(line)
