"""Every network on the demo, beside its control: docs/networks.md. `make networks` runs it.

Leave one subject out, 8 folds, 5 seeds; the control, trained and scored with shuffled labels, under
2. A run that is there already, of the same stores and settings, is taken as it is, so that an
interrupted table goes on.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from features.console import stop_on_sigterm
from train.finished import finished
from train.identity import describe
from train.models.base import load
from train.request import Request, asked
from train.run import run
from train.scores import scores
from train.tables import between, percent, spread

ROOT = Path(__file__).parents[1]
STORES, RUNS = ROOT / "stores" / "demo", ROOT / "runs" / "networks"
SEEDS, CONTROL_SEEDS = 5, 2
WORKERS = None  # one a core
PAGE = Path(__file__).parent / "networks.md"

HEADER = """# Every network, on the demo

Made by `make networks`. The demo is {samples} clips of {subjects} synthetic subjects in {classes}
classes, all drawn from one portrait, whose motion is known: **these figures show that each network
works and that nothing leaks, and say nothing about real faces**, nor which network is better on
them.

Leave one subject out, {folds} folds, predictions pooled before they are scored, last epoch, nothing
chosen on a test subject; {seeds} seeds, mean ± standard deviation, percent; the 95 % interval is
from drawing subjects again. Shuffled: the same network trained and scored with labels permuted over
clips, {control} seeds; chance UAR is {chance}. Oracle: every fold at the epoch that is best on its
own test subject, which is no result. The majority has UF1 {majority}.

Sizes are those that train on a CPU; `_lite` are ours, and their rates and numbers of epochs, like
those in the last column that are no network's own, were chosen on eight other synthetic people.

| network | parameters | recipe | UF1 | 95 % | UAR | UF1, shuffled | UF1, oracle | epochs |
|---|---:|---|---:|---:|---:|---:|---:|---|
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A network of the table; `changes` are to its own recipe of training, for a CPU's sake."""

    model: str
    changes: dict[str, Any] = field(default_factory=dict)


FASTER = {"epochs": 30, "learning_rate": 1e-3}
ENTRIES = (
    Entry("svm_linear"),
    Entry("svm_rbf"),
    Entry("svm_hoof"),
    Entry("svm_mdmo"),
    Entry("svm_lbp_top"),
    Entry("ststnet"),
    Entry("off_apexnet", FASTER),
    Entry("off_apexnet_single", FASTER),
    Entry("sssnet", {"epochs": 20, "learning_rate": 1e-3}),
    Entry("rcn_a", {"epochs": 12, "learning_rate": 2e-2}),
    Entry("rcn_s", {"epochs": 12, "learning_rate": 2e-2}),
    Entry("rcn_w", {"epochs": 12, "learning_rate": 2e-2}),
    Entry("htnet_lite"),
    Entry("artnet_lite"),
    Entry("artnet_control_lite"),
    Entry("fr", {"epochs": 20}),
    Entry("mmnet_lite"),
    Entry("fdp_lite"),
    Entry("afn_lite"),
    Entry("dianet_lite"),
    Entry("phase_image_lite"),
    Entry("phase_image_control"),
    Entry("fmanet_lite"),
)


def made(entry: Entry, shuffled: bool) -> Path:
    """The run of an entry, or its control; trained unless it is there already."""
    model = load(entry.model)
    store = STORES / f"{model.recipe}.h5"
    out = RUNS / (entry.model + ("-shuffled" if shuffled else ""))
    request = Request(
        (store,),
        entry.model,
        "loso",
        CONTROL_SEEDS if shuffled else SEEDS,
        replace(model.fit, **entry.changes),
        shuffled,
    )
    if not same(out, request):
        print(f"{out.name}: training", flush=True)
        run(request, out, "auto", WORKERS, force=True)
    return out


def same(out: Path, request: Request) -> bool:
    """Whether the run at `out` is of this request and of stores of the same bytes."""
    results = out / "results.json"
    if not results.is_file():
        return False
    told = json.loads(results.read_text())
    wanted = json.loads(json.dumps({**asked(request), "seeds": list(range(request.seeds))}))
    there = {name: told.get(name) for name in wanted}
    return there == wanted and told["stores"] == [describe(path) for path in request.features]


def line(entry: Entry, found: dict[str, Any], control: dict[str, Any]) -> str:
    """A row of the table."""
    model = load(entry.model)
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in entry.changes.items())
    cells = (
        f"`{entry.model}`",
        f"{model.parameters(found['counts']['classes']):,}",
        f"`{model.recipe}`",
        spread(found["network"]["UF1"]),
        between(found["network"]["UF1"]),
        spread(found["network"]["UAR"]),
        spread(control["network"]["UF1"]),
        spread(found["oracle"]["UF1"]),
        told or str(model.fit.epochs),
    )
    return f"| {' | '.join(cells)} |\n"


def scored(out: Path) -> dict[str, Any]:
    """The scores of a run, from its predictions."""
    it = finished(out)
    return scores(it.predictions, it.oracle)


def main() -> None:
    """Train what is missing and write the page."""
    stop_on_sigterm()
    pairs = [(entry, scored(made(entry, False)), scored(made(entry, True))) for entry in ENTRIES]
    first = pairs[0][1]
    page = HEADER.format(
        **{name: first["counts"][name] for name in ("samples", "subjects", "classes", "folds")},
        seeds=SEEDS,
        control=CONTROL_SEEDS,
        chance=percent(first["chance"]["UAR"]),
        majority=percent(first["majority"]["UF1"]["mean"]),
    )
    PAGE.write_text(page + "".join(line(*each) for each in pairs))
    print(f"written to {PAGE}")


if __name__ == "__main__":
    main()
