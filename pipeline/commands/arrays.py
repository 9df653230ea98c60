"""Features outside a run: of two images (pair), or made elsewhere (import)."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.console import (
    SOME_FAILED,
    USAGE,
    Choice,
    MerError,
    examples,
    plural,
    printable,
    stop_on_sigterm,
)
from pipeline.commands.options import (
    by_name,
    json_option,
    landmark_model_option,
    max_failed_option,
    model_digest,
    refuse_to_replace,
)

if TYPE_CHECKING:
    from pipeline.ledger import Tolerance


@click.command(
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
@json_option
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
    as_json: bool,
) -> None:
    """Compute one feature of two images, ONSET and APEX.

    The images are taken as they are, which is right for faces that are aligned already; --crop
    aligns them as a recipe does. No dataset is needed and nothing is kept but what is written.
    """
    from pipeline import recipe
    from pipeline.pair import pair as compute
    from pipeline.pair import recipe_for

    using = recipe_for(feature, recipe_name)
    outputs = [output] if shown is None else [output, shown]
    if not force:
        refuse_to_replace(*outputs)
    if shown is not None and shown.suffix.lower() != ".png":
        raise MerError(f"{shown}: a picture is a PNG", "end its name in .png", USAGE)
    if landmark_model is not None:
        using = recipe.with_model(using, model_digest(landmark_model))
    answer = compute((onset, apex), feature, using, crop, outputs, landmark_model)
    for note in answer.notes:
        click.echo(printable(note), err=True)
    if as_json:
        kind = {"units": answer.feature.units, "sensitive": answer.feature.sensitive}
        made = {"feature": feature, "shape": answer.array.shape, **kind}
        click.echo(json.dumps({"files": [str(path) for path in outputs], **made}))
        return
    told = f"{feature}, {answer.array.shape} {answer.feature.units}"
    private = "; a person can be recognised in it" if answer.feature.sensitive else ""
    click.echo(f"{', '.join(map(str, outputs))}: {told}{private}")


@click.command(
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
    "--array", "arrays", multiple=True, required=True, callback=by_name, metavar="NAME=PATH",
    help="A feature and its arrays: .npy, .npz, .mat, or a folder of .npy, .mat, images. Repeat.",
)  # fmt: skip
@click.option(
    "--units", multiple=True, callback=by_name, metavar="NAME=UNITS",
    help="Of a feature that mer-features list features does not know.",
)  # fmt: skip
@click.option(
    "--axes", multiple=True, callback=by_name, metavar="NAME=AXES",
    help="How a sample lies in its file, 'y x channel' or yxc.  [default: as ours do]",
)  # fmt: skip
@click.option("--dataset", help="Of rows that name none.  [default: INDEX's name]")
@click.option(
    "--sensitive/--not-faces", "faces", default=None,
    help="Can a person be recognised in it? Must be said of pictures.",
)  # fmt: skip
@click.option("--dtype", type=Choice(["float16", "float32"]), default="float16", help="As stored.")
@max_failed_option
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="The store to write.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace another store that is there.")
@json_option
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
    as_json: bool,
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
    if as_json:
        click.echo(json.dumps({"store": str(output), **asdict(done)}))
    if not done.samples:
        raise MerError(f"{index}: no sample could be used, so no store was made", "mend the above")
    if done.refused:
        raise MerError(
            f"{output}: not published: {done.refused}",
            "mend what is named above, or let more fail with --max-failed",
        )
    if not as_json:
        state = "published" if done.published else "up to date, nothing to do"
        failed = f", {len(done.failures)} failed" if done.failures else ""
        click.echo(f"{output}: {state}; {plural(done.samples, 'sample')}{failed}")
    if done.failures:
        sys.exit(SOME_FAILED)
