"""BERT in OpenVINO on a CPU, in bf16 where the processor has it; batches are padded."""

from __future__ import annotations

import queue
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

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
        compiled = _openvino().Core().compile_model(_graph(weights, tensors), "CPU", hints)
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


class _Pooling(nn.Module):
    """Pooled states of the last layers, the last one first: what goes into the graph."""

    def __init__(self, bert: nn.Module, how: str) -> None:
        super().__init__()
        self.bert, self.how = bert, how

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        states = self.bert(inputs_embeds=words, attention_mask=mask).hidden_states
        last = states[: -1 - MAX_LAYERS : -1][: len(states) - 1]
        if self.how == "cls":
            return torch.cat([state[:, 0] for state in last], dim=1)
        shown = mask[:, :, None]
        return torch.cat([(state * shown).sum(1) / shown.sum(1) for state in last], dim=1)


def _graph(weights: Weights, tensors: Mapping[str, Tensor]) -> Any:
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(**{**weights.config, "vocab_size": 8})
    config.output_hidden_states = True
    make: Any = AutoModel.from_config
    bert = make(config, attn_implementation="sdpa", add_pooling_layer=False).eval()
    bert.load_state_dict({n: t for n, t in tensors.items() if n != WORDS}, strict=False)
    example = (torch.zeros(2, 16, weights.dimensions), torch.ones(2, 16))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return _openvino().convert_model(_Pooling(bert, weights.pooling), example_input=example)


def _openvino() -> Any:
    try:
        import openvino
    except ImportError:
        raise DependencyMissing("openvino", "encoder") from None
    return openvino
