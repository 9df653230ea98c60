"""mer-features. Parses, calls one function, prints what happened."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.console import (
    SOME_FAILED,
    USAGE,
    MerError,
    Rim,
    examples,
    printable,
    stop_on_sigterm,
)

if TYPE_CHECKING:
    from pipeline.cache import Cache
    from pipeline.engine import Engine
    from pipeline.ledger import Tolerance
    from pipeline.look import Look
    from pipeline.recipe import Recipe
    from pipeline.scan import Scan


@click.group(
    cls=Rim,
    context_settings={"show_default": True},
    epilog=examples("mer-features run demo", "mer-features list datasets"),
)
@click.version_option(package_name="merkit")
def cli() -> None:
    """Turn micro-expression videos into feature stores."""


ROOT_HELP = "The dataset's folder.  [default: $MER_DATA/DATASET, a manifest's own folder]"
one_dataset = click.argument("dataset")
one_root = click.option("--root", help=ROOT_HELP)
landmark_model_option = click.option(
    "--landmark-model", type=click.Path(dir_okay=False, path_type=Path),
    envvar="MER_LANDMARK_MODEL",
    help="A face_landmarker.task file, instead of the model in MediaPipe's wheel.",
)  # fmt: skip
workers_option = click.option(
    "--workers", type=click.IntRange(min=0, max=1024),
    help="Processes; 0: work in this one.  [default: one a core]",
)  # fmt: skip


def _tolerance(context: click.Context, option: click.Parameter, text: str) -> "Tolerance":
    from pipeline.ledger import tolerance

    try:
        return tolerance(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _by_name(
    context: click.Context, option: click.Parameter, words: tuple[str, ...]
) -> dict[str, str]:
    """NAME=TEXT, repeated."""
    told: dict[str, str] = {}
    for word in words:
        name, _, text = word.partition("=")
        if not name or not text.strip():
            raise click.BadParameter(f"{word!r} is no {option.metavar}")
        if name in told:
            raise click.BadParameter(f"{name} is given twice")
        told[name] = text
    return told


max_failed_option = click.option(
    "--max-failed", callback=_tolerance, default="5%",
    help="Publish nothing if more samples fail: a share (of which 1 sample is always) or a number.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


@cli.command(
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
    """
    from features import protocol as protocols
    from pipeline import cache, copies, recipe, told
    from pipeline.engine import Engine
    from pipeline.manifest import taking_part
    from pipeline.run import make_store
    from pipeline.scan import Scan, scan

    stop_on_sigterm()
    wanted = [recipe.load(name) for name in recipes]
    if landmark_model is not None:
        wanted = [recipe.with_model(one, _file_digest(landmark_model)) for one in wanted]
    found = copies.find(datasets, roots)
    copies.refuse_inside(found, out)
    rule = protocols.load(protocol or protocols.ALL)
    name = protocol or "+".join(sorted(copy.name for copy in found))
    asked = " ".join(copy.name for copy in found) + (f" --protocol {protocol}" if protocol else "")
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
                tolerance=max_failed, strict=strict, why=why,
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
    from pipeline.forecast import forecast
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
    if as_json:
        click.echo(json.dumps([{**asdict(one), "store": str(one.store)} for one in answers]))
    else:
        for one in answers:
            for line in told.expected(one):
                click.echo(line)


@cli.command(
    epilog=examples(
        "mer-features manifest samm --root /data/SAMM -o samm.csv",
        "mer-features manifest folder --root clips -o clips/manifest.csv",
    )
)
@one_dataset
@one_root
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="The manifest to write.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a manifest that is there.")
def manifest(dataset: str, root: str | None, output: Path, force: bool) -> None:
    """Write DATASET's manifest, a row a sample, to be looked at and corrected.

    For clips of your own, DATASET is `folder`: every folder of images and every video below
    --root is a clip.
    """
    from pipeline import copies
    from pipeline.engine import Engine
    from pipeline.manifest import write_manifest

    if output.exists() and not force:
        raise MerError(
            f"{output}: is there already, perhaps corrected by hand",
            "choose another name, or replace it with --force",
            USAGE,
        )
    (copy,) = copies.find([dataset], [root] if root else [])
    with Engine() as engine:
        found = copy.manifest(engine)
    write_manifest(found.samples, output)
    for row in (*found.bad, *found.remarks):
        click.echo(f"{printable(row.sample_id)}: {printable(row.reason)}", err=True)
    click.echo(f"{output}: {len(found.samples)} samples, {len(found.bad)} rows left out")
    if found.bad:
        sys.exit(SOME_FAILED)


@cli.command(
    epilog=examples(
        "mer-features doctor samm --root /data/SAMM",
        "mer-features doctor clips/manifest.csv --decode",
    )
)
@one_dataset
@one_root
@click.option("--decode", is_flag=True, help="Decode every frame of every clip too.")
@workers_option
@json_option
def doctor(
    dataset: str, root: str | None, decode: bool, workers: int | None, as_json: bool
) -> None:
    """Tell what of this copy of DATASET can be used, what is missing or patched, and why.

    Every file of every annotated clip is digested, which reads it once; a later run need not.
    The exit code is 3 if a sample cannot be used.
    """
    from pipeline import cache, copies, told
    from pipeline.doctor import examine
    from pipeline.engine import Engine
    from pipeline.scan import scan

    (copy,) = copies.find([dataset], [root] if root else [])
    with Engine(workers) as engine:
        scanned = scan(copy.manifest(engine), copy.root, cache.folder())
        found = examine(copy, scanned, engine if decode else None)
    if as_json:
        click.echo(json.dumps({"healthy": found.healthy, **asdict(found)}))
    else:
        for line in told.diagnosis(found):
            click.echo(printable(line))
    if not found.healthy:
        sys.exit(SOME_FAILED)


@cli.command(
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


@cli.command(
    epilog=examples(
        "mer-features pair onset.png apex.png -o flow.npy --png flow.png",
        "mer-features pair onset.jpg apex.jpg --crop --feature strain -o strain.png",
    )
)
@click.argument("onset", type=click.Path(path_type=Path))
@click.argument("apex", type=click.Path(path_type=Path))
@click.option("--feature", default="flow", help="Any that two images give.")
@click.option("--recipe", "recipe_name", help="Take the settings from this recipe's stages.")
@click.option("--crop", is_flag=True, help="Find the face; crop and steady it first.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="What to write: .npy, .flo (flows alone) or .png, a picture.",
)  # fmt: skip
@click.option(
    "--png", "shown", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the picture besides.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files that are there.")
@landmark_model_option
def pair(
    onset: Path,
    apex: Path,
    feature: str,
    recipe_name: str | None,
    crop: bool,
    output: Path,
    shown: Path | None,
    force: bool,
    landmark_model: Path | None,
) -> None:
    """Compute one feature of two images, ONSET and APEX.

    The images are taken as they are, which is right for faces that are aligned already; --crop
    aligns them as a recipe does. No dataset is needed and nothing is kept but what is written.
    """
    from pipeline import recipe
    from pipeline.pair import pair as compute
    from pipeline.pair import recipe_for

    outputs = [output] if shown is None else [output, shown]
    for path in outputs:
        if path.exists() and not force:
            raise MerError(
                f"{path}: is there already",
                "choose another name, or replace it with --force",
                USAGE,
            )
    if shown is not None and shown.suffix.lower() != ".png":
        raise MerError(f"{shown}: a picture is a PNG", "end its name in .png", USAGE)
    using = recipe_for(feature, recipe_name)
    if landmark_model is not None:
        using = recipe.with_model(using, _file_digest(landmark_model))
    answer = compute((onset, apex), feature, using, crop, outputs, landmark_model)
    for note in answer.notes:
        click.echo(printable(note), err=True)
    told = f"{feature}, {answer.array.shape} {answer.feature.units}"
    private = "; a person can be recognised in it" if answer.feature.sensitive else ""
    click.echo(f"{', '.join(map(str, outputs))}: {told}{private}")


@cli.command(
    "import",
    epilog=examples(
        "mer-features import index.csv --array flow=flow.npy --array strain=strain.npy -o flow.h5",
        "mer-features import index.csv --array flow=flow.mat --axes flow=yxc -o flow.h5",
        "mer-features import index.csv --array edges=png/ --units 'edges=grey levels' --sensitive"
        " -o edges.h5",
    ),
)
@click.argument("index", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--array", "arrays", multiple=True, required=True, callback=_by_name, metavar="NAME=PATH",
    help="A feature and its arrays: .npy, .npz, .mat, or a folder of .npy, .mat, images. Repeat.",
)  # fmt: skip
@click.option(
    "--units", multiple=True, callback=_by_name, metavar="NAME=UNITS",
    help="Of a feature that mer-features list features does not know.",
)  # fmt: skip
@click.option(
    "--axes", multiple=True, callback=_by_name, metavar="NAME=AXES",
    help="How a sample lies in its file, 'y x channel' or yxc.  [default: as ours do]",
)  # fmt: skip
@click.option("--dataset", help="Of rows that name none.  [default: INDEX's name]")
@click.option(
    "--sensitive/--not-faces", "faces", default=None,
    help="Can a person be recognised in it? Must be said of pictures.",
)  # fmt: skip
@click.option(
    "--dtype", type=click.Choice(["float16", "float32"]), default="float16", help="As stored."
)
@max_failed_option
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="The store to write.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace another store that is there.")
def import_(
    index: Path,
    arrays: dict[str, str],
    units: dict[str, str],
    axes: dict[str, str],
    dataset: str | None,
    faces: bool | None,
    dtype: str,
    max_failed: "Tolerance",
    output: Path,
    force: bool,
) -> None:
    """Make a store of features that were made elsewhere.

    INDEX is a CSV, a row a sample. It must have the columns subject and emotion, and sample_id
    or clip; it may have path, dataset, action_units, objective_class, onset, apex, offset, fps
    and apex_source. Where frames are not told the store says -1, for fps 0, for apex_source
    unknown.

    Row k tells of row k of an array. In a folder, and in an .npz or .mat with an entry a sample,
    a sample is found by its path or sample_id. Features of ours are held against what they are
    and turned to their order; in others y and x come last, the others as told.
    """
    from pipeline import bring, told

    stop_on_sigterm()
    files = {name: Path(path) for name, path in arrays.items()}
    request = bring.Request(index, files, units, axes, dataset, faces, dtype)
    done = bring.bring(request, output, max_failed, force)
    for failure in done.failures:
        click.echo(printable(told.failure(failure)), err=True)
    if not done.samples:
        raise MerError(f"{index}: no sample could be used, so no store was made", "mend the above")
    if done.refused:
        raise MerError(
            f"{output}: not published: {done.refused}",
            "mend what is named above, or let more fail with --max-failed",
        )
    state = "published" if done.published else "up to date, nothing to do"
    failed = f", {len(done.failures)} failed" if done.failures else ""
    click.echo(f"{output}: {state}; {done.samples} samples{failed}")
    if done.failures:
        sys.exit(SOME_FAILED)


@cli.command("list", epilog=examples("mer-features list recipes"))
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
            faces = json.loads(store.attrs["recipe"]).get("sensitive", False)
            told = "; people can be recognised in it" if faces else ""
            click.echo(f"{path}: {len(store)} samples, {', '.join(store.features)}: whole{told}")
            if not store.sealed:
                click.echo(
                    f"{path}: schema {store.attrs['schema']}, unsealed: its labels cannot be"
                    " checked; mer-features migrate makes it new"
                )


@cli.command(epilog=examples("mer-features migrate stores/samm/flow.h5 -o stores/samm/new.h5"))
@click.argument("old", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The new one.")
def migrate(old: Path, output: Path) -> None:
    """Make a store of this version's schema from one of an older; OLD stays as it is."""
    from features.layout import SCHEMA
    from features.migrate import migrate as made_new

    made_new(old, output)
    click.echo(f"{output}: schema {SCHEMA}, every sample as in {old}")


@cli.command(epilog=examples("mer-features gc", "mer-features gc --pin stores/samm/flow.h5",
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


def _file_digest(path: Path) -> str:
    from features.base import file_digest

    try:
        return file_digest(path)
    except OSError as error:
        raise MerError(f"{path}: {error.strerror}", "check --landmark-model") from error
