"""A benchmark's program that loads once, then runs whenever it is told to.

It says ``{"ready": …}`` when it is loaded. For each line on its standard input it runs once and says
what came of it; at the end of the input it ends. Each answer is a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def take_turns(encode: Callable[[], NDArray[np.float32]], out: str, **about: Any) -> None:
    """``encode`` gives one vector a text; those of the first run go to the file ``out``."""
    np.save(out, encode())
    print(json.dumps({"ready": True, **about}), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        encode()
        print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)
