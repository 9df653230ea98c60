"""A composite store whose action units can be told from its flow: each moves its own place."""

import numpy as np

from tests.tiny_store import SIDE, row, tiny_store

UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17)
WHERE = {unit: (8 + 13 * (i // 4), 8 + 13 * (i % 4)) for i, unit in enumerate(UNITS)}  # y, x
DATASETS = ("casme2", "mmew", "samm")


def unit_rows(datasets=DATASETS, subjects=3, clips=12, share=0.3):
    """Clips that show each unit or not, by a coin."""
    random = np.random.default_rng(len(datasets) * clips)
    made = []
    for dataset in datasets:
        for s in range(subjects):
            for c in range(clips):
                shown = [unit for unit in UNITS if random.random() < share]
                made.append(unit_row(dataset, s, c, shown))
    return made


def unit_row(dataset, subject, clip, shown):
    return {
        **row(f"{dataset}-{subject}-{clip}", f"0{subject}", "others"),
        "dataset": dataset,
        "action_units": "+".join(f"AU{unit}" for unit in shown),
    }


def unit_arrays(sample):
    """Flow of half a pixel where a unit shows, under noise; strain where it ends."""
    random = np.random.default_rng(list(sample["sample_id"].encode()))
    flow = random.normal(0, 0.05, (2, SIDE, SIDE))
    strain = np.abs(random.normal(0, 0.005, (1, SIDE, SIDE)))
    yy, xx = np.mgrid[:SIDE, :SIDE]
    for token in filter(None, sample["action_units"].split("+")):
        y, x = WHERE[int(token.removeprefix("AU"))]
        bump = np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 20)
        flow[1] -= bump
        strain[0] += 0.05 * bump
    return {"flow": flow.astype(np.float32), "strain": strain.astype(np.float32)}


def unit_store(path, samples=None, make=unit_arrays):
    """Publish a store of `samples` at `path`."""
    return tiny_store(path, unit_rows() if samples is None else samples, make=make)
