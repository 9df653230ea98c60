"""mer-report: what can be said of runs that are already there."""

import json
from pathlib import Path

import click

from features.console import Rim, examples

EXAMPLE = examples("mer-report score runs/demo/predictions.csv")


@click.group(cls=Rim, context_settings={"show_default": True}, epilog=EXAMPLE)
def cli() -> None:
    """Report on finished runs."""


@cli.command(epilog=EXAMPLE)
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
def score(predictions: Path, as_json: bool) -> None:
    """Score PREDICTIONS (a run's predictions.csv) again, from that file alone."""
    from train.predictions import read  # --help need not load scikit-learn
    from train.scores import scores

    result = scores(read(predictions))
    if as_json:
        click.echo(json.dumps(result, indent=1, ensure_ascii=False))
        return
    from train.tables import show

    show(result, str(predictions))
