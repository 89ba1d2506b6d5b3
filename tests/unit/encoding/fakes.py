"""An encoder without a model: deterministic vectors, and failures on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.encoding.encoder import Encoder
from streamer.encoding.model import Model
from streamer.encoding.sentiment import Head
from streamer.encoding.service import EncodingService
from streamer.encoding.tokenizer import Tokens
from streamer.events import Text

DIMENSIONS = 48


class CharTokenizer:
    """One token a character, between a first and a last one."""

    def clean(self, text: str) -> str:
        return text.strip()

    def foreign(self, cleaned: str) -> bool:
        return "好" in cleaned

    def tokenize(self, cleaned: Sequence[str]) -> list[Tokens | None]:
        return [np.array([1, *map(ord, text), 2], np.int32) if text else None for text in cleaned]


class CountingBackend:
    """Keeps the batches it saw. ``before`` is called with each batch and may raise or wait."""

    name = "counting"

    def __init__(
        self,
        before: Callable[[list[str]], None] = lambda batch: None,
        *,
        streams: int = 1,
        padded: bool = False,
        scale: float = 1.0,
    ) -> None:
        self.streams, self.padded, self._scale = streams, padded, scale
        self.batches: list[list[str]] = []
        self._before = before
        self._lock = threading.Lock()

    def forward(self, batch: Sequence[Tokens], layers: int = 1) -> NDArray[np.float32]:
        texts = ["".join(map(chr, tokens[1:-1])) for tokens in batch]
        with self._lock:
            self.batches.append(texts)
        self._before(texts)
        pooled = np.stack([vector(text) for text in texts]) * np.float32(self._scale)
        return np.tile(pooled, layers)

    @property
    def texts(self) -> list[str]:
        return [text for batch in self.batches for text in batch]


def vector(text: str) -> NDArray[np.float32]:
    """The vector that a text has, before it is normalised."""
    seed = int.from_bytes(text.encode()[:8].ljust(8, b"\0"), "little") % 2**32 + len(text)
    return np.random.RandomState(seed % 2**32).standard_normal(DIMENSIONS).astype(np.float32)


def model(backend: CountingBackend, fingerprint: str = "fake", head: Head | None = None) -> Model:
    return Model(fingerprint, DIMENSIONS, CharTokenizer(), backend, head)  # type: ignore[arg-type]


def encoder(
    backend: CountingBackend, fingerprint: str = "fake", head: Head | None = None
) -> Encoder:
    one = model(backend, fingerprint, head)
    return Encoder(None, None, None, 0, one, one)  # type: ignore[arg-type]


def service(backend: CountingBackend, **options: object) -> EncodingService:
    settings = {"batch_tokens": 200, "deadline_seconds": 0.002, **options}
    return EncodingService(encoder(backend), **settings)  # type: ignore[arg-type]


def text(content: str, kind: str = "review", **fields: object) -> Text:
    values = {"item_id": "i", "text_id": content, "time": 5.0, **fields}
    return Text(kind=kind, text=content, **values)  # type: ignore[arg-type]
