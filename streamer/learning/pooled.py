"""Pooled states of texts, as the heads of the encoder that serves get them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from streamer.encoding.backends import Backend
from streamer.encoding.model import Model
from streamer.encoding.tokenizer import Tokens


def pooled(
    model: Model,
    texts: Sequence[str],
    layers: int,
    batch_tokens: int,
    progress: Callable[[int], None] = lambda _: None,
) -> NDArray[np.float32]:
    """States of the last ``layers`` layers, the last one first, [texts, layers * dimensions]; zeros
    for a text that the encoder can't read. ``progress`` is told how many more texts are done."""
    tokenizer = model.tokenizer
    tokens = tokenizer.tokenize([tokenizer.clean(text) for text in texts])
    width = layers * model.dimensions
    return pooled_tokens(model.backend, tokens, width, batch_tokens, layers, progress)


def pooled_tokens(
    backend: Backend,
    tokens: Sequence[Tokens | None],
    width: int,
    batch_tokens: int,
    layers: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> NDArray[np.float32]:
    """The same of tokenised texts; ``width`` is that of all layers together."""
    found = np.zeros((len(tokens), width), np.float32)

    def run(batch: list[int]) -> None:
        found[batch] = backend.forward([t for i in batch if (t := tokens[i]) is not None], layers)
        progress(len(batch))

    with ThreadPoolExecutor(backend.streams) as pool:
        for _ in pool.map(run, _batches(tokens, batch_tokens)):
            pass
    return found


def _batches(tokens: Sequence[Tokens | None], budget: int) -> Iterator[list[int]]:
    """The places of the readable texts, in order of length, cut by token budget."""
    lengths = {place: len(each) for place, each in enumerate(tokens) if each is not None}
    batch: list[int] = []
    total = 0
    for place in sorted(lengths, key=lambda place: lengths[place]):
        if batch and total + lengths[place] > budget:
            yield batch
            batch, total = [], 0
        batch.append(place)
        total += lengths[place]
    if batch:
        yield batch
