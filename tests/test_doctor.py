import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline import doctor
from pipeline.cli import cli
from pipeline.copies import Copy
from pipeline.datasets import demo
from pipeline.manifest import BadRow, Manifest
from pipeline.scan import scan
from tests.movies import cut_in_half, write_video


@pytest.fixture
def root(demo_root, tmp_path) -> Path:
    shutil.copytree(demo_root, tmp_path / "demo")
    return tmp_path / "demo"


def examine(manifest: Manifest, root: Path, engine=None) -> doctor.Diagnosis:
    copy = Copy("demo", demo.DATASET, root)
    return doctor.examine(copy, scan(manifest, root, root.parent / "cache"), engine)


def frame(root: Path, manifest: Manifest, k: int, number: int) -> Path:
    sample = manifest.samples[k]
    return root / sample.path / f"img{sample.onset + number}.jpg"


def test_a_good_copy_is_healthy_and_counted(root):
    found = examine(demo.read(root), root)
    assert found.healthy
    assert (found.samples, found.subjects, found.fps) == (8, 2, {"100": 8})
    assert found.emotions == {"disgust": 2, "happiness": 2, "sadness": 2, "surprise": 2}
    assert found.apex_sources == {"sheet": 8}
    assert (found.notes, found.holes, found.duplicates, found.unusable) == ({}, {}, [], [])


def test_what_is_missing_cut_or_misread_is_named_with_its_reason(root):
    manifest = demo.read(root)
    frame(root, manifest, 0, 3).unlink()
    cut_in_half(frame(root, manifest, 1, 2))
    shutil.rmtree(root / manifest.samples[2].path)
    manifest = replace(manifest, bad=(BadRow("sheet row 9", "onset is '?'"),))
    found = examine(manifest, root)
    assert not found.healthy
    assert found.samples == 5
    told = {failure.sample_id: failure.code for failure in found.unusable}
    ids = [sample.sample_id for sample in manifest.samples]
    assert told == {
        ids[0]: "missing_frame", ids[1]: "truncated", ids[2]: "missing_file",
        "sheet row 9": "bad_row",
    }  # fmt: skip


def test_known_holes_are_told_and_do_no_harm(root):
    manifest = demo.read(root)
    frame(root, manifest, 0, 3).unlink()
    tolerant = replace(manifest.samples[0], missing_frames="nearest")
    found = examine(Manifest((tolerant, *manifest.samples[1:])), root)
    assert found.healthy
    length = tolerant.offset - tolerant.onset + 1
    assert found.holes == {tolerant.sample_id: f"1 of {length} frames missing"}


def test_the_same_clip_under_two_names_is_found(root):
    manifest = demo.read(root)
    first = manifest.samples[0]
    shutil.copytree(root / first.path, root / "again")
    again = replace(first, sample_id="demo_again", subject="77", path="again")
    found = examine(Manifest((*manifest.samples, again)), root)
    assert found.duplicates == [["demo_again", first.sample_id]]


def test_a_frame_that_is_whole_and_yet_no_picture_is_found_by_decoding(root, engine):
    manifest = demo.read(root)
    path = frame(root, manifest, 4, 5)
    data = bytearray(path.read_bytes())
    data[2:200] = bytes(198)  # its tables; the end is as it should be
    path.write_bytes(data)
    assert examine(manifest, root).healthy
    (failure,) = examine(manifest, root, engine).unusable
    assert (failure.sample_id, failure.stage) == (manifest.samples[4].sample_id, "decode")
    assert path.name in failure.message


def test_a_video_that_is_shorter_than_it_says_or_than_its_row_is_found_by_decoding(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), np.uint8)
    cut_in_half(write_video(tmp_path / "cut.avi", noise))
    write_video(tmp_path / "smile.avi", noise)
    rows = ["good,p1,smile.avi,1,30,100", "long,p2,smile.avi,1,300,100", "cut,p3,cut.avi,1,9,100"]
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(["sample_id,subject,path,onset,offset,fps", *rows]))
    done = CliRunner().invoke(cli, ["doctor", str(path), "--decode", "--workers", "0"])
    assert done.exit_code == 3
    assert "1 sample of 1 subject can be used" in done.stdout
    assert "apex 150, offset 300: the video holds frames 1 … 30" in done.stdout
    assert "cut.avi: its header promises 30 frames" in done.stdout


def test_the_command_tells_it_in_words_and_in_json_and_ends_with_3(root):
    words = ["doctor", "demo", "--root", str(root)]
    good = CliRunner().invoke(cli, words)
    assert good.exit_code == 0
    assert "demo: 8 samples of 2 subjects can be used" in good.stdout
    frame(root, demo.read(root), 0, 3).unlink()
    bad = CliRunner().invoke(cli, words)
    assert bad.exit_code == 3
    assert "cannot be used: 1" in bad.stdout
    told = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)
    assert told["healthy"] is False
    assert told["unusable"][0]["code"] == "missing_frame"


def test_a_remark_costs_no_sample_and_is_told_by_run_and_doctor(root, tmp_path, monkeypatch):
    from pipeline.datasets import base

    def read(root: Path) -> Manifest:
        return replace(demo.read(root), remarks=(BadRow("sub09/extra", "has no row"),))

    monkeypatch.setattr(base, "load", lambda name: base.Dataset(read, "with a folder too many"))
    examined = CliRunner().invoke(cli, ["doctor", "demo", "--root", str(root)])
    assert (examined.exit_code, "  sub09/extra: has no row" in examined.stdout) == (0, True)
    words = ["run", "demo", "--root", str(root), "--out", str(tmp_path), "--workers", "0"]
    done = CliRunner().invoke(cli, [*words, "--json"])
    assert done.exit_code == 0
    assert "sub09/extra: has no row" in done.stderr
    assert json.loads(done.stdout)["remarks"] == ["sub09/extra: has no row"]
