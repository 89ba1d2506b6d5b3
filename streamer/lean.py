"""Keeps a scoring worker's process small and quick; to be called before numpy is imported."""

from __future__ import annotations

import ctypes
import gc
import os

COLLECT_AFTER_OBJECTS = 50_000
"""Objects made and not freed between two looks of the cyclic collector."""
MMAP_BYTES = 512 * 1024
"""Larger blocks of memory go back to the system as soon as they are freed."""
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8


def prepare() -> None:
    """One thread for linear algebra, whose arrays here are too small to share out, and one malloc
    arena for all threads (glibc; elsewhere malloc is left as it is)."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, MMAP_BYTES)


def settle() -> None:
    """Once everything is imported: what a chunk makes is freed without the cyclic collector, so
    that need never look at the imports again, and at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 50)
