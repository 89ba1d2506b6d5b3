"""The real texts that encoders are compared on."""

from __future__ import annotations

import random
from collections.abc import Sequence

from streamer.encoding.tokenizer import Tokenizer
from streamer.encoding.weights import TOKENIZER, Weights
from streamer.events import Behaviour, NewItem, Text, TextKind
from streamer.intake import description_text, review_text
from streamer.replay.sources.chinese import read_lines
from streamer.replay.sources.clothing import ClothingReviews
from streamer.replay.sources.journey_catalogue import Catalogue


def review(number: int, content: str) -> Text:
    kind: TextKind = "review"
    return Text(item_id=f"i{number}", kind=kind, text_id=f"t{number}", text=content, time=1.0)


def new_items(count: int) -> list[NewItem]:
    catalogue = Catalogue()
    ids = random.Random(1).sample(catalogue.ids(), count)
    return [catalogue.item(product, f"new-{product}", 1.0, 1.0) for product in ids]


def real_texts(count: int) -> list[str]:
    """Equal shares of product descriptions, clothing reviews and Chinese reviews, drawn once and
    for all. Raises DependencyMissing."""
    rng = random.Random(0)
    kinds = (_descriptions(), _clothing(), [line for lines in read_lines() for line in lines])
    texts = [text for kind in kinds for text in rng.sample(kind, min(len(kind), count // 3 + 1))]
    rng.shuffle(texts)
    return texts[:count]


def _descriptions() -> list[str]:
    catalogue = Catalogue()
    items = (catalogue.item(product, str(product), 1.0, 1.0) for product in catalogue.ids())
    return sorted({description_text(item, "").text for item in items})


def _clothing() -> list[str]:
    events = (record.value for record in ClothingReviews(1.0, 2.0))
    return [
        review_text(event, "").text
        for event in events
        if isinstance(event, Behaviour) and event.type == "review" and event.text
    ]


def mean_tokens(weights: Weights, texts: Sequence[str]) -> float:
    """Tokens a text."""
    tokens = [each for each in _tokenizer(weights).tokenize(list(texts)) if each is not None]
    return sum(map(len, tokens)) / len(tokens)


def cleaned(weights: Weights, texts: Sequence[str]) -> list[str]:
    """Ours cleans what it gets, so everyone gets what cleaning does not change any more."""
    tokenizer = _tokenizer(weights)
    clean = [found for text in texts if tokenizer.clean(found := tokenizer.clean(text)) == found]
    readable = zip(clean, tokenizer.tokenize(clean), strict=True)
    return [text for text, tokens in readable if tokens is not None]


def _tokenizer(weights: Weights) -> Tokenizer:
    return Tokenizer(
        weights.folder / TOKENIZER, prefix=weights.prefix, max_tokens=weights.max_tokens
    )
