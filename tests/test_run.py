"""The whole pipeline on real files, with real workers."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from features.store import Store
from pipeline import recipe
from pipeline.align import CropConfig, alignment
from pipeline.cache import Cache, folder
from pipeline.datasets import demo
from pipeline.engine import Engine
from pipeline.faces import LandmarksConfig, locate
from pipeline.landmarkers.base import load
from pipeline.manifest import COLUMNS, Manifest, midpoint, read_manifest
from pipeline.maps import after, invert, moved
from pipeline.run import Report, make_store
from pipeline.scan import scan
from tests.movies import cut_in_half, write_images, write_video

FLOW = recipe.load("flow")
SMALL = recipe.parse("small", {"features": ["flow", "strain"], "crop": {"size": 64}}, "small")


def features(manifest, root: Path, store: Path, engine: Engine, using=SMALL) -> Report:
    where = Cache(folder())
    return make_store("own", scan(manifest, root, where.root), using, store, where, engine)


def own_clips(demo_root: Path, root: Path) -> Path:
    """A folder of somebody's own clips, and its manifest: two that are well, seven that are not."""
    samples = demo.read(demo_root).samples
    rows = []

    def row(name: str, path: str, first: int = 1, n: int = 20, **more: object) -> None:
        cells = {"sample_id": name, "dataset": "own", "subject": f"p{len(rows) % 2}", "clip": name}
        cells |= {"path": path, "first_frame": first, "onset": first, "apex": first + 9}
        rows.append(cells | {"offset": first + n - 1, "fps": 100, "emotion": "joy"} | more)

    def frames(k: int) -> list[np.ndarray]:
        paths = sorted((demo_root / samples[k].path).iterdir(), key=lambda p: int(p.stem[3:]))
        return [np.asarray(Image.open(path)) for path in paths]

    write_images(root / "folder", frames(0), first=7)
    row("a_folder", "folder", 7, min(20, len(frames(0))))
    write_video(root / "video.avi", frames(1))
    row("b_video", "video.avi", 1, min(20, len(frames(1))))

    wall = np.random.default_rng(0).integers(90, 160, (20, 120, 160, 3)).astype(np.uint8)
    write_images(root / "no_face", wall)
    row("c_no_face", "no_face")
    write_images(root / "truncated", frames(2), first=1)
    cut_in_half(root / "truncated" / "img10.png")  # the apex
    row("d_truncated", "truncated", n=17)
    write_images(root / "hole", frames(3))
    (root / "hole" / "img4.png").unlink()
    row("e_hole", "hole", n=17)
    write_video(root / "short.avi", frames(4))
    cut_in_half(root / "short.avi")
    row("f_short", "short.avi", n=10)
    row("g_nowhere", "nowhere")
    row("h_late_apex", "folder", apex=99)
    row("i_beyond", "video.avi", apex=150, offset=300)
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return root / "manifest.csv"


REASONS = {
    "c_no_face": ("landmarks", "no_face", "no face found"),
    "d_truncated": ("scan", "truncated", "img10.png: the image is truncated"),
    "e_hole": ("scan", "missing_frame", "frame 4 is missing"),
    "f_short": ("read", "short_video", "its header promises"),
    "g_nowhere": ("scan", "missing_file", "no such folder or video"),
    "h_late_apex": ("manifest", "bad_row", "apex 99 lies outside"),
    "i_beyond": ("read", "missing_frame", "video.avi: apex 150, offset 300: the video"),
}


def test_each_broken_clip_is_named_with_its_reason_and_the_others_are_there(
    demo_root, tmp_path, engine
):
    manifest = read_manifest(own_clips(demo_root, tmp_path))
    report = features(manifest, tmp_path, tmp_path / "s.h5", engine)
    told = {f.sample_id: (f.stage, f.code, f.message) for f in report.failures}
    assert told.keys() == REASONS.keys()
    for sample_id, (stage, code, words) in REASONS.items():
        assert told[sample_id][:2] == (stage, code)
        assert words in told[sample_id][2]
    with Store(tmp_path / "s.h5") as store:
        assert list(store.index["sample_id"]) == ["a_folder", "b_video"]
        assert list(store.failures["sample_id"]) == sorted(REASONS)
        assert store.verify() == []
    again = features(manifest, tmp_path, tmp_path / "s.h5", engine)
    assert not again.published
    assert again.computed == 0
    assert {f.sample_id for f in again.failures} == REASONS.keys()


@pytest.mark.faults
def test_the_command_ends_with_3_and_one_line_a_sample(demo_root, tmp_path, own_cache):
    manifest = own_clips(demo_root, tmp_path / "own")
    done = subprocess.run(
        ["mer-features", "run", str(manifest), "--workers", "0", "--max-failed", "80%", "--out",
         str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    for sample_id, (_, _, words) in REASONS.items():
        lines = [line for line in done.stderr.splitlines() if line.startswith(f"{sample_id}: ")]
        assert len(lines) == 1
        assert words in lines[0]
    assert "Traceback" not in done.stderr
    assert "2 samples, 2 computed, 7 failed" in done.stdout
    assert (tmp_path / "out" / "own" / "flow.h5").is_file()


def test_flow_in_the_store_is_the_true_expression_without_the_head(demo_root, tmp_path, engine):
    manifest = demo.read(demo_root)
    features(manifest, demo_root, tmp_path / "s.h5", engine, FLOW)
    plans = {f"demo_sub{p.subject:02d}_{p.clip}": p for p in demo.plans(2, 1)}
    paths = {sample.sample_id: demo_root / sample.path for sample in manifest.samples}
    with Store(tmp_path / "s.h5") as store:
        flows = dict(zip(store.index["sample_id"], store.load("flow"), strict=True))
    for sample_id, flow in flows.items():
        plan = plans[sample_id]
        onset = np.asarray(Image.open(paths[sample_id] / f"img{plan.first_frame}.jpg"))
        landmarks = locate([onset], LandmarksConfig())[0][0]
        crop = alignment(landmarks, load("facemesh").places, CropConfig())
        y, x = np.mgrid[40:190:6, 50:174:6]
        points = moved(invert(crop), np.stack([x, y], -1).astype(float))
        steady = after(crop, invert(plan.head_motion()[plan.apex]))
        true = moved(steady, points + plan.flow(points)) - moved(crop, points)
        error = np.hypot(*np.moveaxis(flow[:, y, x].transpose(1, 2, 0) - true, -1, 0))
        assert error.mean() < 0.08, sample_id


def test_a_second_run_recomputes_nothing_and_leaves_the_file_alone(demo_root, tmp_path, engine):
    manifest = demo.read(demo_root)
    first = features(manifest, demo_root, tmp_path / "s.h5", engine)
    written = (tmp_path / "s.h5").stat()
    second = features(manifest, demo_root, tmp_path / "s.h5", Engine(scheduler="tcp://none:1"))
    assert (first.computed, first.published) == (8, True)
    assert (second.computed, second.published, second.samples) == (0, False, 8)
    assert (tmp_path / "s.h5").stat().st_mtime_ns == written.st_mtime_ns


def test_a_corrected_label_is_published_without_computing_a_pixel(demo_root, tmp_path, engine):
    from dataclasses import replace

    manifest = demo.read(demo_root)
    features(manifest, demo_root, tmp_path / "s.h5", engine)
    samples = (replace(manifest.samples[0], emotion="contempt"), *manifest.samples[1:])
    report = features(replace(manifest, samples=samples), demo_root, tmp_path / "s.h5", engine)
    assert (report.computed, report.published) == (0, True)
    with Store(tmp_path / "s.h5") as store:
        assert store.index["emotion"][0] == "contempt"
        assert store.provenance["command"] == "mer-features run own --recipe small.toml"


def test_another_setting_recomputes_only_what_follows_from_it(demo_root, tmp_path, engine):
    manifest = demo.read(demo_root)
    features(manifest, demo_root, tmp_path / "a.h5", engine)
    smoother = {"features": ["flow", "strain"], "crop": {"size": 64}, "strain": {"sigma": 2.0}}
    other = recipe.parse("other", smoother, "other")
    report = features(manifest, demo_root, tmp_path / "b.h5", engine, other)
    assert set(report.worker_seconds) == {"strain"}


def test_the_same_bytes_for_any_workers_and_any_cache(demo_root, tmp_path, engine, monkeypatch):
    manifest = demo.read(demo_root)
    stores = []
    for name, workers in [("two", engine), ("one", Engine(workers=1)), ("none", Engine(workers=0))]:
        monkeypatch.setenv("MER_CACHE", str(tmp_path / name))
        features(manifest, demo_root, tmp_path / f"{name}.h5", workers)
        stores.append((tmp_path / f"{name}.h5").read_bytes())
        if workers is not engine:
            workers.__exit__(None, None, None)
    assert stores[0] == stores[1] == stores[2]


def test_a_mended_clip_joins_the_store_and_only_it_is_computed(demo_root, tmp_path, engine):
    root = tmp_path / "demo"
    shutil.copytree(demo_root, root)
    manifest = demo.read(root)
    frame = root / manifest.samples[2].path / f"img{manifest.samples[2].apex}.jpg"
    whole = frame.read_bytes()
    cut_in_half(frame)
    first = features(manifest, root, tmp_path / "s.h5", engine)
    assert (first.samples, len(first.failures)) == (7, 1)
    frame.write_bytes(whole)
    second = features(manifest, root, tmp_path / "s.h5", engine)
    assert (second.samples, second.computed, second.failures) == (8, 1, [])


def test_a_damaged_shard_is_made_again(demo_root, tmp_path, engine, own_cache):
    manifest = demo.read(demo_root)
    features(manifest, demo_root, tmp_path / "s.h5", engine)
    before = (tmp_path / "s.h5").read_bytes()
    (tmp_path / "s.h5").unlink()
    for shard in own_cache.glob("shards/*/*.shard"):
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
    features(manifest, demo_root, tmp_path / "s.h5", engine)
    assert (tmp_path / "s.h5").read_bytes() == before


def start(*command: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        command, env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def wait_for(condition, seconds: float = 60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


@pytest.mark.faults
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_goes_on_where_it_was(demo_root, tmp_path, own_cache, how):
    command = ["mer-features", "run", "demo", "--root", str(demo_root), "--workers", "1"]
    command += ["--out", str(tmp_path / "stores"), "--json"]
    run = start(*command)
    wait_for(lambda: len(list(own_cache.glob("shards/*/*.shard"))) >= 4)
    workers = psutil.Process(run.pid).children(recursive=True)
    if how == signal.SIGKILL:
        os.kill(run.pid, how)
        run.communicate(timeout=30)
    else:  # a terminal and a batch system signal the whole group
        os.killpg(run.pid, how)
        _, errors = run.communicate(timeout=30)
        assert run.returncode == 130
        assert errors.splitlines()[-2:] == [
            "error: interrupted",
            "  run the same command again: finished features are kept",
        ]
        assert "Traceback" not in errors
    wait_for(lambda: not any(worker.is_running() for worker in workers), 10)
    assert not list((tmp_path / "stores").rglob("*.h5"))
    done = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert done["recipes"][0]["samples"] == 8
    assert 0 < done["recipes"][0]["computed"] < 8


@pytest.mark.faults
def test_nothing_listens_beyond_this_machine_while_it_runs(demo_root, tmp_path):
    run = start(
        "mer-features", "run", "demo", "--root", str(demo_root), "--out", str(tmp_path / "s")
    )
    tree = psutil.Process(run.pid)
    heard = set()

    def listening() -> bool:
        try:
            for process in [tree, *tree.children(recursive=True)]:
                for connection in process.net_connections("inet"):
                    if connection.status == psutil.CONN_LISTEN:
                        heard.add(connection.laddr.ip)
        except psutil.Error:
            pass
        return run.poll() is not None

    wait_for(listening)
    run.communicate()
    assert run.returncode == 0
    assert heard == {"127.0.0.1"}


def test_somebody_elses_scheduler_gives_the_same_bytes(demo_root, tmp_path, engine, own_cache):
    manifest = demo.read(demo_root)
    features(manifest, demo_root, tmp_path / "local.h5", engine)
    shutil.rmtree(own_cache)
    dask = [sys.executable, "-m", "dask"]
    file = tmp_path / "scheduler.json"
    scheduler = start(
        *dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
        "--scheduler-file", str(file),
    )  # fmt: skip
    try:
        address = wait_for(lambda: file.exists() and json.loads(file.read_text())["address"])
        worker = start(*dask, "worker", address, "--nthreads", "1", "--no-dashboard")
        try:
            with Engine(scheduler=address) as remote:
                features(manifest, demo_root, tmp_path / "remote.h5", remote)
        finally:
            worker.terminate()
            worker.communicate(timeout=30)
    finally:
        scheduler.terminate()
        scheduler.communicate(timeout=30)
    assert (tmp_path / "remote.h5").read_bytes() == (tmp_path / "local.h5").read_bytes()


def without_apexes(demo_root: Path, samples, known: int):
    """The demo's samples as if all but some had no annotated apex."""
    from dataclasses import replace

    return Manifest(
        tuple(
            s if k < known else replace(s, apex=midpoint(s.onset, s.offset), apex_source="midpoint")
            for k, s in enumerate(samples)
        )
    )


def test_an_apex_nobody_annotated_is_spotted_and_marked_and_the_others_are_left_alone(
    demo_root, tmp_path, engine
):
    truth = demo.read(demo_root).samples[:4]
    given = without_apexes(demo_root, truth, known=1)
    features(given, demo_root, tmp_path / "s.h5", engine)
    with Store(tmp_path / "s.h5") as store:
        apexes, sources = store.index["apex"], list(store.index["apex_source"])
    assert sources == ["sheet", "estimated", "estimated", "estimated"]
    assert apexes[0] == truth[0].apex
    assert [abs(int(a) - s.apex) <= 5 for a, s in zip(apexes, truth, strict=True)] == [True] * 4
    again = features(given, demo_root, tmp_path / "s.h5", Engine(scheduler="tcp://none:1"))
    assert (again.computed, again.published) == (0, False)


def test_a_recipe_may_leave_the_midpoint_be(demo_root, tmp_path, engine):
    given = without_apexes(demo_root, demo.read(demo_root).samples[:2], known=0)
    table = {"features": ["strain"], "crop": {"size": 64}, "apex": {"method": "midpoint"}}
    features(given, demo_root, tmp_path / "s.h5", engine, recipe.parse("m", table, "m"))
    with Store(tmp_path / "s.h5") as store:
        assert list(store.index["apex"]) == [s.apex for s in given.samples]
        assert set(store.index["apex_source"]) == {"midpoint"}


@pytest.mark.parametrize("method", ["flow", "midpoint"])
def test_a_recipe_may_forget_every_annotated_apex(demo_root, tmp_path, engine, method):
    """What a user has who has no annotation; the store is that of a manifest without apexes."""
    truth = demo.read(demo_root).samples[:3]
    table = {"features": ["strain"], "crop": {"size": 64},
             "apex": {"method": method, "annotated": False}}  # fmt: skip
    using = recipe.parse("m", table, "m")
    features(Manifest(tuple(truth)), demo_root, tmp_path / "a.h5", engine, using)
    features(without_apexes(demo_root, truth, known=0), demo_root, tmp_path / "b.h5", engine, using)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with Store(tmp_path / "a.h5") as store:
        marks = {"flow": "estimated", "midpoint": "midpoint"}
        assert set(store.index["apex_source"]) == {marks[method]}
        far = [abs(int(a) - s.apex) for a, s in zip(store.index["apex"], truth, strict=True)]
        assert max(far) <= 5


def test_a_clip_whose_apex_cannot_be_spotted_is_one_failure(demo_root, tmp_path, engine):
    wall = np.random.default_rng(0).integers(90, 160, (20, 120, 160, 3)).astype(np.uint8)
    write_images(tmp_path / "wall", wall)
    (tmp_path / "m.csv").write_text("subject,path,onset,offset,fps\n1,wall,1,20,100\n")
    report = features(read_manifest(tmp_path / "m.csv"), tmp_path, tmp_path / "s.h5", engine)
    (failure,) = report.failures
    assert (failure.stage, failure.code) == ("landmarks", "no_face")
