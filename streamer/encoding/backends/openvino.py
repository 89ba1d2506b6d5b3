"""BERT in OpenVINO on a CPU, in bf16 where the processor has it; batches are padded."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streamer.encoding.backends.flat import Shape
from streamer.encoding.kernels import KEPT_KERNELS
from streamer.encoding.tokenizer import Tokens
from streamer.encoding.weights import WORDS, Weights
from streamer.errors import DependencyMissing

MAX_LAYERS = 4
"""States of so many last layers are pooled in the graph."""
ROUND_TOKENS = 8
"""Texts are padded to a multiple of this, so that few shapes ever occur."""


class OpenVino:
    """A BERT in OpenVINO; implements Backend. The table of words stays outside the graph, shared
    with whoever else holds the same tensors.

    Raises DependencyMissing, ConfigurationError.
    """

    padded = True

    def __init__(
        self,
        weights: Weights,
        tensors: Mapping[str, Tensor],
        precision: str,
        streams: int = 1,
        threads: int = 1,
    ) -> None:
        self.name = f"openvino-cpu-{precision}-{streams}x{threads}"
        self.streams = streams
        self._shape = Shape.of(weights.config)
        self._words = tensors[WORDS].numpy()
        hints = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32"}.get(precision, precision),
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams * threads,
            "CPU_RUNTIME_CACHE_CAPACITY": KEPT_KERNELS,
        }
        core, graph = _open()
        layers = min(MAX_LAYERS, self._shape.layers)
        model = graph(tensors, self._shape, weights.pooling, layers)
        compiled = core.compile_model(model, "CPU", hints)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(streams):
            self._idle.put(compiled.create_infer_request())

    def forward(self, batch: Sequence[Tokens], layers: int = 1) -> NDArray[np.float32]:
        longest = -(-len(batch[-1]) // ROUND_TOKENS) * ROUND_TOKENS
        ids = np.full((len(batch), longest), self._shape.pad, np.int64)
        mask = np.zeros((len(batch), longest), np.float32)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
        request = self._idle.get()
        try:
            pooled: NDArray[np.float32] = request.infer([self._words[ids], mask])[0]
            return pooled[:, : layers * self._shape.width].copy()
        finally:
            self._idle.put(request)


def _open() -> tuple[Any, Callable[..., Any]]:
    """OpenVINO's engine, and what lays out the graph."""
    try:
        import openvino

        from streamer.encoding.backends.graph import graph
    except ImportError:
        raise DependencyMissing("openvino", "encoder") from None
    return openvino.Core(), graph
