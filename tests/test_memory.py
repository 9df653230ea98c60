"""Freed memory that is kept."""

import ctypes
import resource
import subprocess
import sys

import numpy as np
import pytest

CYCLES, PAGES = 50, 512  # arrays of 2 MiB
COUNTED = """
from features.memory import keep_freed
from tests.test_memory import faults

keep_freed()
print(faults())
"""

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc"
)


def arrays():
    for _ in range(CYCLES):
        np.ones(PAGES * 512), np.ones(PAGES * 512)


def faults(_=None):
    """How many pages the kernel gives for arrays, once there have been such."""
    arrays()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_the_next_array_gets_the_pages_of_the_last():
    done = subprocess.run(
        [sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < PAGES  # not CYCLES * PAGES


def test_workers_keep_it(engine):
    for _, found in engine.map(faults, [1, 2]):
        assert found < PAGES
