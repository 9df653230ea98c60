import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from features.console import INTEGRITY, MerError
from features.store import Store
from pipeline import told
from pipeline.cli import cli
from pipeline.machine import check_code, code, numerics
from pipeline.run import Report
from tests.movies import cut_in_half
from tests.walls import made, walls

ROOT = Path(__file__).parents[1]
OTHER = {"OPENCV_CPU_DISABLE": "AVX2,FMA3"}
RECIPE = 'features = ["strain"]\n[landmarks]\nlandmarker = "none"\n[crop]\nsize = 32\n'


def elsewhere(*words: str) -> subprocess.CompletedProcess:
    """A command as on a machine whose OpenCV finds fewer instructions."""
    return subprocess.run(
        [sys.executable, *words], env={**os.environ, "PYTHONPATH": str(ROOT), **OTHER},
        capture_output=True, text=True, check=True,
    )  # fmt: skip


def test_a_machine_whose_opencv_uses_fewer_instructions_is_of_another_class():
    line = "from pipeline.machine import numerics; print(numerics())"
    other = elsewhere("-c", line).stdout.strip()
    assert other != numerics()
    assert other.split(", OpenCV")[0] == numerics().split(", OpenCV")[0]


def test_a_store_tells_which_class_made_it(tmp_path):
    made(walls(tmp_path / "clips"), tmp_path / "s.h5")
    with Store(tmp_path / "s.h5") as store:
        assert store.provenance["numerics"] == {numerics(): 8}  # flow and strain of four
        assert store.provenance["published_by"] == numerics()


def test_two_classes_are_never_mixed_without_a_word(tmp_path):
    """Half of the clips are computed elsewhere, with the same cache; then one is mended here."""
    manifest = walls(tmp_path / "clips", samples=2)
    frame = tmp_path / "clips" / "w1" / "img3.png"
    whole = frame.read_bytes()
    cut_in_half(frame)
    (tmp_path / "r.toml").write_text(RECIPE)
    words = ["run", str(manifest), "--recipe", str(tmp_path / "r.toml"), "--workers", "0"]
    words += ["--out", str(tmp_path / "out")]
    first = f"import sys; from pipeline.cli import cli; cli({words!r}, standalone_mode=False)"
    with pytest.raises(subprocess.CalledProcessError) as failed:
        elsewhere("-c", first)
    assert failed.value.returncode == 3  # one failed, one is published
    frame.write_bytes(whole)
    done = CliRunner().invoke(cli, [*words, "--strict"])
    assert done.exit_code == INTEGRITY
    assert "two kinds of machine had a part in it" in done.stderr
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0
    assert "2 kinds of machine had a part in it" in done.stderr
    with Store(tmp_path / "out" / "clips" / "r.h5") as store:
        assert sorted(store.provenance["numerics"].values()) == [1, 1]


def test_what_is_made_of_another_class_is_of_both(tmp_path):
    """The crops were made elsewhere; the strain made of them here is not of this class alone."""
    manifest = walls(tmp_path / "clips", samples=1)
    (tmp_path / "r.toml").write_text(RECIPE)
    words = ["run", str(manifest), "--recipe", str(tmp_path / "r.toml"), "--workers", "0"]
    words += ["--out", str(tmp_path / "out")]
    elsewhere("-c", f"from pipeline.cli import cli; cli({words!r}, standalone_mode=False)")
    (tmp_path / "r.toml").write_text(RECIPE + "[strain]\nsigma = 2.0\n")
    assert "2 kinds of machine" in CliRunner().invoke(cli, words).stderr


def test_one_class_is_no_word_worth(tmp_path):
    report = Report(tmp_path / "s.h5", "r", numerics={"x": 3})
    assert list(told.mixed([report])) == []


def test_other_code_is_refused(tmp_path):
    check_code(code())
    with pytest.raises(MerError, match="runs other code than this run was begun with") as refused:
        check_code("0" * 32)
    assert refused.value.exit_code == INTEGRITY


def test_a_worker_of_other_code_computes_nothing(tmp_path, monkeypatch, own_cache):
    monkeypatch.setattr("pipeline.graph.code", lambda: "0" * 32)  # as the client plans
    with pytest.raises(MerError, match="runs other code"):
        made(walls(tmp_path / "clips"), tmp_path / "s.h5")
    assert not list(own_cache.glob("shards/*/*"))
    assert not (tmp_path / "s.h5").exists()
