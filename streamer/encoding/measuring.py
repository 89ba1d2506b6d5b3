"""Measures the ways to run an encoder on this machine, in a process of its own, so that what they need
of memory is gone afterwards.

usage: python -m streamer.encoding.measuring ENCODER CACHE BUDGET CORES WANTED

The last line of its output is the fastest recipe as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streamer.encoding import probe
from streamer.encoding.backends import Backend
from streamer.encoding.backends.torch_flat import TorchFlat, load_tensors
from streamer.encoding.batcher import Limits, cut
from streamer.encoding.projection import normalised
from streamer.encoding.recipe import Recipe, matching
from streamer.encoding.tokenizer import Tokenizer, Tokens
from streamer.encoding.weights import TOKENIZER, Weights, resolve
from streamer.errors import ConfigurationError, DependencyMissing

MIN_COSINE = 0.999
"""A backend whose embedding of any probe is further than this from fp32's is not used."""
WORTH_ITS_MEMORY = 1.1
"""OpenVINO takes nearly twice the memory, and has to be this many times as fast."""
ROUNDS = 3
BATCHES = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """``cosine`` is the least to fp32, ``rate`` in tokens per second with all streams busy."""

    recipe: Recipe
    cosine: float
    rate: float


@dataclass(frozen=True, slots=True)
class _Job:
    tokens: Tokens
    length: int
    arrived: float = 0.0


def measure(
    recipes: Sequence[Recipe],
    weights: Weights,
    tensors: Mapping[str, Tensor],
    texts: Sequence[Tokens],
    budget: int,
) -> Iterator[Measured]:
    """Each recipe that can be used here, on the same texts."""
    jobs = [_Job(tokens, len(tokens)) for tokens in sorted(texts, key=len)]
    exact = TorchFlat(weights, tensors, "fp32", device=recipes[0].device)
    truth = _embedded(exact, _batches(jobs, budget, False))
    for recipe in recipes:
        try:
            backend = recipe.make(weights, tensors)
        except (DependencyMissing, RuntimeError) as error:
            print(f"{recipe.name} can't be used: {error}", file=sys.stderr)
            continue
        batches = _batches(jobs, budget, backend.padded)
        cosine = float((_embedded(backend, batches) * truth).sum(axis=1).min())
        yield Measured(recipe, cosine, _rate(backend, batches))


def fastest(found: Sequence[Measured]) -> Recipe:
    """The fastest that is right. Raises ConfigurationError where none is."""
    right = [each for each in found if each.cosine >= MIN_COSINE]
    if not right:
        raise ConfigurationError(f"no way to run the encoder here passes the cosine {MIN_COSINE}")
    return max(right, key=_worth).recipe


def _worth(found: Measured) -> float:
    return found.rate / (WORTH_ITS_MEMORY if found.recipe.engine == "openvino" else 1.0)


def _batches(jobs: list[_Job], budget: int, padded: bool) -> list[list[Tokens]]:
    return [[job.tokens for job in batch] for batch in cut(jobs, Limits(budget, 0.0, padded))]


def _embedded(backend: Backend, batches: Sequence[Sequence[Tokens]]) -> NDArray[np.float32]:
    return np.concatenate([normalised(backend.forward(batch)) for batch in batches])


def _rate(backend: Backend, batches: Sequence[Sequence[Tokens]]) -> float:
    """The best of a few rounds; what came before has warmed it up."""
    best = float("inf")
    with ThreadPoolExecutor(backend.streams) as pool:
        for _ in range(ROUNDS):
            started = time.perf_counter()
            list(pool.map(backend.forward, batches))
            best = min(best, time.perf_counter() - started)
    return sum(len(text) for batch in batches for text in batch) / best


def main(encoder: str, cache: str, budget: str, cores: str, wanted: str) -> None:
    weights = resolve(encoder, Path(cache))
    tokenizer = Tokenizer(
        weights.folder / TOKENIZER, prefix=weights.prefix, max_tokens=weights.max_tokens
    )
    batches = probe.batches(tokenizer, int(budget), BATCHES)
    texts = [text for batch in batches for text in batch]
    recipes = matching(int(cores), wanted)
    found: list[Measured] = []
    for each in measure(recipes, weights, load_tensors(weights), texts, int(budget)):
        print(f"{each.recipe.name}: {each.rate:,.0f} tokens/s, least cosine {each.cosine:.5f}")
        found.append(each)
    print(json.dumps(asdict(fastest(found))))


if __name__ == "__main__":
    main(*sys.argv[1:])
