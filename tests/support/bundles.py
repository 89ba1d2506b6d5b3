"""A predictor with random weights: enough to see scores move."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamer import registry
from streamer.scoring.predictor import Predictor
from streamer.state.features import FEATURES, MODALITIES

DIMENSIONS = 384


def random_predictor(seed: int = 0, members: int = 3) -> Predictor:
    rng = np.random.default_rng(seed)
    features, knots, components = len(FEATURES), 3, 4
    group = [g for g, names in enumerate(MODALITIES.values()) for _ in names]
    return Predictor(
        features=FEATURES,
        groups=tuple(MODALITIES),
        group=np.array(group),
        mean=rng.normal(size=features),
        scale=rng.uniform(0.5, 2, features),
        least=np.full(features, -50.0),
        greatest=np.full(features, 50.0),
        knots=np.sort(rng.normal(size=(features, knots)), axis=1),
        components=rng.normal(size=(components, DIMENSIONS)) / np.sqrt(DIMENSIONS),
        content_mean=rng.normal(size=DIMENSIONS) / 20,
        weights=rng.normal(scale=0.1, size=(members, features, 2 + knots)),
        content_weights=rng.normal(scale=0.3, size=(members, 1 + components)),
        bias=rng.normal(size=members),
        slope=np.array([0.8, 1.0, 1.2]),
        offset=np.array([-0.1, 0.0, 0.1]),
    )


def write_bundle(store: Path, encoder: str = "test-encoder") -> None:
    manifest = {"encoder": encoder, "dimensions": DIMENSIONS, "metrics": {}}
    registry.save(store, "random", random_predictor(), manifest, "# A bundle for tests\n")
    registry.activate(store, "random")
