"""Who multiplies the matrices: one protocol, several ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.encoding.tokenizer import Tokens


class Backend(Protocol):
    """One loaded model on one device.

    ``streams`` forward passes may run at once, each from its own thread. ``padded`` says that
    texts of a batch are brought to the length of its longest.
    """

    name: str
    streams: int
    padded: bool

    def forward(self, batch: Sequence[Tokens], layers: int = 1) -> NDArray[np.float32]:
        """Pooled hidden states of the last ``layers`` layers, the last one first, side by side:
        [texts, layers * dimensions], not normalised.

        ``batch`` is in order of length, shortest first.
        """
        ...
