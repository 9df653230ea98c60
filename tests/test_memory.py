"""Freed memory that is kept."""

import ctypes
import subprocess
import sys

import pytest

CYCLES, PAGES = 50, 512  # arrays of 2 MiB
COUNTED = f"""
import resource
import numpy as np
from features.memory import keep_freed

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range({CYCLES}):
        np.ones({PAGES * 512}), np.ones({PAGES * 512})
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed()
faults()
print(faults())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_the_next_array_gets_the_pages_of_the_last():
    done = subprocess.run(
        [sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < PAGES  # not CYCLES * PAGES
