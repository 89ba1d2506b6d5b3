"""How many compiled kernels an encoder keeps.

oneDNN compiles one for each shape of a product, and texts make ever new shapes: kept by the
thousand, as they are unless told, they take a gigabyte.
"""

from __future__ import annotations

import os

KEPT_KERNELS = 64
"""The least recently used ones beyond these are compiled again when they are needed: a shape that
is used often stays."""
_CAPACITIES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""That of oneDNN, and that of torch in front of it."""


def keep_few() -> None:
    """To be called before the process multiplies its first matrices."""
    for name in _CAPACITIES:
        os.environ.setdefault(name, str(KEPT_KERNELS))
