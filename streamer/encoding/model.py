"""One model: a tokenizer, a backend that runs the encoder, and the head on its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.encoding.backends import Backend
from streamer.encoding.cache import Encoded
from streamer.encoding.projection import description_bytes, normalised, review_bytes
from streamer.encoding.sentiment import Head
from streamer.encoding.tokenizer import Tokenizer, Tokens
from streamer.events import TextKind


@dataclass(frozen=True, eq=False)
class Model:
    """What turns texts into vectors under one ``fingerprint``. ``identity`` also tells the head, and
    is what a cache goes by. Compared by identity, so that two models never share a batch."""

    fingerprint: str
    dimensions: int
    tokenizer: Tokenizer
    backend: Backend
    head: Head | None = None
    identity: str = ""

    def embed(self, batch: Sequence[Tokens]) -> NDArray[np.float32]:
        """Normalised embeddings, [texts, dimensions], of texts in any order of length."""
        return normalised(self.pooled(batch))

    def sentiment(self, batch: Sequence[Tokens]) -> NDArray[np.float64]:
        """P(positive) of each text; the model must have a head."""
        assert self.head is not None
        return self.head.probability(self.pooled(batch, self.head.layers(self.dimensions)))

    def encode(self, batch: Sequence[Tokens], kind: TextKind) -> list[Encoded | None]:
        """What goes on the wire for each text; None where the numbers came out not finite."""
        head = self.head if kind == "review" else None
        pooled = self.pooled(batch, head.layers(self.dimensions) if head else 1)
        unit = normalised(pooled[:, : self.dimensions])
        fine = np.asarray(np.isfinite(unit).all(axis=1))
        if kind == "description":
            return _together(description_bytes(unit), [None] * len(batch), fine)
        sentiment = head.probability(pooled).tolist() if head else [None] * len(batch)
        return _together(review_bytes(np.where(fine[:, None], unit, 0)), sentiment, fine)

    def pooled(self, batch: Sequence[Tokens], layers: int = 1) -> NDArray[np.float32]:
        """Pooled states of the last ``layers`` layers, [texts, layers * dimensions], the last
        layer first, of texts in any order of length."""
        order = np.argsort([len(tokens) for tokens in batch], kind="stable")
        pooled = np.empty((len(batch), layers * self.dimensions), np.float32)
        pooled[order] = self.backend.forward([batch[i] for i in order], layers)
        return pooled


def _together(
    vectors: Sequence[bytes], sentiment: Sequence[float | None], fine: NDArray[np.bool_]
) -> list[Encoded | None]:
    return [
        Encoded(vector, p) if good else None
        for vector, p, good in zip(vectors, sentiment, fine, strict=True)
    ]
