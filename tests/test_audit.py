"""Leaks planted one by one into an honest run, and the honest run itself."""

import csv
import json
import shlex
import shutil
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from sklearn.metrics import f1_score

from features import protocol
from tests.tiny_store import arrays, row, rows, tiny_store
from train.audit import kept_to
from train.predictions import Predictions, Row
from train.report import cli as report

SHORT = ["--seeds", "2", "--epochs", "2", "--batch-size", "8", "--learning-rate", "3e-4",
         "--device", "cpu", "--workers", "1"]  # fmt: skip


def mer_train(*args):
    from train.cli import cli

    done = CliRunner().invoke(cli, [str(arg) for arg in args])
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A store, a run of it and the run's control."""
    folder = tmp_path_factory.mktemp("honest")
    store = tiny_store(folder / "tiny.h5")
    mer_train("--features", store, *SHORT, "-o", folder / "run")
    mer_train("--features", store, *SHORT, "--shuffle-labels", "-o", folder / "run-shuffled")
    return SimpleNamespace(store=store, run=folder / "run", control=folder / "run-shuffled")


class Copy:
    """A copy of the honest run to plant a leak in."""

    def __init__(self, honest, tmp_path):
        self.folder = tmp_path / "run"
        shutil.copytree(honest.run, self.folder)
        shutil.copytree(honest.control, tmp_path / "run-shuffled")
        self.control = tmp_path / "run-shuffled"

    def rewrite(self, change, folder=None):
        """Change the rows, a list of dicts, in place; `change` may return others."""
        path = (folder or self.folder) / "predictions.csv"
        with path.open(newline="") as file:
            table = list(csv.DictReader(file))
        table = change(table) or table
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, table[0])
            writer.writeheader()
            writer.writerows(table)

    def state(self, values, folder=None):
        """Have the folder tell nothing but `values`."""
        (folder or self.folder).joinpath("results.json").write_text(json.dumps(values))
        (folder or self.folder).joinpath("config.toml").unlink()


@pytest.fixture
def copy(honest, tmp_path):
    return Copy(honest, tmp_path)


def audited(path, *args):
    """The audit's JSON, and its exit code."""
    done = CliRunner().invoke(report, ["audit", str(path), *map(str, args), "--json"])
    assert done.stdout, done.stderr
    return SimpleNamespace(**json.loads(done.stdout), exit_code=done.exit_code)


def only(audit, kind):
    """The one finding, which must be of this kind."""
    assert [one["kind"] for one in audit.findings] == [kind], audit.findings
    assert audit.exit_code == 4
    return audit.findings[0]


def of(audit, kind):
    """The first finding of a kind among several."""
    assert audit.exit_code == 4
    return next(one for one in audit.findings if one["kind"] == kind)


def test_an_honest_run_with_its_store_and_control_is_clean_without_a_remark(honest):
    done = CliRunner().invoke(report, ["audit", str(honest.run), "--features", str(honest.store)])
    assert done.stdout == "clean: no leak found in 72 predictions\n"
    assert done.exit_code == 0


def test_predictions_alone_can_be_audited_and_what_was_not_looked_at_is_said(honest, tmp_path):
    shutil.copy(honest.run / "predictions.csv", tmp_path / "theirs.csv")
    audit = audited(tmp_path / "theirs.csv")
    assert audit.clean
    assert audit.exit_code == 0
    assert [one["kind"] for one in audit.remarks] == ["clip", "protocol", "figure", "control"]


def test_a_subject_that_lies_in_two_folds_is_found(copy):
    def split(table):
        for line in table:
            if line["sample_id"] == "s1-disgust-0":
                line["fold"] = "tiny/s2"

    copy.rewrite(split)
    finding = only(audited(copy.folder), "subject")
    assert "tiny/s1 is trained on where it is tested" in finding["sentence"]
    assert finding["evidence"]["folds"]["tiny/s2"] == ["s1-disgust-0"]
    assert finding["evidence"]["seeds"] == [0, 1]


def test_a_fold_of_two_whole_subjects_is_only_a_remark(copy):
    def merge(table):
        for line in table:
            line["fold"] = line["fold"].replace("s3", "s2")

    copy.rewrite(merge)
    audit = audited(copy.folder)
    assert audit.clean
    assert any("fold tiny/s2 tests 2 subjects" in one["sentence"] for one in audit.remarks)


def twin_store(path, *pair):
    """A store of the tiny samples in which two have the same arrays."""

    def alike(sample):
        return arrays({**sample, "sample_id": pair[0]} if sample["sample_id"] in pair else sample)

    return tiny_store(path, make=alike)


def test_the_same_clip_under_two_subjects_is_found_by_the_store(copy, tmp_path):
    store = twin_store(tmp_path / "twins.h5", "s0-surprise-0", "s1-surprise-0")
    finding = of(audited(copy.folder, "--features", store), "clip")
    assert finding["evidence"]["samples"] == ["s0-surprise-0", "s1-surprise-0"]
    assert finding["evidence"]["folds"] == ["tiny/s0", "tiny/s1"]


def test_the_same_clip_twice_under_one_subject_is_only_a_remark(copy, tmp_path):
    store = twin_store(tmp_path / "twins.h5", "s0-surprise-0", "s0-surprise-1")
    audit = audited(copy.folder, "--features", store)
    assert [one["kind"] for one in audit.findings] == ["store"]  # it is not the run's
    assert any("the same clip under 2 names" in one["sentence"] for one in audit.remarks)


def test_a_sample_that_stands_under_two_subjects_is_found_without_a_store(copy):
    def rename(table):
        for line in table:
            if line["sample_id"] == "s0-disgust-0" and line["seed"] == "1":
                line |= {"subject": "s1", "fold": "tiny/s1"}

    copy.rewrite(rename)
    finding = only(audited(copy.folder), "clip")
    assert finding["evidence"]["subjects"] == ["tiny/s0", "tiny/s1"]


def test_a_sample_counted_twice_is_found(copy):
    copy.rewrite(lambda table: [*table, table[0]])
    finding = of(audited(copy.folder), "twice")
    assert finding["evidence"] == {"seed": 0, "samples": ["s0-disgust-0"]}


def test_a_sample_missing_from_a_seed_is_found(copy):
    copy.rewrite(lambda table: table[:-1])
    finding = of(audited(copy.folder), "missing")
    assert finding["evidence"] == {"seed": 1, "samples": ["s3-surprise-2"]}


def dropped(table):
    return [line for line in table if line["sample_id"] != "s2-happiness-1"]


def test_a_sample_missing_from_all_seeds_is_found_by_the_store(honest, copy):
    copy.rewrite(dropped)
    assert not [one for one in audited(copy.folder).findings if one["kind"] == "missing"]
    finding = of(audited(copy.folder, "--features", honest.store), "missing")
    assert finding["evidence"]["samples"] == ["s2-happiness-1"]


def test_a_sample_that_the_store_does_not_hold_is_found(honest, copy):
    def rename(table):
        for line in table:
            line["sample_id"] = line["sample_id"].replace("s2-happiness-1", "s2-new")

    copy.rewrite(rename)
    finding = of(audited(copy.folder, "--features", honest.store), "foreign")
    assert finding["evidence"]["samples"] == ["s2-new"]


def test_a_subject_renamed_to_hide_a_leak_is_found_by_the_store(honest, copy):
    def rename(table):
        for line in table:
            if line["sample_id"] == "s1-disgust-0":
                line |= {"subject": "s9", "fold": "tiny/s9"}

    copy.rewrite(rename)
    assert audited(copy.folder).clean
    finding = only(audited(copy.folder, "--features", honest.store), "renamed")
    assert "is of tiny/s1, here of tiny/s9" in finding["sentence"]


def test_a_truth_that_is_not_the_stores_is_found(honest, copy):
    def flatter(table):
        for line in table:
            line["truth"] = line["prediction"]

    copy.rewrite(flatter)
    finding = of(audited(copy.folder, "--features", honest.store), "truth")
    assert finding["evidence"]["samples"]


def test_a_store_the_run_was_not_trained_from_is_found(copy, tmp_path):
    other = tiny_store(tmp_path / "other.h5", columns=("strain",))
    finding = only(audited(copy.folder, "--features", other), "store")
    assert "other.h5 is not a store of this run" in finding["sentence"]


def test_a_store_of_the_run_that_is_not_given_is_a_remark(honest, copy):
    told = json.loads((copy.folder / "results.json").read_text())
    more = {"name": "more.h5", "key": "0" * 32, "blake3": "1" * 64}
    copy.state({**told, "stores": [*told["stores"], more]})
    audit = audited(copy.folder, "--features", honest.store)
    assert audit.clean
    assert [one["evidence"] for one in audit.remarks] == [{"store": "more.h5"}]


def test_an_epoch_chosen_for_each_fold_is_found(copy):
    def choose(table):
        for line in table:
            line["epoch"] = 1 if line["fold"] == "tiny/s3" and line["seed"] == "1" else 2

    copy.rewrite(choose)
    finding = only(audited(copy.folder), "epoch")
    assert "seed 1: epoch 1: 1: tiny/s3; epoch 2: 3: tiny/s0" in finding["sentence"]
    assert finding["evidence"] == {"seeds": [1], "epochs": [1, 2]}


def test_an_epoch_before_the_last_is_found(copy):
    copy.rewrite(lambda table: [{**line, "epoch": 1} for line in table])
    finding = only(audited(copy.folder), "epoch")
    assert finding["evidence"] == {"epochs": [1], "asked": 2}


def test_a_seed_kept_of_several_is_found(copy):
    copy.rewrite(lambda table: [line for line in table if line["seed"] == "1"])
    finding = of(audited(copy.folder), "seeds")
    assert finding["evidence"] == {"seeds": [1], "asked": [0, 1]}


def test_other_peoples_odd_seeds_are_only_a_remark(honest, tmp_path):
    text = (honest.run / "predictions.csv").read_text()
    (tmp_path / "theirs.csv").write_text(text.replace("run,1,", "run,7,"))
    audit = audited(tmp_path / "theirs.csv")
    assert audit.clean
    assert any("seeds are 0, 7" in one["sentence"] for one in audit.remarks)


@pytest.mark.parametrize(("over", "kind"), [("all", "statistics"), ("test", "statistics")])
def test_statistics_over_test_subjects_are_found(copy, over, kind):
    copy.state({"protocol": "loso", "normalised_over": over})
    assert repr(over) in only(audited(copy.folder), kind)["sentence"]


def test_statistics_over_the_training_subjects_are_no_leak(copy):
    copy.state({"protocol": "loso", "normalised_over": "train"})
    assert audited(copy.folder).clean


def test_a_protocol_that_the_samples_do_not_keep_to_is_found(copy):
    audit = audited(copy.folder, "--protocol", "smic-3")
    assert {one["kind"] for one in audit.findings} == {"classes", "dataset", "counts"}
    assert any("negative 0, expected 70" in one["sentence"] for one in audit.findings)


def smic(exclude=0):
    """As many samples of as many people as the protocol wants, less some."""
    part = protocol.load("smic-3").parts["smic"]
    subjects = [name for name, n in part.per_subject.items() for _ in range(n)]
    subjects = subjects or [str(i % 16) for i in range(164)]
    truths = [name for name, n in part.expected.items() for _ in range(n)]
    made = [
        Row("r", 0, f"smic/{who}", f"c{i}", "smic", who, truth, truth, (1.0, 0.0, 0.0), 1)
        for i, (who, truth) in enumerate(zip(subjects, truths, strict=True))
    ]
    return made[exclude:]


def test_a_protocols_own_samples_are_clean_and_one_less_is_found():
    wanted = protocol.load("smic-3")
    classes = ("negative", "positive", "surprise")
    assert list(kept_to(Predictions(classes, tuple(smic())), wanted, False)) == []
    less = list(kept_to(Predictions(classes, tuple(smic(exclude=1))), wanted, False))
    assert {one.kind for one in less} == {"counts"}
    more = list(kept_to(Predictions((*classes, "others"), tuple(smic())), wanted, False))
    assert [one.kind for one in more] == ["classes"]


def test_a_sample_that_the_protocol_excludes_is_found():
    name = "casme2_sub04_EP12_01f"
    kept = [replace(one, dataset="casme2", sample_id=name) for one in smic()[:1]]
    table = Predictions(("negative", "positive", "surprise"), tuple(kept))
    found = list(kept_to(table, protocol.load("megc2019"), False))
    assert [one.evidence for one in found if one.kind == "excluded"] == [{"samples": [name]}]


def per_fold(path, measure):
    """The mean of a measure over folds and seeds, by scikit-learn."""
    folds = {}
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            pair = folds.setdefault((line["seed"], line["fold"]), ([], []))
            pair[0].append(line["truth"])
            pair[1].append(line["prediction"])
    return sum(measure(*pair) for pair in folds.values()) / len(folds)


def macro(truth, guess):
    return f1_score(truth, guess, average="macro", zero_division=0)


def pooled(folder):
    return json.loads((folder / "results.json").read_text())["scores"]["network"]["UF1"]


def test_a_stated_figure_that_the_predictions_do_not_give_is_found(copy):
    true = pooled(copy.folder)["mean"]
    copy.state({"protocol": "loso", "UF1": 0.987})
    finding = only(audited(copy.folder), "figure")
    assert finding["sentence"] == f"stated UF1 0.987, pooled it is {true:.4g}"
    assert finding["evidence"]["explained"] == ""


def test_a_figure_changed_in_our_own_results_is_found(copy):
    results = json.loads((copy.folder / "results.json").read_text())
    results["scores"]["network"]["UAR"]["mean"] += 0.001
    (copy.folder / "results.json").write_text(json.dumps(results))
    assert only(audited(copy.folder), "figure")["evidence"]["measure"] == "UAR"


@pytest.mark.parametrize("written", [lambda x: round(x, 2), lambda x: round(100 * x, 1)])
def test_a_true_figure_may_be_rounded_or_in_percent(copy, written):
    copy.state({"protocol": "loso", "UF1": written(pooled(copy.folder)["mean"])})
    assert audited(copy.folder).clean


def test_the_mean_of_the_folds_is_named_as_such(copy):
    mean = per_fold(copy.folder / "predictions.csv", macro)
    assert abs(mean - pooled(copy.folder)["mean"]) > 1e-3
    copy.state({"protocol": "loso", "UF1": mean})
    explained = only(audited(copy.folder), "figure")["evidence"]["explained"]
    assert explained.startswith("the mean of the folds' UF1")


def test_the_best_of_the_seeds_is_named_as_such(copy):
    found = pooled(copy.folder)
    assert max(found["seeds"]) > found["mean"]
    copy.state({"protocol": "loso", "UF1": max(found["seeds"])})
    explained = only(audited(copy.folder), "figure")["evidence"]["explained"]
    assert explained == "the UF1 of the best of 2 seeds"


def right(table):
    for line in table:
        line["prediction"] = line["truth"]


def test_the_oracles_figure_stated_as_ones_own_is_named_as_such(copy):
    ours = (copy.folder / "predictions.csv").read_text()
    copy.rewrite(right)
    (copy.folder / "predictions.csv").rename(copy.folder / "oracle.csv")
    (copy.folder / "predictions.csv").write_text(ours)
    copy.state({"protocol": "loso", "UF1": 1.0})
    assert "oracle.csv" in only(audited(copy.folder), "figure")["evidence"]["explained"]


def test_a_control_above_chance_is_found(copy):
    copy.rewrite(right, copy.control)
    finding = only(audited(copy.folder), "control")
    assert "run-shuffled: with shuffled labels UAR is" in finding["sentence"]
    assert finding["evidence"]["UAR"] == [1, 1]


def test_a_control_that_is_audited_itself_must_be_at_chance(copy):
    copy.rewrite(right, copy.control)
    assert of(audited(copy.control), "control")


def test_a_control_is_not_blamed_for_truths_and_counts_that_were_shuffled(honest):
    assert audited(honest.control, "--features", honest.store).clean
    table = Predictions(("negative", "positive", "surprise"), tuple(smic(exclude=1)))
    assert list(kept_to(table, protocol.load("smic-3"), True)) == []


def test_a_control_below_chance_leaks_nothing_and_is_a_remark(copy):
    def wrong(table):
        names = ["disgust", "happiness", "surprise"]
        for line in table:
            line["prediction"] = names[names.index(line["truth"]) - 1]

    copy.rewrite(wrong, copy.control)
    audit = audited(copy.folder)
    assert audit.clean
    assert any("below 0.333" in one["sentence"] for one in audit.remarks)


def test_a_run_beside_it_whose_labels_are_true_is_no_control(copy):
    shutil.rmtree(copy.control)
    shutil.copytree(copy.folder, copy.control)
    assert any("it is no control" in one["sentence"] for one in audited(copy.folder).remarks)


def test_a_missing_control_is_named_with_the_command_that_makes_it(honest, copy):
    from train.cli import cli

    shutil.rmtree(copy.control)
    remark = next(one for one in audited(copy.folder).remarks if one["kind"] == "control")
    name, *args = shlex.split(remark["evidence"]["command"])
    parsed = cli.make_context(name, args).params
    assert name == "mer-train"
    assert parsed["shuffle_labels"] is True
    assert [str(path) for path in parsed["features"]] == [str(honest.store)]
    assert (parsed["seeds"], parsed["epochs"], parsed["out"]) == (2, 2, copy.control)


def test_findings_are_printed_a_line_each_with_a_verdict_last(copy):
    copy.rewrite(lambda table: [{**line, "epoch": 1} for line in table])
    done = CliRunner().invoke(report, ["audit", str(copy.folder)])
    *_, last = done.stdout.splitlines()
    assert last == "not to be believed as it stands: 1 findings (epoch)"
    assert any(
        line.startswith("finding, epoch: the predictions") for line in done.stdout.split("\n")
    )
    assert done.exit_code == 4


def test_an_unknown_protocol_is_a_usage_error(honest):
    done = CliRunner().invoke(report, ["audit", str(honest.run), "--protocol", "losso"])
    assert done.exit_code == 2
    assert "did you mean 'loso'?" in done.stderr


def test_labels_of_a_held_out_subject_change_none_of_its_predictions(tmp_path):
    """Real fits: were its labels to reach the training, its probabilities would move."""
    told = {}
    for name in ("true", "other"):
        samples = rows()
        if name == "other":
            for sample in samples[: len(samples) // 4]:
                sample["emotion"] = "surprise"
        store = tiny_store(tmp_path / f"{name}.h5", samples, make=of_its_name)
        mer_train("--features", store, *SHORT, "--seeds", "1", "-o", tmp_path / name)
        with (tmp_path / name / "predictions.csv").open(newline="") as file:
            told[name] = {line["sample_id"]: line for line in csv.DictReader(file)}
    columns = ("p_disgust", "p_happiness", "p_surprise", "prediction")
    same = Counter(
        (told["true"][sample]["fold"], all(told["true"][sample][c] == line[c] for c in columns))
        for sample, line in told["other"].items()
    )
    assert same["tiny/s0", True] == 9
    assert {fold for fold, alike in same if not alike} == {"tiny/s1", "tiny/s2", "tiny/s3"}


def of_its_name(sample):
    """Arrays by the name, whatever the label says."""
    subject, emotion, _ = sample["sample_id"].split("-")
    return arrays(row(sample["sample_id"], subject, emotion))
