"""Keeps a scoring worker's process small and quick; to be called before numpy is imported."""

from __future__ import annotations

import ctypes
import gc
import os
import sys

COLLECT_AFTER_OBJECTS = 50_000
"""Objects made and not freed between two looks of the cyclic collector."""
KEPT_BYTES = 8 * 1024 * 1024
"""Blocks up to this size, and as much free memory, are kept when they are freed: a batch's arrays
would otherwise be mapped and faulted in anew each time."""
SWITCH_SECONDS = 0.0005
"""How long one thread may keep another from running Python: the one that fetches runs often and
briefly, and what it waits for adds to every event's latency."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def prepare() -> None:
    """One thread for linear algebra, whose arrays here are too small to share out, and one malloc
    arena for all threads (glibc; elsewhere malloc is left as it is)."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


def settle() -> None:
    """Once everything is imported: what a batch makes is freed without the cyclic collector, so
    that need never look at the imports again, and at the rest less often."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 50)
