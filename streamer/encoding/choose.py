"""Which backend is fastest on this machine, by measurement, among those that are right."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.encoding import probe
from streamer.encoding.backends import Backend
from streamer.encoding.backends.torch_flat import TorchFlat, load_tensors
from streamer.encoding.projection import normalised
from streamer.encoding.tokenizer import Tokenizer, Tokens
from streamer.encoding.weights import Weights
from streamer.errors import ConfigurationError

log = logging.getLogger(__name__)

MIN_COSINE = 0.999
"""A backend whose embedding of any probe is further than this from fp32's is not used."""

_ROUNDS = 1
_BATCHES = 2

Candidate = tuple[str, Callable[[], Backend]]


def choose(
    weights: Weights, tokenizer: Tokenizer, budget: int, cores: int, wanted: str = "auto"
) -> Backend:
    """The backend with the most tokens per second whose cosine to fp32 passes MIN_COSINE.

    Only those whose name contains ``wanted`` compete, unless it is "auto". Raises
    ConfigurationError when none is left.
    """
    tensors = load_tensors(weights)
    batches = probe.batches(tokenizer, budget, _BATCHES)
    truth = normalised(TorchFlat(weights, tensors, precision="fp32").forward(batches[0]))
    best: Backend | None = None
    best_rate = 0.0
    for name, make in _candidates(weights, tensors, cores):
        if wanted != "auto" and wanted not in name:
            continue
        backend = make()
        cosine, rate = _cosine(backend, batches[0], truth), _rate(backend, batches)
        log.info("backend %s: %.0f tokens/s, least cosine %.5f", name, rate, cosine)
        if cosine >= MIN_COSINE and rate > best_rate:
            best, best_rate = backend, rate
    if best is None:
        raise ConfigurationError(f"no encoder backend fits {wanted!r} on this machine")
    log.info("encoder backend %s", best.name)
    return best


def _candidates(weights: Weights, tensors: Mapping[str, Tensor], cores: int) -> Iterator[Candidate]:
    for precision, device, streams in _torch_plans(cores):
        threads = max(1, cores // streams)
        name = f"torch-{device}-{precision}-{streams}x{threads}"
        yield (
            name,
            lambda p=precision, d=device, s=streams, t=threads: TorchFlat(  # type: ignore[misc]
                weights, tensors, precision=p, streams=s, threads=t, device=d
            ),
        )


def _torch_plans(cores: int) -> Iterator[tuple[str, str, int]]:
    if torch.cuda.is_available():
        yield "bf16", "cuda", 1
        yield "fp16", "cuda", 1
        return
    streams = sorted({1, min(2, cores)})
    for precision in ("bf16", "fp32"):
        for count in streams:
            yield precision, "cpu", count


def _cosine(backend: Backend, batch: Sequence[Tokens], truth: NDArray[np.float32]) -> float:
    return float((normalised(backend.forward(batch)) * truth).sum(axis=1).min())


def _rate(backend: Backend, batches: Sequence[Sequence[Tokens]]) -> float:
    """Tokens per second with all streams busy; the best of a few rounds, the first one aside."""
    tokens = sum(len(text) for batch in batches for text in batch)
    best = float("inf")
    with ThreadPoolExecutor(backend.streams) as pool:
        for _ in range(1 + _ROUNDS):
            started = time.perf_counter()
            list(pool.map(backend.forward, batches))
            best = min(best, time.perf_counter() - started)
    return tokens / best
