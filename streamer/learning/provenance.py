"""What a bundle tells of where it comes from, so that two of them can be compared."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from streamer.errors import BundleError
from streamer.learning.dataset import Dataset
from streamer.registry import active
from streamer.scoring.predictor import Predictor


def fingerprint(data: Dataset) -> str:
    """A hash of which items are looked at at which age, and of their labels, whatever their order.

    Features are no part of it: models that read other features of the same examples compare.
    """
    digest = sha256()
    order = np.lexsort((data.age, data.item))
    rows = zip(
        data.item[order].tolist(), data.age[order].tolist(), data.label[order].tolist(), strict=True
    )
    for item, age, label in rows:
        digest.update(f"{item}\0{age:g}\0{label}\0".encode())
    return digest.hexdigest()[:32]


def incumbent(
    store: Path, encoder: str, measure: Callable[[Predictor], dict[str, float]]
) -> dict[str, Any] | None:
    """The predictor in use, measured on what a new one is measured on: what `promote` compares.

    None if there is none, or none that this code and encoder can score with.
    """
    try:
        bundle = active(store)
    except BundleError:
        return None
    if bundle.encoder != encoder:
        return None
    return {"name": bundle.name, "metrics": measure(bundle.predictor)}
