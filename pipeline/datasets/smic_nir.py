"""SMIC NIR: 71 micro-expressions of 8 people by the near-infrared camera, cut out of the videos.

Li et al., "A Spontaneous Micro-expression Database: Inducement, Collection and Baseline",
FG 2013.
"""

from pathlib import Path

from pipeline.datasets.base import Dataset
from pipeline.manifest import Manifest
from pipeline.smic_release import Release
from pipeline.smic_release import read as read_clips

SUBJECTS = (11, 12, 13, 14, 15, 18, 19, 20)
SMIC_NIR = Release("smic_nir", "nir", 25.0, SUBJECTS)


def read(root: Path) -> Manifest:
    """Read the segmented NIR clips below a root, raw before cropped."""
    return read_clips(root, SMIC_NIR)


DATASET = Dataset(read, about="SMIC NIR (71 clips, 8 subjects, 25 fps)")
