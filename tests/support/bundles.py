"""A predictor with random weights: enough to see scores move; and bundles made of such."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer import registry
from streamer.registry import promotion
from streamer.scoring.predictor import Predictor
from streamer.state.features import FEATURES, MODALITIES, MODALITY
from tests.support.processes import REPOSITORY

DIMENSIONS = 384
SHIPPED = REPOSITORY / "model_store"


def random_predictor(seed: int = 0, members: int = 3) -> Predictor:
    rng = np.random.default_rng(seed)
    features, components, width = len(FEATURES), 4, 8
    single = partial(_normal, rng)
    read = np.array([i for i, name in enumerate(FEATURES) if name not in MODALITIES["reviews"]])
    return Predictor(
        features=FEATURES,
        groups=tuple(MODALITIES),
        group=MODALITY,
        mean=rng.normal(size=features),
        scale=rng.uniform(0.5, 2, features),
        least=np.full(features, -50.0),
        greatest=np.full(features, 50.0),
        values=read,
        flags=read[::2],
        components=rng.normal(size=(components, DIMENSIONS)) / np.sqrt(DIMENSIONS),
        content_mean=rng.normal(size=DIMENSIONS) / 20,
        weights1=single(0.1, len(read) + len(read[::2]) + components, members, width),
        bias1=single(1.0, members, width),
        weights2=single(0.5, members, width, width),
        bias2=single(1.0, members, width),
        weights3=single(0.5, members, width),
        bias=rng.normal(size=members),
        termed=np.array([FEATURES.index("sentiment"), FEATURES.index("rating")]),
        term=rng.uniform(0, 0.3, (members, 2)),
        slope=np.array([0.8, 1.0, 1.2]),
        offset=np.array([-0.1, 0.0, 0.1]),
    )


def _normal(rng: np.random.Generator, scale: float, *shape: int) -> NDArray[np.float32]:
    return rng.normal(scale=scale, size=shape).astype(np.float32)


def write_bundle(store: Path, name: str = "random", seed: int = 0, **about: Any) -> Path:
    """A bundle of kind `launch`; ``about`` goes into its manifest."""
    manifest = {"encoder": "test-encoder", "dimensions": DIMENSIONS, "metrics": {}, **about}
    return registry.save(store, name, random_predictor(seed), manifest, "# A bundle for tests\n")


def measured(auc: float, ece: float = 0.01, **about: Any) -> dict[str, Any]:
    """What a manifest says of a model that is as good at both of its ages."""
    metrics = {"auc.age_0d": auc, "auc.age_7d": auc, "ece.age_0d": ece, "ece.age_7d": ece}
    return {"test_fingerprint": "launches-of-june", "metrics": metrics, **about}


def shipped_store(folder: Path) -> Path:
    """A copy of the store that ships, to be changed."""
    return Path(shutil.copytree(SHIPPED, folder / "model_store"))


def twin(store: Path, name: str, bias: float = 0.0) -> str:
    """A bundle beside the one in use that differs from it by ``bias`` in the logit; promotable."""
    model = registry.active(store)
    predictor = model.predictor
    moved = Predictor.of(
        predictor.features,
        predictor.groups,
        {**predictor.arrays(), "offset": predictor.offset + bias},
    )
    wanted = ("encoder", "dimensions", "metrics", "test_fingerprint", "success")
    manifest = {key: model.manifest[key] for key in wanted if key in model.manifest}
    registry.save(store, name, moved, manifest, "# A twin for tests\n")
    return name


def promoted(store: Path, *names: str) -> None:
    """Puts one after the other in use."""
    for name in names:
        promotion.promote(store, name, why="test", by="tester", force=True)
