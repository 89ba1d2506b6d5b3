"""The packed torch backend, on a CPU or a GPU."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.encoding.backends.flat import ROUND_TOKENS, FlatBert, Shape
from streamer.encoding.tokenizer import Tokens
from streamer.encoding.weights import TENSORS, WORDS, Weights, damaged
from streamer.errors import ConfigurationError

_SIZES = (
    (WORDS, 1, "hidden_size"),
    ("embeddings.position_embeddings.weight", 0, "max_position_embeddings"),
)
"""Tensors, and what the configuration calls their sizes."""

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchFlat:
    """A BERT in torch, batches packed without padding; implements Backend.

    On a CPU each of the ``streams`` computes with ``threads`` threads; on a GPU each thread has a
    CUDA stream of its own, so that one's copies pass beside another's products.
    """

    padded = False

    def __init__(
        self,
        weights: Weights,
        tensors: Mapping[str, Tensor],
        precision: str,
        streams: int = 1,
        threads: int = 1,
        device: str = "cpu",
    ) -> None:
        self.name = f"torch-{device}-{precision}-{streams}x{threads}"
        self.streams = streams
        self._threads = threads
        self._device = torch.device(device)
        self._pooling = weights.pooling
        self._local = threading.local()
        self._bert = FlatBert(
            Shape.of(weights.config),
            tensors,
            PRECISIONS[precision],
            self._device,
            fused=device == "cpu" and torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
        )

    def forward(self, batch: Sequence[Tokens], layers: int = 1) -> NDArray[np.float32]:
        lengths = [len(tokens) for tokens in batch]
        with torch.inference_mode(), self._claimed():
            states = self._bert(self._ids(batch, sum(lengths)), lengths, layers)
            pooled = torch.cat([self._pool(hidden, lengths) for hidden in states], dim=1)
            found: NDArray[np.float32] = self._fetched(pooled).numpy()
        return found

    def _ids(self, batch: Sequence[Tokens], total: int) -> Tensor:
        room = -(-total // ROUND_TOKENS) * ROUND_TOKENS
        gpu = self._device.type == "cuda"
        ids = torch.full((room,), self._bert.shape.pad, dtype=torch.int64, pin_memory=gpu)
        ids[:total] = torch.from_numpy(np.concatenate(batch))
        return ids.to(self._device, non_blocking=True)

    def _fetched(self, pooled: Tensor) -> Tensor:
        if self._device.type != "cuda":
            return pooled
        found = torch.empty(pooled.shape, dtype=pooled.dtype, pin_memory=True)
        found.copy_(pooled, non_blocking=True)
        torch.cuda.current_stream(self._device).synchronize()
        return found

    def _pool(self, hidden: Tensor, lengths: Sequence[int]) -> Tensor:
        counts = torch.tensor(lengths).to(hidden.device, non_blocking=True)
        if self._pooling == "cls":
            return hidden[counts.cumsum(0) - counts].float()
        owner = torch.repeat_interleave(counts, output_size=sum(lengths))
        sums = hidden.new_zeros((len(lengths), hidden.shape[1]), dtype=torch.float32)
        sums.index_add_(0, owner, hidden[: len(owner)].float())
        return sums / counts[:, None]

    def _claimed(self) -> AbstractContextManager[Any]:
        """torch keeps its thread count, as its CUDA stream, per calling thread."""
        if self._device.type == "cuda":
            if not hasattr(self._local, "stream"):
                self._local.stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            return torch.cuda.stream(self._local.stream)
        if getattr(self._local, "threads", None) != self._threads:
            torch.set_num_threads(self._threads)
            self._local.threads = self._threads
        return nullcontext()


def load_tensors(weights: Weights) -> dict[str, Tensor]:
    """An encoder's tensors by their transformers names, without a prefix of the whole model's.

    Raises ConfigurationError.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(weights.folder / TENSORS)
    except SafetensorError as error:
        raise damaged(weights.folder / TENSORS, error) from None
    prefix = f"{weights.config.get('model_type', '').replace('xlm-', '')}."
    found = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    if WORDS not in found:
        raise ConfigurationError(f"encoder {weights.name} is no BERT: it has no tensor {WORDS}")
    for tensor, axis, name in _SIZES:
        said, size = weights.config.get(name), found[tensor].shape[axis] if tensor in found else 0
        if size and said and said != size:
            wrong = ValueError(f"{name} is {said}, but {size} in {TENSORS}")
            raise damaged(weights.folder / "config.json", wrong)
    return found
