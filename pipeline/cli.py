"""mer-features: its commands. Each parses, calls one function, prints what happened."""

import click

from features.console import Rim, examples
from pipeline.commands import arrays, datasets, run, stores


@click.group(
    cls=Rim,
    context_settings={"show_default": True},
    epilog=examples("mer-features run demo", "mer-features list datasets"),
)
@click.version_option(package_name="merkit")
def cli() -> None:
    """Turn micro-expression videos into feature stores."""


for command in (
    run.run,
    datasets.doctor,
    datasets.manifest,
    arrays.pair,
    arrays.import_,
    stores.list_,
    stores.verify,
    stores.migrate,
    stores.report,
    stores.croissant,
    stores.gc,
):
    cli.add_command(command)
