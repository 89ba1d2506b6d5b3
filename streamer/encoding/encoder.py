"""Opens an encoder: weights, tokenizer, heads, and the way to run it that is fastest here."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from streamer.encoding import adapter, probe, sentiment
from streamer.encoding.backends import Backend
from streamer.encoding.backends.torch_flat import load_tensors
from streamer.encoding.choose import choose
from streamer.encoding.model import Model
from streamer.encoding.recipe import Recipe
from streamer.encoding.tokenizer import Tokenizer
from streamer.encoding.weights import TOKENIZER, WORDS, Weights, resolve
from streamer.events import TextKind
from streamer.settings import Settings

log = logging.getLogger(__name__)

CPU_TOKENS, GPU_TOKENS = 1024, 32768
"""Tokens of a batch, unless told. Of small ones a GPU is done before a processor has told it what to do."""


@dataclass(frozen=True)
class Encoder:
    """The models of one encoder: each kind of text goes through one of them.

    Descriptions are read by the encoder as it is, whose vectors the predictor knows. Reviews are
    read by the same encoder or, where its sentiment was fine-tuned, by one with the changes merged
    in, under a fingerprint of its own.
    """

    weights: Weights
    recipe: Recipe
    words: Tensor
    """The table of words, which all its models share."""
    batch_tokens: int
    description: Model
    review: Model
    sentiment_bundle: str = ""
    """The name of the sentiment bundle; empty where there is none."""

    @classmethod
    def open(cls, settings: Settings) -> Encoder:
        """Loads, measures and warms up; takes seconds. Raises ConfigurationError, BundleError."""
        weights = resolve(settings.encoder, settings.cache_folder)
        tokenizer = Tokenizer(
            weights.folder / TOKENIZER,
            prefix=weights.prefix,
            max_tokens=weights.max_tokens,
            reads_han=weights.reads("zh"),
        )
        tensors = load_tensors(weights)
        budget = batch_tokens(settings)
        bundle = _sentiment(settings.model_store, weights)
        recipe = choose(
            weights,
            settings.encoder,
            budget,
            cores(settings),
            settings.encoder_backend,
            settings.cache_folder,
        )
        tensors = recipe.shared(tensors)
        backend = recipe.make(weights, tensors)
        plain = Model(weights.fingerprint, weights.dimensions, tokenizer, backend)
        _warm(plain, budget)
        log.info("encoder %s on %s", weights.name, recipe.name)
        found = cls(weights, recipe, tensors[WORDS], budget, plain, plain)
        return found.with_sentiment(bundle) if bundle else found

    @property
    def streams(self) -> int:
        """Forward passes that run at once."""
        return self.description.backend.streams

    def with_sentiment(self, bundle: sentiment.Bundle) -> Encoder:
        """The same encoder with another sentiment of reviews. Where that was fine-tuned, what reads
        reviews is made and warmed up: seconds, so not on an event loop."""
        review = self._headed(bundle)
        if bundle.adapter:
            _warm(review, self.batch_tokens)
        return replace(self, review=review, sentiment_bundle=bundle.name)

    def _headed(self, bundle: sentiment.Bundle) -> Model:
        """The model of reviews; shares the plain one's backend where nothing changed."""
        return replace(
            self.description,
            fingerprint=bundle.fingerprint,
            head=bundle.head,
            identity=bundle.identity,
            backend=self._changed(bundle.adapter) if bundle.adapter else self.description.backend,
        )

    def _changed(self, changes: bytes) -> Backend:
        from safetensors.torch import load

        tensors = {**load_tensors(self.weights), WORDS: self.words}
        return self.recipe.make(self.weights, adapter.merged(tensors, load(changes)))

    def model(self, kind: TextKind) -> Model:
        return self.description if kind == "description" else self.review


def batch_tokens(settings: Settings) -> int:
    """Tokens of one batch."""
    usual = GPU_TOKENS if torch.cuda.is_available() else CPU_TOKENS
    return settings.encoder_batch_tokens or usual


def cores(settings: Settings) -> int:
    """Processor cores the encoder may use."""
    return settings.encoder_threads or len(os.sched_getaffinity(0))


def _sentiment(store: Path, weights: Weights) -> sentiment.Bundle | None:
    bundle = sentiment.in_use(store, weights.fingerprint)
    if bundle is None:
        log.warning(
            "%s has no sentiment bundle for encoder %s (%s); reviews get no sentiment. "
            "Make one with: streamer finetune",
            *(store, weights.name, weights.fingerprint),
        )
    return bundle


def _warm(model: Model, budget: int) -> None:
    """One batch of ordinary texts and the shortest and longest lone ones, on every stream."""
    (batch,) = probe.batches(model.tokenizer, budget, 1)
    for _ in range(model.backend.streams):
        for texts in (batch, batch[:1], batch[-1:]):
            model.embed(texts)
