"""mer-report: what can be said of runs that are already there."""

import json
from pathlib import Path
from typing import Any

import click

from features.console import INTEGRITY, USAGE, Choice, MerError, Rim, examples, printable
from train.measures import MEASURES, UNIT_MEASURES

EXAMPLE = examples(
    "mer-report score runs/demo",
    "mer-report audit runs/demo --features stores/demo/flow.h5",
    "mer-report compare runs/demo runs/other",
    "mer-report table runs/demo runs/other --format md",
    "mer-report page runs/demo runs/other -o comparison.html",
    "mer-report export runs/demo tensorboard",
)
RUN = click.Path(path_type=Path)
JSON = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")


@click.group(cls=Rim, context_settings={"show_default": True}, epilog=EXAMPLE)
def cli() -> None:
    """Report on finished runs; RUN is a run's folder, or its predictions.csv alone."""


@cli.command(epilog=examples("mer-report score runs/demo/predictions.csv"))
@click.argument("run", type=RUN)
@click.option("--subjects", is_flag=True, help="Print a table of subjects too.")
@JSON
def score(run: Path, subjects: bool, as_json: bool) -> None:
    """Score RUN again, from its predictions alone.

    Every figure has a 95 % interval from drawing subjects again. An oracle.csv in the folder,
    of epochs chosen on the test subjects, gets a column of its own. What an interrupted mer-train
    leaves in runs/.NAME.work/ is scored as far as it goes, and said to be partial.
    """
    from train.finished import finished  # --help need not load scikit-learn
    from train.predictions import read_so_far
    from train.scores import scores

    found = finished(run, read_so_far)
    result = scores(found.predictions, found.oracle)
    partial, seeds = found.predictions.partial, found.predictions.seeds()
    if as_json:
        print_json({"partial": partial, "seeds": seeds, **result} if partial else result)
        return
    from train import tables

    of = f", partial: {partial}, no result; of seeds {', '.join(map(str, seeds))}"
    tables.show(result, f"{run}{of if partial else ''}")
    if subjects:
        tables.out(tables.per_subject(result))


@cli.command(epilog=examples("mer-report audit runs/demo --features stores/demo/flow.h5"))
@click.argument("run", type=RUN)
@click.option(
    "--features",
    "stores",
    multiple=True,
    type=RUN,
    metavar="FILE.h5",
    help="A store the run was trained from; shows equal clips and changed labels.",
)
@click.option("--protocol", show_default="as the run says", help="mer-features list protocols.")
@JSON
@click.pass_context
def audit(
    ctx: click.Context, run: Path, stores: tuple[Path, ...], protocol: str | None, as_json: bool
) -> None:
    """Look for leaks in RUN, ours or anyone's; exit code 4 if there is one.

    Its control, trained with --shuffle-labels, is looked for in RUN-shuffled.
    """
    from train.audit import audit as look
    from train.audit import named
    from train.control import beside
    from train.finished import finished
    from train.predictions import read_as_is
    from train.sources import read_source

    found = finished(run, read_as_is)
    wanted = named(protocol, found.told)
    result = look(found, [read_source(path) for path in stores], wanted, beside(found))
    if as_json:
        print_json(result.plain())
    else:
        for one in result.found:
            weight = "remark" if one.remark else "finding"
            click.echo(f"{weight}, {one.kind}: {printable(one.sentence)}")
        click.echo(result.verdict)
    ctx.exit(INTEGRITY if result.findings else 0)


@cli.command(epilog=examples("mer-report compare runs/ststnet runs/sssnet"))
@click.argument("first", type=RUN)
@click.argument("others", type=RUN, nargs=-1, required=True, metavar="RUN...")
@JSON
def compare(first: Path, others: tuple[Path, ...], as_json: bool) -> None:
    """Compare each RUN with FIRST on the same samples.

    Differences have a 95 % interval from drawing subjects again, and the p-value of swapping
    the two runs' predictions subject by subject.
    """
    from train.compare import compare as measure
    from train.finished import finished

    result = measure([finished(path) for path in (first, *others)])
    if as_json:
        print_json(result)
        return
    from train import tables

    tables.out(tables.comparison(result), tables.swaps(result))


@cli.command(epilog=examples("mer-report table runs/ststnet runs/sssnet --format latex"))
@click.argument("runs", type=RUN, nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--measure",
    type=Choice([*MEASURES, *UNIT_MEASURES]),
    show_default="UF1; F1 of action units",
    help="What to tabulate.",
)
@click.option(
    "--format",
    "style",
    type=Choice(["text", "md", "csv", "latex"]),
    default="text",
    help="How to write it.",
)
@JSON
def table(runs: tuple[Path, ...], measure: str | None, style: str, as_json: bool) -> None:
    """Set RUNs beside what was published for their model and protocol."""
    from train.finished import finished
    from train.standings import measure_of, standings, written

    found = [finished(path) for path in runs]
    measure = measure_of(found, measure)
    rows = standings(found, measure)
    if as_json:
        print_json({"measure": measure, "rows": rows})
        return
    result = written(rows, measure)
    if style == "text":
        from train import tables

        tables.out(result.title, tables.of_words(result), *result.numbered())
        return
    from train.written import FORMATS

    click.echo(FORMATS[style](result))


@cli.command(
    epilog=examples(
        "mer-report page runs/demo --beside runs/svm -o report.html",
        "mer-report page runs/demo runs/other -o comparison.html",
    )
)
@click.argument("runs", type=RUN, nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--beside",
    "others",
    multiple=True,
    type=RUN,
    metavar="RUN",
    help="A run to be set beside the one, as a baseline; repeat it for more.",
)
@click.option(
    "--features",
    "stores",
    multiple=True,
    type=RUN,
    metavar="FILE.h5",
    help="A store the one run was trained from; audited with it.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.html",
    help="The page to write.",
)
@JSON
def page(
    runs: tuple[Path, ...],
    others: tuple[Path, ...],
    stores: tuple[Path, ...],
    output: Path,
    as_json: bool,
) -> None:
    """Write a page of RUN, or one that compares the others of several with the first.

    It is whole in one file, with no script and nothing to fetch. mer-train writes such a page
    as report.html beside the predictions; made again, it knows what has come to lie beside it.
    """
    if len(runs) > 1 and (others or stores):
        raise MerError(
            "--beside and --features belong to the page of one run",
            "name every RUN of a comparison without them",
            USAGE,
        )
    from features.disk import write_durably
    from train import curves
    from train.audit import audit, named
    from train.control import beside
    from train.finished import finished
    from train.page import Audited, comparison_page, link, run_page
    from train.paper import scored
    from train.sources import read_source

    sources = [read_source(path) for path in stores]
    found = [finished(path) for path in runs]
    judged = [audit(one, sources, named(None, one.told), beside(one)) for one in found]
    if len(found) == 1:
        (one,) = found
        baselines = [scored(finished(path)) for path in others]
        text = run_page(scored(one), judged[0], baselines, curves.beside(one.folder))
    else:
        pairs = zip(found, judged, strict=True)
        text = comparison_page([Audited(scored(o), a, link(o, output)) for o, a in pairs])
    write_durably(output, text.encode())
    if as_json:
        findings = sum(len(one.findings) for one in judged)
        print_json({"page": str(output), "runs": list(map(str, runs)), "findings": findings})
        return
    click.echo(f"page of {len(runs)} {'run' if len(runs) == 1 else 'runs'} written to {output}")


@cli.command(
    epilog=examples(
        "mer-report export runs/demo tensorboard",
        "MLFLOW_TRACKING_URI=http://127.0.0.1:5000 mer-report export runs/demo mlflow",
    )
)
@click.argument("run", type=RUN)
@click.argument("tracker", type=Choice(["tensorboard", "mlflow"]))
@click.option(
    "-o",
    "--output",
    type=RUN,
    metavar="FOLDER",
    show_default="RUN/tensorboard",
    help="Where TensorBoard's files go; MLflow has its own environment variables.",
)
@JSON
def export(run: Path, tracker: str, output: Path | None, as_json: bool) -> None:
    """Hand RUN to TensorBoard or MLflow: settings, scores, the curves of every fit.

    What was seen on the test subjects while training is named no_result/…
    """
    if tracker == "mlflow" and output is not None:
        raise MerError(
            "-o is for tensorboard",
            "tell mlflow by MLFLOW_TRACKING_URI where to write",
            USAGE,
        )
    from train.finished import finished
    from train.trackers import logged, to_mlflow, to_tensorboard

    found = finished(run)
    if tracker == "mlflow":
        made = to_mlflow(logged(found))
        told = f"{found.name} is MLflow's run {made}"
    else:
        made = str(output or (found.folder or found.path.parent) / "tensorboard")
        to_tensorboard(logged(found), Path(made))
        told = f"{found.name} written to {made}; to see it: tensorboard --logdir {made}"
    if as_json:
        print_json({"run": found.name, tracker: made})
    else:
        click.echo(told)


def print_json(value: dict[str, Any]) -> None:
    """Print to stdout, in words as they are."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))
