"""Which words carried what was said of a text: by occlusion (Zeiler and Fergus, 2014), a word at a
time.

What a word weighs is how much the logit falls when every occurrence of it is taken out of the text.
That costs a forward pass a word, so it is done for a reader who asks, not for every text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.encoding.batcher import Limits, cut
from streamer.encoding.keywords import words
from streamer.encoding.model import Model
from streamer.encoding.prepare import unreadable
from streamer.encoding.tokenizer import Tokens
from streamer.errors import BadEvent

Judge = Callable[[Sequence[Tokens]], NDArray[np.float64]]
"""Gives each text of a batch a logit."""

MOST_WORDS = 128
BATCH_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Keyword:
    """``weight`` is in the logit: above 0 it speaks for the goods. ``places`` are where the word
    stands in the text, [start, end)."""

    word: str
    weight: float
    places: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Explained:
    """A text as the encoder reads it, the probability that goes with it, and its words, the
    weightiest first."""

    text: str
    probability: float
    keywords: list[Keyword]


def explain(model: Model, review: str) -> Explained:
    """Judges a review and its words. The model must have a head.

    Raises BadEvent for a text that can't be read or is in a language that the encoder does not know,
    DependencyMissing.
    """
    if model.tokenizer.foreign(model.tokenizer.clean(review)):
        raise BadEvent("unreadable-text", f"the encoder reads no Chinese: {review[:40]!r}")

    def judge(batch: Sequence[Tokens]) -> NDArray[np.float64]:
        p = np.clip(model.sentiment(batch), 1e-9, 1 - 1e-9)
        logits: NDArray[np.float64] = np.log(p / (1 - p))
        return logits

    return _explained(model, review, judge)


def explain_description(
    model: Model, description: str, logits: Callable[[NDArray[np.float32]], NDArray[np.float64]]
) -> Explained:
    """What each word of a description does to an item's score; ``logits`` gives the item's for each
    row of embeddings in the place of its own. Raises BadEvent for one that can't be read,
    DependencyMissing."""
    return _explained(model, description, lambda batch: logits(model.embed(batch)))


def _explained(model: Model, written: str, judge: Judge) -> Explained:
    text = model.tokenizer.clean(written)
    places: dict[str, list[tuple[int, int]]] = {}
    for found in words(text):
        if found.word in places or len(places) < MOST_WORDS:
            places.setdefault(found.word, []).append((found.start, found.end))
    variants = [text, *(_without(text, spans) for spans in places.values())]
    logits = _logits(model, model.tokenizer.tokenize(variants), judge)
    if np.isnan(logits[0]):
        raise unreadable(text)
    # Of a text that is nothing but one word, nothing is left to compare with.
    weights = np.nan_to_num(logits[0] - logits[1:])
    found_ = [
        Keyword(word, float(weight), spans)
        for (word, spans), weight in zip(places.items(), weights, strict=True)
    ]
    keywords = sorted(found_, key=lambda keyword: -abs(keyword.weight))
    return Explained(text, float(1 / (1 + np.exp(-logits[0]))), keywords)


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    kept, at = [], 0
    for start, end in spans:
        kept.append(text[at:start])
        at = end
    return " ".join("".join([*kept, text[at:]]).split())


@dataclass(frozen=True, slots=True)
class _Variant:
    place: int
    tokens: Tokens
    length: int
    arrived: float = 0.0


def _logits(model: Model, tokens: Sequence[Tokens | None], judge: Judge) -> NDArray[np.float64]:
    """NaN where nothing is left to read."""
    variants = [_Variant(i, each, len(each)) for i, each in enumerate(tokens) if each is not None]
    found = np.full(len(tokens), np.nan)
    limits = Limits(BATCH_TOKENS, 0.0, model.backend.padded)
    for batch in cut(sorted(variants, key=lambda each: each.length), limits):
        found[[each.place for each in batch]] = judge([each.tokens for each in batch])
    return found
