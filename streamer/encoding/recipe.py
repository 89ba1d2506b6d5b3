"""How an encoder can be run on this machine: engine, device, precision, streams and threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

from streamer.encoding.backends import Backend
from streamer.encoding.backends.torch_flat import PRECISIONS, TorchFlat
from streamer.encoding.weights import WORDS, Weights
from streamer.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Recipe:
    """``streams`` passes at once, each with ``threads`` threads."""

    engine: str
    device: str
    precision: str
    streams: int
    threads: int

    @property
    def name(self) -> str:
        return f"{self.engine}-{self.device}-{self.precision}-{self.streams}x{self.threads}"

    def make(self, weights: Weights, tensors: Mapping[str, Tensor]) -> Backend:
        """A backend of this kind. Raises ConfigurationError."""
        try:
            return self._made(weights, tensors)
        except KeyError as error:
            raise ConfigurationError(
                f"encoder {weights.name} has no tensor {error}, which its config.json asks for"
            ) from None

    def _made(self, weights: Weights, tensors: Mapping[str, Tensor]) -> Backend:
        if self.engine == "openvino":
            from streamer.encoding.backends.openvino import OpenVino

            return OpenVino(weights, tensors, self.precision, self.streams, self.threads)
        if self.device == "cuda":
            return TorchFlat(weights, tensors, self.precision, self.streams, device="cuda")
        return TorchFlat(weights, tensors, self.precision, self.streams, self.threads)

    def shared(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors with the table of words as every backend of this kind holds it, so that
        several hold the same one."""
        found = dict(tensors)
        if self.engine == "torch":
            found[WORDS] = found[WORDS].to(self.device, PRECISIONS[self.precision])
        return found


def matching(cores: int, wanted: str = "auto") -> list[Recipe]:
    """The recipes whose name contains ``wanted``, or all."""
    return [each for each in _recipes(cores) if wanted == "auto" or wanted in each.name]


def _recipes(cores: int) -> Iterator[Recipe]:
    """What may be fast here and may pass the accuracy gate. Dynamic int8 is not among them: torch's
    comes to cosines of 0.73, onnxruntime's to 0.98."""
    if torch.cuda.is_available():
        precisions = ("bf16", "fp16") if torch.cuda.is_bf16_supported() else ("fp16", "fp32")
        yield from (Recipe("torch", "cuda", precision, 2, 1) for precision in precisions)
        return
    for streams, threads in sorted({(1, cores), (max(1, cores // 4), min(4, cores)), (cores, 1)}):
        yield Recipe("torch", "cpu", "bf16", streams, threads)
    yield Recipe("torch", "cpu", "fp32", cores, 1)
    if find_spec("openvino"):
        yield Recipe("openvino", "cpu", "bf16", cores, 1)
