"""mer-train: parse, call one function, print what came out."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from features.console import (
    INTERRUPTED,
    USAGE,
    Choice,
    Interrupted,
    MerError,
    RimCommand,
    choose,
    examples,
    plural,
    printable,
    stop_on_sigterm,
)
from train import forks
from train.config import CHANGES, CHOICES


def list_models(ctx: click.Context) -> None:
    """Print every network: its recipe, and the first line of its file."""
    from train.models.base import load, names

    listed = []
    for name in names():
        model = load(name)
        about = (sys.modules[f"train.models.{name}"].__doc__ or "").partition("\n")[0]
        listed.append((name, model.recipe, model.parameters(5), about))
    if ctx.params.get("as_json"):
        keys = ("name", "recipe", "parameters", "about")
        click.echo(json.dumps([dict(zip(keys, one, strict=True)) for one in listed]))
        ctx.exit()
    from train import tables

    words = [(name, recipe, f"{count:,}", about) for name, recipe, count, about in listed]
    tables.out(tables.networks(words), "parameters: those trained, for 5 classes")
    ctx.exit()


def at_once(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    """Read a number of fits; auto is None."""
    return None if value == "auto" else click.IntRange(min=1)(value, param, ctx)


def refuse_mistyped(
    features: Sequence[Path], model: str, protocol: str, out: Path, force: bool
) -> None:
    """Tell what is mistyped before torch is loaded, which takes seconds.

    Raises
    ------
    MerError
        There is no such model, protocol or store, or a run is there already.
    """
    from features.protocol import load as load_protocol
    from features.store import Store
    from train.models.base import names
    from train.place import check_place

    check_place(out, force)
    choose("model", model, names())
    load_protocol(protocol)
    for path in features:
        Store(path).close()


OWN = "  [default: the model's own]"

EXAMPLE = examples("mer-train --features stores/demo/flow.h5 -o runs/demo")


@click.command(cls=RimCommand, context_settings={"show_default": True}, epilog=EXAMPLE)
@click.option(
    "--features",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE.h5",
    help="The feature store to train from; repeat it if the model takes features of several.",
)
@click.option("--model", default="ststnet", help="The network: mer-train --models.")
@click.option(
    "--models",
    is_flag=True,
    expose_value=False,  # not eager, so that it finds --json looked at already
    callback=lambda ctx, _, asked: list_models(ctx) if asked else None,
    help="List the networks with the recipe each is made for, and exit.",
)
@click.option(
    "--protocol",
    default="loso",
    help="mer-features list protocols; by cd6me, the action units of a clip are learnt.",
)
@click.option(
    "--split",
    show_default="the protocol's: loso; dataset for cd6me",
    help="Who is left out together: loso (a subject), dataset, or 5-fold, … of subjects.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=5, help="Repeat with seeds 0, 1, …")
@click.option("--epochs", type=click.IntRange(min=1), help=f"The last one counts.{OWN}")
@click.option("--batch-size", type=click.IntRange(min=2), help=f"Clips a step.{OWN}")
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), help=OWN.strip())
@click.option("--weight-decay", type=click.FloatRange(min=0), help=OWN.strip())
@click.option("--optimizer", type=Choice(CHOICES["optimizer"]), help=OWN.strip())
@click.option("--schedule", type=Choice(CHOICES["schedule"]), help=f"Of the rate.{OWN}")
@click.option(
    "--warmup", type=click.IntRange(min=0), help=f"Epochs in which the rate rises to it.{OWN}"
)
@click.option("--decay", type=click.FloatRange(0, 1), help=f"By steps: the rate times this …{OWN}")
@click.option(
    "--decay-every", type=click.IntRange(min=1), help=f"… after so many epochs, over again.{OWN}"
)
@click.option(
    "--floor", type=click.FloatRange(0, 1), help=f"Share of the rate it never falls below.{OWN}"
)
@click.option(
    "--class-weights",
    type=Choice(CHOICES["class_weights"]),
    help=f"By the training subjects' counts n: balanced 1/n, root 1/√n.{OWN}",
)
@click.option(
    "--augment",
    multiple=True,
    type=Choice([*CHANGES, "none"]),
    help=f"Change training clips at random; repeat it for several.{OWN}",
)
@click.option(
    "--precision",
    type=Choice(CHOICES["precision"]),
    help=f"Of a step's sums: bf16 and tf32 (CUDA) are faster and coarser.{OWN}",
)
@click.option(
    "--backbone",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Weights of a ResNet-18 (torchvision's names, .safetensors or .pth) to begin with.",
)
@click.option(
    "--validation",
    type=click.IntRange(min=0),
    metavar="N",
    help="Choose the epoch on one in N training subjects, then train on all; 0: the last counts."
    f"{OWN}",
)
@click.option(
    "--device",
    type=Choice(["auto", "cpu", "cuda"]),
    default="auto",
    help="auto: cuda where there is one.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    show_default="one a core, or one a GPU",
    help="Processes; several GPUs are theirs in turn.",
)
@click.option(
    "--folds-at-once",
    callback=at_once,
    default="auto",
    metavar="auto|N",
    help="Fits trained as one stack, 1 for each alone; auto: what is fastest here. Changes last "
    "bits at most.",
)
@click.option(
    "--checkpoint-every",
    type=click.FloatRange(min=0),
    default=30.0,
    metavar="SECONDS",
    help="What a killed fit may lose; never changes a number.",
)
@click.option(
    "--keep-networks",
    is_flag=True,
    help="Put the network of every fit into runs/NAME/checkpoints/, as safetensors and JSON.",
)
@click.option(
    "--shuffle-labels",
    is_flag=True,
    help="The control: with labels permuted, scores must fall to chance.",
)
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="runs/NAME",
    help="The folder to write.",
)
@click.option("--force", is_flag=True, help="Replace the run that is there.")
@click.option(
    "--json", "as_json", is_flag=True, is_eager=True, help="Print results.json instead of tables."
)
def cli(
    features: tuple[Path, ...],
    model: str,
    protocol: str,
    split: str | None,
    seeds: int,
    device: str,
    workers: int | None,
    folds_at_once: int | None,
    checkpoint_every: float,
    keep_networks: bool,
    shuffle_labels: bool,
    augment: tuple[str, ...],
    backbone: Path | None,
    out: Path,
    force: bool,
    as_json: bool,
    **fit: Any,
) -> None:
    """Train a network on a feature store and test it on people it has not seen.

    The number of epochs is fixed beforehand (or chosen on training subjects: --validation), the
    last one is scored, and nothing is chosen on a test subject. The predictions of all folds are
    pooled before they are scored.

    An interrupted run goes on when the same command is given again: what is done is kept in
    runs/.NAME.work/ until the run is whole, and mer-report score reads its predictions so far.
    """
    refuse_mistyped(features, model, protocol, out, force)
    if workers != 1 and device != "cuda":
        forks.begin()
    from features.protocol import load as load_protocol
    from train.folds import LOSO
    from train.models.base import load
    from train.request import Request
    from train.run import run

    asked = {name: value for name, value in fit.items() if value is not None}
    if augment:
        if "none" in augment and len(augment) > 1:
            raise click.UsageError("--augment none goes alone")
        asked["augment"] = tuple(name for name in CHANGES if name in augment)
    try:
        config = replace(load(model).fit, **asked)
    except ValueError as error:
        raise MerError(str(error), "correct that option: mer-train --help", USAGE) from error
    parted = split or load_protocol(protocol).split
    if split is None and parted != LOSO:
        click.echo(f"{protocol} leaves out a {parted} at a time: --split {parted}", err=True)
    request = Request(features, model, protocol, seeds, config, shuffle_labels, parted, backbone)
    stop_on_sigterm()
    try:
        results = run(
            request, out, device, workers, force, keep_networks, checkpoint_every, folds_at_once
        )
    except (KeyboardInterrupt, Interrupted) as error:
        remedy = "run the same command again: finished fits are kept"
        raise MerError("interrupted", remedy, INTERRUPTED) from error
    if as_json:
        click.echo(json.dumps(results, indent=1, ensure_ascii=False))
        return
    from train.tables import show

    names = " and ".join(path.name for path in features)
    control = ", labels shuffled: a control" if shuffle_labels else ""
    show(results["scores"], f"{model} on {names}, {protocol}{control}")
    if results["left_out"]:
        left_out = plural(results["left_out"], "sample")
        click.echo(f"{left_out} left out: no emotion, or not in {protocol}")
    for difference in results["differences"]:
        click.echo(f"{protocol}: {printable(difference)}", err=True)
    parts = config.validation
    chosen = f"epoch chosen on one in {parts} training subjects" if parts else "last epoch"
    click.echo(f"{chosen}, nothing chosen on the test subject")
    click.echo(
        f"{results['seconds']} s on {results['device']}, written to {out}/; see report.html there"
    )
