"""What lies on disk already: list, verify, migrate, report, croissant, gc."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from features.console import (
    INTEGRITY,
    Choice,
    MerError,
    examples,
    plural,
    printable,
    stop_on_sigterm,
)
from pipeline.commands.options import (
    ROOT_HELP,
    json_option,
    landmark_model_option,
    refuse_to_replace,
    workers_option,
)

if TYPE_CHECKING:
    from pipeline.look import Look


@click.command("list", epilog=examples("mer-features list recipes"))
@click.argument("what", type=Choice(["datasets", "features", "protocols", "recipes"]))
@json_option
def list_(what: str, as_json: bool) -> None:
    """List what there is."""
    from pipeline import told

    rows = {
        "datasets": told.datasets,
        "features": told.features,
        "protocols": told.protocols,
        "recipes": told.recipes,
    }[what]()
    if as_json:
        click.echo(json.dumps([{"name": name, "about": about} for name, about in rows]))
        return
    width = max(len(name) for name, _ in rows)
    for name, about in rows:
        click.echo(f"{name:{width}}  {about}")


@click.command(epilog=examples("mer-features verify stores/demo/flow.h5"))
@click.argument("stores", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def verify(stores: tuple[Path, ...], as_json: bool) -> None:
    """Check that STORES still hold, bit for bit, what was published."""
    from pipeline import told

    found = []
    for path in stores:
        found.append(_verified(path))
        if not as_json and not found[-1]["damaged"]:
            for line in told.verified(found[-1]):
                click.echo(line)
        if found[-1]["damaged"]:
            break
    if as_json:
        click.echo(json.dumps(found))
    if bad := found[-1]["damaged"]:
        raise MerError(
            f"{path}: {len(bad)} of {found[-1]['samples']} samples are damaged, first {bad[0]}",
            "delete it and run mer-features again: finished work is kept",
            INTEGRITY,
        )


def _verified(path: Path) -> dict[str, Any]:
    """What a store is, and which samples of it are damaged."""
    from features.store import Store

    with Store(path) as store:
        return {
            "store": str(path),
            "samples": len(store),
            "features": list(store.features),
            "damaged": store.verify(),
            "sensitive": json.loads(store.attrs["recipe"]).get("sensitive", False),
            "schema": store.attrs["schema"],
            "sealed": store.sealed,
        }


@click.command(epilog=examples("mer-features migrate stores/samm/flow.h5 -o stores/samm/new.h5"))
@click.argument("old", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The new one.")
@json_option
def migrate(old: Path, output: Path, as_json: bool) -> None:
    """Make a store of this version's schema from one of an older; OLD stays as it is."""
    from features.layout import SCHEMA
    from features.migrate import migrate as made_new

    made_new(old, output)
    if as_json:
        click.echo(json.dumps({"store": str(output), "schema": SCHEMA, "of": str(old)}))
    else:
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
    help="Look at its clips too: a NAME or a manifest.  [default: where its last run had them]",
)
@click.option("--root", "roots", multiple=True, help=ROOT_HELP + "  Of several: --root NAME=DIR.")
@click.option("--faces", is_flag=True, help="Show faces too. The page is then private.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="The page to write; one that is there is replaced, another file is not.",
)  # fmt: skip
@workers_option
@landmark_model_option
@json_option
def report(
    store: Path,
    datasets: tuple[str, ...],
    roots: tuple[str, ...],
    faces: bool,
    output: Path,
    workers: int | None,
    landmark_model: Path | None,
    as_json: bool,
) -> None:
    """Show what STORE holds as one page that needs no network, outliers first.

    The store is enough. Where the dataset is at hand, every frame of every clip is looked at
    too: how its head moved, and what of it is left. A second time is quick.
    """
    from features.store import Store
    from pipeline.facts import size
    from pipeline.report import check_output
    from pipeline.report import report as write

    stop_on_sigterm()
    check_output(output)
    with Store(store) as opened:
        samples = len(opened)
    looks: dict[str, Look] = {}
    try:
        looks = _looks(store, datasets, roots, faces, workers, landmark_model)
    except MerError as error:
        if datasets or roots:
            raise
        click.echo(printable(f"no curves of motion: {error.cause}"), err=True)
        click.echo(printable(f"  {error.remedy}"), err=True)
    page = write(store, output, looks, faces)
    if as_json:
        facts = {"page": str(output), "samples": samples, "clips_looked_at": len(looks)}
        click.echo(json.dumps({**facts, "bytes": page.size, "private": page.private}))
    else:
        told = f"{plural(samples, 'sample')}, {plural(len(looks), 'clip')} looked at"
        private = ", with faces: private" if page.private else ""
        click.echo(f"{output}: {told}; {size(page.size)}{private}")
    if faces and not page.private:
        needed = "faces are drawn from the clips: --dataset FOLDER/manifest.csv, or NAME --root DIR"
        click.echo(f"no face could be drawn: {needed}", err=True)


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
    from pipeline import cache, origin
    from pipeline.engine import Engine
    from pipeline.look import look_through
    from pipeline.scan import Scan, scan
    from pipeline.why import recall

    with Store(store) as opened, Engine(workers) as engine:
        scanned, where = Scan(), cache.Cache(cache.folder())
        for copy in origin.of_store(opened, datasets, roots, recall(store, where)):
            scanned.join(scan(copy.manifest(engine), copy.root, where.root))
        return look_through(opened, scanned, where, engine, faces, landmark_model)


@click.command(
    epilog=examples(
        "mer-features croissant stores/demo/flow.h5 --creator 'Our Lab' --url https://example.org/f"
        " -o flow.croissant.json"
    )
)
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--creator", required=True, help="The organisation that answers for it.")
@click.option("--url", required=True, help="A page about it.")
@click.option(
    "--license", "license_", metavar="URL", help="Its licence.  [default: the datasets' hold]"
)
@click.option(
    "--published", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD",
    help="When it became public.  [default: today]",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it.  [default: stdout]",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def croissant(
    store: Path,
    creator: str,
    url: str,
    license_: str | None,
    published: datetime | None,
    output: Path | None,
    force: bool,
) -> None:
    """Describe STORE for a catalogue of datasets: Croissant 1.0, which is JSON.

    It tells features, units, shapes, recipe, counts and the file's digest, and nothing of the
    people: no sample, subject or annotation. A store in which people can be recognised is
    refused. Lay the file beside the store: that is where it looks for it.
    """
    from features.disk import write_durably
    from pipeline.croissant import LICENSE
    from pipeline.croissant import croissant as described

    if output is not None and not force:
        refuse_to_replace(output)
    day = published.date() if published else date.today()
    found = described(store, creator=creator, url=url, published=day, license_=license_ or LICENSE)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    if output is None:
        click.echo(text)
        return
    write_durably(output, f"{text}\n".encode())
    click.echo(f"{output}: {store.name} for a catalogue, nothing of people in it", err=True)


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
