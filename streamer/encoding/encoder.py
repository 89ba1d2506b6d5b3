"""Opens an encoder: weights, tokenizer, heads, and the backend that is fastest here."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from streamer.encoding import sentiment
from streamer.encoding.choose import choose
from streamer.encoding.model import Model
from streamer.encoding.tokenizer import Tokenizer
from streamer.encoding.weights import TOKENIZER, Weights, resolve
from streamer.events import TextKind
from streamer.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Encoder:
    """The models of one encoder: each kind of text goes through one of them."""

    weights: Weights
    description: Model
    review: Model

    @classmethod
    def open(cls, settings: Settings, backend: str = "auto") -> Encoder:
        """Loads, measures and warms up; takes seconds.

        ``backend`` is "auto", or a word that the backend's name must contain, such as
        "openvino" or "torch-cpu-fp32". Raises ConfigurationError, BundleError.
        """
        weights = resolve(settings.encoder, settings.cache)
        tokenizer = Tokenizer(
            weights.folder / TOKENIZER, prefix=weights.prefix, max_tokens=weights.max_tokens
        )
        chosen = choose(weights, tokenizer, settings.encoder_batch_tokens, cores(settings), backend)
        head = _head(settings.model_store, weights)
        model = Model(weights.fingerprint, weights.dimensions, tokenizer, chosen, head)
        return cls(weights, model, model)

    @property
    def streams(self) -> int:
        """Forward passes that run at once."""
        return self.description.backend.streams

    def model(self, kind: TextKind) -> Model:
        return self.description if kind == "description" else self.review


def cores(settings: Settings) -> int:
    """Processor cores the encoder may use."""
    return settings.encoder_threads or len(os.sched_getaffinity(0))


def _head(store: Path, weights: Weights) -> sentiment.Head | None:
    folder = sentiment.find(store, weights.fingerprint)
    if folder is None:
        log.warning(
            "%s has no sentiment bundle for encoder %s (%s); reviews get no sentiment. "
            "Make one with: streamer finetune",
            *(store, weights.name, weights.fingerprint),
        )
        return None
    return sentiment.load(folder)
