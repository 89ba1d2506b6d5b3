"""Two models that take turns at reading reviews, and which of them a reading is by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as tensors_as_bytes

from streamer.encoding import sentiment
from streamer.encoding.adapter import DOWN, UP
from streamer.encoding.backends.torch_flat import load_tensors
from streamer.encoding.encoder import Encoder, batch_tokens
from streamer.encoding.model import Model
from streamer.encoding.weights import Weights
from streamer.errors import StreamerError
from streamer.events import Encoding
from streamer.registry import bundles, pointer, promotion
from streamer.registry.pointer import Change
from streamer.report import Results
from streamer.settings import Settings

OTHER = "sentiment-of-a-changed-encoder"
RANK = 4
STRENGTH = 0.3
"""Of the other encoder's changes, as a share of a weight's own spread."""
SAME = 0.999
"""The least cosine of two readings of a text by one model."""

Say = Callable[[str], None]
Vectors = NDArray[np.float64]


def taking_turns(store: Path, origin: Path, weights: Weights) -> Path:
    """A store of the run's own: what is in use, and another sentiment with the same head behind
    changes drawn at random. Raises BundleError."""
    store.mkdir(parents=True)
    promotion.add(store, origin)
    folder = sentiment.find(store, weights.fingerprint)
    if folder is None:
        raise StreamerError(f"no sentiment for {weights.name}; make one: streamer finetune")
    about = {"encoder": weights.name, "encoder_fingerprint": weights.fingerprint, "metrics": {}}
    head = sentiment.load(folder).head
    sentiment.save(store / OTHER, head, about, f"# {OTHER}\n", tensors_as_bytes(_changes(weights)))
    if pointer.current(store, _slot(weights)) is None:
        promotion.promote(store, folder.name)
    return store


def change(store: Path, weights: Weights) -> Change:
    """Puts the other sentiment in use, or the first one again."""
    slot = _slot(weights)
    if pointer.current(store, slot) == OTHER:
        return promotion.rollback(store, slot)
    return promotion.promote(store, OTHER, force=True, why="benchmark")


def _slot(weights: Weights) -> str:
    return bundles.slot("sentiment", weights.fingerprint)


def _changes(weights: Weights) -> dict[str, NDArray[np.float16]]:
    """Factors for every matrix but the tables."""
    rng = np.random.default_rng(0)
    found: dict[str, NDArray[np.float16]] = {}
    for name, tensor in load_tensors(weights).items():
        if tensor.dim() == 2 and not name.startswith("embeddings."):
            rows, columns = tensor.shape
            size = (STRENGTH * float(tensor.std()) / RANK**0.5) ** 0.5
            found[name + UP] = (size * rng.standard_normal((rows, RANK))).astype(np.float16)
            found[name + DOWN] = (size * rng.standard_normal((RANK, columns))).astype(np.float16)
    return found


def compared(
    results: Results,
    settings: Settings,
    weights: Weights,
    texts: Mapping[str, str],
    found: Mapping[str, Encoding],
    say: Say,
) -> None:
    """Every encoding beside what both models make of its text."""
    models = _models(settings, weights)
    names = list(found)
    readings = {m.fingerprint: _read(m, [texts[n] for n in names], settings) for m in models}
    told = [found[name] for name in names]
    mixed, least, apart = by_which(told, readings)
    results.add("swap_encoder.texts_read_by_no_one_model", mixed, "texts")
    results.add("swap_encoder.least_cosine_to_own_model", least, "1")
    results.add("swap_encoder.greatest_cosine_to_other_model", apart, "1")
    counts = Counter(each.fingerprint for each in told)
    say(f"read by each model: {sorted(counts.values())}; by neither {mixed}")
    say(f"least cosine to the model it names {least:.5f}, greatest to the other {apart:.5f}")


def by_which(told: Sequence[Encoding], readings: Mapping[str, Vectors]) -> tuple[int, float, float]:
    """How many encodings are not what the model that they name makes of their text; the least
    cosine to that, and the greatest to what another makes of it. ``readings`` [texts, dimensions]
    are by fingerprint."""
    mixed, least, apart = 0, 1.0, -1.0
    for place, encoding in enumerate(told):
        vector = np.frombuffer(encoding.vector, "<i2").astype(np.float64)
        near = {reader: _cosine(vector, of[place]) for reader, of in readings.items()}
        mine = near.pop(encoding.fingerprint, -1.0)
        mixed += mine < SAME
        least, apart = min(least, mine), max(apart, *near.values())
    return mixed, least, apart


def _models(settings: Settings, weights: Weights) -> list[Model]:
    """What reads reviews with each of the two in use."""
    found = [Encoder.open(settings).review]
    change(settings.model_store, weights)
    return [*found, Encoder.open(settings).review]


def _read(model: Model, texts: list[str], settings: Settings) -> Vectors:
    tokens = model.tokenizer.tokenize([model.tokenizer.clean(text) for text in texts])
    readable = [each for each in tokens if each is not None]
    size = max(1, batch_tokens(settings) // 128)
    parts = [readable[start : start + size] for start in range(0, len(readable), size)]
    read = [each for part in parts for each in model.encode(part, "review") if each]
    return np.stack([np.frombuffer(each.vector, "<i2") for each in read]).astype(np.float64)


def _cosine(one: Vectors, other: Vectors) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
