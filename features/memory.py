"""Memory that is freed stays this process's, so that the next array need not wait for the kernel.

The C library gives large arrays back at once, and every page of the next one is then handed out
and cleared anew: a fifth of the time that features take, and half of a small network's step
(benchmarks/memory.py).
"""

import ctypes
from functools import cache

TRIM, MMAP = -1, -3  # mallopt's numbers, <malloc.h>
KEPT = 2**30  # bytes of freed memory that are kept, and the array from which on none is
ALLOWED = 2**25  # the largest such array in an older glibc, which refuses others


@cache
def keep_freed() -> None:
    """Keep it from now on; where the C library is not glibc nothing is done."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(TRIM, KEPT)
        mallopt(MMAP, KEPT) or mallopt(MMAP, ALLOWED)
