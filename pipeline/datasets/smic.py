"""SMIC HS: 164 micro-expressions of 16 people by the high-speed camera, cut out of the videos.

Li et al., "A Spontaneous Micro-expression Database: Inducement, Collection and Baseline",
FG 2013. There is no sheet: names say whose and which, the images when. Nobody marked an apex.
"""

from pathlib import Path

from pipeline.datasets.base import Dataset
from pipeline.manifest import Manifest
from pipeline.smic_release import Release
from pipeline.smic_release import read as read_clips

SUBJECTS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 18, 19, 20)
SMIC = Release("smic", "hs", 100.0, SUBJECTS)


def read(root: Path) -> Manifest:
    """Read the segmented HS clips below a root, raw before cropped."""
    return read_clips(root, SMIC)


DATASET = Dataset(read, about="SMIC HS (164 clips, 16 subjects, 100 fps)")
