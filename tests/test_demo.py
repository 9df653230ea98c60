import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from features.console import MerError
from pipeline.datasets import demo

PLANS = demo.plans()


def tree(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def in_turn(function, items, title):
    for item in items:
        function(item)


def test_the_whole_demo_is_96_clips_of_8_subjects_and_4_emotions_alike_often():
    assert len(PLANS) == 96
    assert {p.subject for p in PLANS} == set(range(1, 9))
    counts = [sum(p.emotion == emotion for p in PLANS) for emotion in demo.EMOTIONS]
    assert counts == [24, 24, 24, 24]


def test_displacements_span_what_micro_expressions_do():
    peaks = np.array([p.peak_px for p in PLANS])
    assert peaks.min() >= 0.3
    assert peaks.max() <= 3.0
    assert np.quantile(peaks, 0.25) < 0.7
    assert np.quantile(peaks, 0.75) > 1.2


def test_each_clip_rises_to_its_apex_and_falls():
    for plan in PLANS:
        gains = np.array(plan.gains)
        assert gains[0] == 0
        assert gains.argmax() == plan.apex
        assert gains[plan.apex] == 1
        assert (np.diff(gains[: plan.apex + 1]) > 0).all()
        assert (np.diff(gains[plan.apex :]) < 0).all()
        assert len(gains) < demo.FPS / 2  # a micro-expression lasts under half a second


def test_the_head_stays_within_its_bounds_and_does_move():
    most = np.zeros(4)
    for plan in PLANS:
        first = plan.poses[0]
        for pose in plan.poses:
            moved = [
                abs(pose.dx - first.dx), abs(pose.dy - first.dy),
                abs(pose.degrees - first.degrees), abs(pose.scale - first.scale),
            ]  # fmt: skip
            most = np.maximum(most, moved)
    bounds = [demo.HEAD_PX, demo.HEAD_PX, demo.HEAD_DEGREES, demo.HEAD_SCALE]
    assert (most <= np.array(bounds) + 1e-9).all()
    assert (most > 0.5 * np.array(bounds)).all()


def test_reported_head_motion_is_the_flow_of_a_face_without_expression():
    plan = PLANS[5]
    motion = plan.head_motion()
    assert_allclose(motion[0], [[1, 0, 0], [0, 1, 0]], atol=1e-12)
    far = np.array([[2.0, 3.0], [315.0, 8.0]])  # beyond every muscle
    moved = far @ motion[plan.apex][:, :2].T + motion[plan.apex][:, 2]
    assert_allclose(moved - far, plan.flow(far), atol=1e-9)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    few = [p for p in demo.plans(1, 1) if p.emotion == "surprise"]
    for name in ("a", "b"):
        demo.make(tmp_path / name, in_turn, few)
    other = [p for p in demo.plans(1, 1, seed=7) if p.emotion == "surprise"]
    demo.make(tmp_path / "c", in_turn, other, seed=7)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert tree(tmp_path / "a").keys() != tree(tmp_path / "c").keys()


def test_an_interrupted_demo_is_completed_and_not_begun_again(tmp_path):
    few = demo.plans(1, 1)[:2]

    def dies_after_one(function, items, title):
        function(items[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo.make(tmp_path, dies_after_one, few)
    with pytest.raises(MerError, match="no such sheet"):
        demo.read(tmp_path)
    made = []
    demo.make(tmp_path, lambda f, items, title: made.extend(f(i) for i in items), few)
    assert made == ["sub01/happiness_1"]
    assert len(demo.read(tmp_path).samples) == 2


def test_the_sheet_the_truth_and_the_frames_agree(demo_root):
    manifest = demo.read(demo_root)
    truth = {entry["clip"]: entry for entry in json.loads((demo_root / demo.TRUTH).read_text())}
    assert len(manifest.samples) == 8
    assert not manifest.bad
    for sample in manifest.samples:
        numbers = sorted(int(p.stem[3:]) for p in (demo_root / sample.path).iterdir())
        assert numbers == list(range(sample.onset, sample.offset + 1))
        assert truth[sample.path]["apex"] == sample.apex
        assert len(truth[sample.path]["poses"]) == len(numbers)


def test_frames_differ_from_their_noiseless_selves_by_the_sensor_noise(demo_root):
    plan = demo.plans(1, 1)[0]
    path = demo_root / f"sub01/{plan.clip}/img{plan.first_frame}.jpg"
    shown = np.asarray(Image.open(path)).astype(float)
    clean = demo.synthetic.draw(
        demo._person(demo.SEED, 1), plan.poses[0], demo.synthetic.scaled(plan.field, 0)
    )
    middle = (shown - clean)[60:300, 60:260]
    assert abs(middle.mean()) < 0.3
    assert 1.2 < middle.std() < 1.9  # 1.5 of the sensor, and what JPEG adds


def test_the_annotation_sheet_is_one_a_person_can_open(demo_root):
    with (demo_root / demo.SHEET).open() as file:
        row = next(iter(csv.DictReader(file)))
    assert row["Subject"] == "01"
    assert row["Emotion"] in demo.EMOTIONS
