"""A store small enough for any test, whose emotions can be told from its flow."""

import json
from pathlib import Path

import numpy as np

from features.publish import Column, Content, publish

EMOTIONS = ("disgust", "happiness", "surprise")
SIDE = 56  # px
WHERE = {"disgust": (10, 28), "happiness": (40, 14), "surprise": (40, 42)}  # y, x of the motion


def row(sample_id, subject, emotion):
    return {
        "sample_id": sample_id, "dataset": "tiny", "subject": subject, "clip": sample_id,
        "emotion": emotion, "action_units": "",
        "objective_class": "", "onset": 0, "apex": 5, "offset": 9, "fps": 100.0,
        "apex_source": "annotated",
    }  # fmt: skip


def rows(subjects=4, emotions=EMOTIONS, clips=3):
    return [
        row(f"s{s}-{emotion}-{c}", f"s{s}", emotion)
        for s in range(subjects)
        for emotion in emotions
        for c in range(clips)
    ]


def arrays(sample):
    """Flow of half a pixel in one place of the face, under noise; strain where it ends."""
    random = np.random.default_rng(list(sample["sample_id"].encode()))
    flow = random.normal(0, 0.05, (2, SIDE, SIDE))
    strain = np.abs(random.normal(0, 0.005, (1, SIDE, SIDE)))
    if sample["emotion"] in WHERE:
        y, x = WHERE[sample["emotion"]]
        yy, xx = np.mgrid[:SIDE, :SIDE]
        bump = np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 50)
        flow[1] -= 0.5 * bump
        strain[0] += 0.05 * bump
    return {"flow": flow.astype(np.float32), "strain": strain.astype(np.float32)}


def tiny_store(path: Path, samples=None, columns=("flow", "strain"), make=arrays) -> Path:
    """Publish a store of `samples` at `path`."""
    samples = rows() if samples is None else samples
    units = {"flow": "px", "strain": "px/px"}
    content = Content(
        recipe=json.dumps({"name": "tiny"}), key="0" * 32, dataset="tiny",
        dataset_fingerprint="1" * 32, code_version="test", index=samples,
        features={name: Column(units.get(name, "share"), "C H W", "", "{}", 1) for name in columns},
        failures=[], provenance={},
    )  # fmt: skip
    by_id = {sample["sample_id"]: make(sample) for sample in samples}
    publish(path, content, lambda sample_id, name: by_id[sample_id][name])
    return path
