"""A small network as arrays, and its forward pass in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Network:
    """Two layers of H units over I inputs: (I, H), (H,), (H, H), (H,), (H,), a number."""

    weights1: Singles
    bias1: Singles
    weights2: Singles
    bias2: Singles
    weights3: Singles
    bias: float

    def __call__(self, inputs: Singles) -> Floats:
        """The logit of each row, (rows,)."""
        hidden = np.maximum(inputs @ self.weights1 + self.bias1, 0.0)
        hidden = np.maximum(hidden @ self.weights2 + self.bias2, 0.0)
        logit: Floats = (hidden @ self.weights3 + self.bias).astype(np.float64)
        return logit
