"""Opens an encoder: weights, tokenizer, heads, and the way to run it that is fastest here."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from streamer.encoding import adapter, probe, sentiment
from streamer.encoding.backends.torch_flat import load_tensors
from streamer.encoding.choose import choose
from streamer.encoding.model import Model
from streamer.encoding.recipe import Recipe
from streamer.encoding.tokenizer import Tokenizer
from streamer.encoding.weights import TOKENIZER, Weights, resolve
from streamer.events import TextKind
from streamer.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Encoder:
    """The models of one encoder: each kind of text goes through one of them.

    Descriptions are read by the encoder as it is, whose vectors the predictor knows. Reviews are
    read by the same encoder or, where its sentiment was fine-tuned, by one with the changes merged
    in, under a fingerprint of its own.
    """

    weights: Weights
    description: Model
    review: Model
    sentiment_bundle: str = ""
    """The name of the sentiment bundle; empty where there is none."""

    @classmethod
    def open(cls, settings: Settings) -> Encoder:
        """Loads, measures and warms up; takes seconds. Raises ConfigurationError, BundleError."""
        weights = resolve(settings.encoder, settings.cache)
        tokenizer = Tokenizer(
            weights.folder / TOKENIZER,
            prefix=weights.prefix,
            max_tokens=weights.max_tokens,
            languages=weights.languages,
        )
        bundle = _sentiment(settings.model_store, weights)
        recipe = choose(
            weights,
            settings.encoder,
            settings.encoder_batch_tokens,
            cores(settings),
            settings.encoder_backend,
            settings.cache.expanduser(),
        )
        tensors = recipe.shared(load_tensors(weights))
        backend = recipe.make(weights, tensors)
        description = Model(weights.fingerprint, weights.dimensions, tokenizer, backend)
        review = _reviewing(description, weights, tensors, recipe, bundle)
        for model in {description, review}:
            _warm(model, settings.encoder_batch_tokens)
        log.info("encoder %s on %s", weights.name, recipe.name)
        return cls(weights, description, review, bundle.name if bundle else "")

    @property
    def streams(self) -> int:
        """Forward passes that run at once."""
        return self.description.backend.streams

    def with_sentiment(self, bundle: sentiment.Bundle) -> Encoder:
        """The same encoder, with another sentiment of reviews, one that changes nothing in it."""
        return replace(self, review=_headed(self.description, bundle), sentiment_bundle=bundle.name)

    def model(self, kind: TextKind) -> Model:
        return self.description if kind == "description" else self.review


def cores(settings: Settings) -> int:
    """Processor cores the encoder may use."""
    return settings.encoder_threads or len(os.sched_getaffinity(0))


def _sentiment(store: Path, weights: Weights) -> sentiment.Bundle | None:
    folder = sentiment.find(store, weights.fingerprint)
    if folder is None:
        log.warning(
            "%s has no sentiment bundle for encoder %s (%s); reviews get no sentiment. "
            "Make one with: streamer finetune",
            *(store, weights.name, weights.fingerprint),
        )
        return None
    return sentiment.load(folder)


def _reviewing(
    plain: Model,
    weights: Weights,
    tensors: Mapping[str, Tensor],
    recipe: Recipe,
    bundle: sentiment.Bundle | None,
) -> Model:
    """The model of reviews; shares the plain one's backend where nothing changed."""
    if bundle is None:
        return plain
    headed = _headed(plain, bundle)
    if not bundle.adapter:
        return headed
    from safetensors.torch import load

    changed = adapter.merged(tensors, load(bundle.adapter))
    return replace(headed, backend=recipe.make(weights, changed))


def _headed(plain: Model, bundle: sentiment.Bundle) -> Model:
    return replace(
        plain, fingerprint=bundle.fingerprint, head=bundle.head, identity=bundle.identity
    )


def _warm(model: Model, budget: int) -> None:
    """One batch of ordinary texts and the shortest and longest lone ones, on every stream."""
    (batch,) = probe.batches(model.tokenizer, budget, 1)
    for _ in range(model.backend.streams):
        for texts in (batch, batch[:1], batch[-1:]):
            model.embed(texts)
