"""What is known of a dataset before anything is computed: manifest, doctor."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.console import (
    SOME_FAILED,
    USAGE,
    MerError,
    examples,
    plural,
    printable,
)
from pipeline.commands.options import (
    json_option,
    one_dataset,
    one_root,
    workers_option,
)

if TYPE_CHECKING:
    pass


@click.command(
    context_settings={"allow_extra_args": True},  # to be answered by a hint
    epilog=examples(
        "mer-features manifest samm --root /data/SAMM -o samm.csv",
        "mer-features manifest folder --root clips -o clips/manifest.csv",
    ),
)
@one_dataset
@one_root
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="The manifest to write.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a manifest that is there.")
@json_option
@click.pass_context
def manifest(
    context: click.Context,
    dataset: str,
    root: str | None,
    output: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Write DATASET's manifest, a row a sample, to be looked at and corrected.

    For clips of your own, DATASET is `folder`: every folder of images and every video below
    --root is a clip. A manifest that is there is replaced if nobody has changed a row of it.
    """
    from pipeline import copies
    from pipeline.engine import Engine
    from pipeline.manifest import is_draft, loses_nothing, write_manifest

    if context.args:
        raise MerError(
            f"{context.args[0]}: one word too many after {dataset}",
            f"a folder is given with --root: mer-features manifest {dataset}"
            f" --root {context.args[0]} -o {output}",
            USAGE,
        )
    there = MerError(
        f"{output}: is there already, perhaps corrected by hand",
        "choose another name, or replace it with --force",
        USAGE,
    )
    guarded = output.exists() and not force
    if guarded and not is_draft(output):
        raise there
    (copy,) = copies.find([dataset], [root] if root else [])
    with Engine() as engine:
        found = copy.manifest(engine)
    for row in (*found.bad, *found.remarks):
        click.echo(f"{printable(row.sample_id)}: {printable(row.reason)}", err=True)
    if not found.samples:
        raise MerError(f"{output}: not written, no sample can be used", "mend what is named above")
    if guarded and not loses_nothing(output, found.samples):
        raise there
    write_manifest(found.samples, output)
    if as_json:
        rows = {
            "left_out": list(map(asdict, found.bad)),
            "remarks": list(map(asdict, found.remarks)),
        }
        click.echo(json.dumps({"manifest": str(output), "samples": len(found.samples), **rows}))
    else:
        left_out = plural(len(found.bad), "row")
        click.echo(f"{output}: {plural(len(found.samples), 'sample')}, {left_out} left out")
    if found.bad:
        sys.exit(SOME_FAILED)


@click.command(
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
