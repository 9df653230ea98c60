"""What several commands take."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.console import USAGE, MerError

if TYPE_CHECKING:
    from pipeline.ledger import Tolerance

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


def by_name(
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


def refuse_to_replace(*outputs: Path) -> None:
    """Stop before any work if something is there that was not asked to be replaced."""
    for path in outputs:
        if path.exists():
            raise MerError(
                f"{path}: is there already",
                "choose another name, or replace it with --force",
                USAGE,
            )


def model_digest(path: Path) -> str:
    """Digest the user's landmark model; refuse one that cannot be read."""
    from features.base import file_digest

    try:
        return file_digest(path)
    except OSError as error:
        raise MerError(f"{path}: {error.strerror}", "check --landmark-model") from error
