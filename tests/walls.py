"""Clips of no face, so small that a whole run takes milliseconds."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from features.store import Store
from pipeline import recipe
from pipeline.cache import Cache, folder
from pipeline.engine import Engine
from pipeline.manifest import COLUMNS, read_manifest
from pipeline.recipe import Recipe
from pipeline.run import Report, make_store
from pipeline.scan import scan
from tests.movies import write_images

TABLE = {"features": ["flow", "strain"], "landmarks": {"landmarker": "none"}, "crop": {"size": 32}}


def using(name: str = "small", **changes: object) -> Recipe:
    """A recipe that wants no face; `changes` are tables of it."""
    return recipe.parse(name, {**TABLE, **changes}, name)


def walls(root: Path, samples: int = 4, frames: int = 6) -> Path:
    """Write clips of moving noise and their manifest; returns the manifest."""
    random = np.random.default_rng(0)
    rows = []
    for k in range(samples):
        wall = random.integers(0, 255, (10, 12, 3)).astype(np.uint8)
        large = np.asarray(Image.fromarray(wall).resize((60, 50), Image.Resampling.BICUBIC))
        write_images(root / f"w{k}", [np.roll(large, t, 1) for t in range(frames)])
        row = {"sample_id": f"w{k}", "dataset": "walls", "subject": f"p{k % 2}", "clip": f"w{k}"}
        row |= {"path": f"w{k}", "first_frame": 1, "onset": 1, "apex": 3, "offset": frames}
        rows.append(row | {"fps": 100, "emotion": "joy", "apex_source": "sheet"})
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return root / "manifest.csv"


def relabelled(manifest: Path, sample_id: str, **cells: object) -> Path:
    """Correct a row of a manifest."""
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["sample_id"] == sample_id:
            row.update({name: str(cell) for name, cell in cells.items()})
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return manifest


def made(manifest: Path, store: Path, by: Recipe | None = None, **how: object) -> Report:
    """Run a recipe on clips, in this process."""
    cache = Cache(folder())
    scanned = scan(read_manifest(manifest), manifest.parent, cache.root)
    engine = Engine(workers=0)
    return make_store("walls", scanned, by or using(), store, cache, engine, **how)


def key_of(store: Path) -> str:
    """The key that a store says it was made for."""
    with Store(store) as opened:
        return str(opened.attrs["key"])
