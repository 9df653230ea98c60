"""Stores to report on: features as our own files tell of them, in any number of samples."""

import json
from pathlib import Path

import numpy as np

from features import base
from features.publish import Column, Content, publish

SIDE = 48  # px


def row(sample_id="s0", **told):
    usual = {
        "sample_id": sample_id, "dataset": "made", "subject": "p1", "clip": f"clip {sample_id}",
        "emotion": "joy", "action_units": "6+12", "objective_class": "", "onset": 10, "apex": 15,
        "offset": 29, "fps": 100.0, "apex_source": "sheet",
    }  # fmt: skip
    return usual | told


def moving(px, side=SIDE):
    """Flow of `px` rightward in the middle ninth of a face; nothing moves elsewhere."""
    flow = np.zeros((2, side, side), np.float32)
    third = slice(side // 3, 2 * side // 3)
    flow[0, third, third] = px
    return flow


def strained(flow):
    """As large as the flow: only its pictures and measures are looked at."""
    return np.abs(flow[:1]) / 10


def reported(path: Path, rows, arrays, failures=(), notes=None, recipe=None, **columns) -> Path:
    """Publish a store.

    Parameters
    ----------
    arrays : feature -> function of a row; a feature of ours is described as its file does
    columns : what a feature that is not ours says of itself
    """

    def column(name):
        told = base.load(name)
        return Column(told.units, told.axes, told.convention, "{}", told.revision, "float32")

    content = Content(
        recipe=json.dumps(recipe or {"sensitive": False}), key="c0ffee", dataset="made",
        dataset_fingerprint="f", code_version="0", index=rows,
        features={name: columns.get(name) or column(name) for name in arrays},
        failures=failures, provenance={"command": "mer-features run made", "notes": notes or {}},
    )  # fmt: skip
    by_id = {one["sample_id"]: one for one in rows}
    publish(path, content, lambda sample_id, name: arrays[name](by_id[sample_id]))
    return path
