"""BERT over one flat sequence: the texts of a batch end to end, with no padding between them.

Everything but attention treats tokens one by one, so it runs on [tokens, width] at once; see
`attention` for the rest. On a CPU the matrix products go through oneDNN with weights laid
out once for it, and bias, activation and residual sum fused into them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from streamer.encoding.backends.attention import Group, attend, by_products, fused, plan, scale
from streamer.encoding.weights import first_position
from streamer.errors import ConfigurationError

ROUND_TOKENS = 16
"""A flat sequence is filled up to a multiple of this, so that few shapes ever occur: each new
one costs oneDNN a kernel, and memory for it."""

ACTIVATIONS = {"gelu": ("gelu", "none"), "gelu_new": ("gelu", "tanh"), "relu": ("relu", "")}
_NEEDED = (
    "num_hidden_layers",
    "num_attention_heads",
    "hidden_size",
    "layer_norm_eps",
    "hidden_act",
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a transformers configuration the forward pass needs."""

    layers: int
    heads: int
    width: int
    epsilon: float
    activation: str
    first_position: int
    pad: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """Raises ConfigurationError for a model that is no BERT or RoBERTa."""
        kind = config.get("model_type")
        absolute = config.get("position_embedding_type", "absolute") == "absolute"
        if kind not in {"bert", "roberta", "xlm-roberta"} or not absolute:
            raise ConfigurationError(f"a {kind} model can't be run packed")
        missing = [name for name in _NEEDED if name not in config]
        if missing:
            raise ConfigurationError(f"the encoder's config.json has no {', '.join(missing)}")
        if config["hidden_act"] not in ACTIVATIONS:
            raise ConfigurationError(f"activation {config['hidden_act']} can't be run packed")
        if config["hidden_size"] % config["num_attention_heads"]:
            raise ConfigurationError(
                "the encoder's config.json shares hidden_size {hidden_size} among "
                "num_attention_heads {num_attention_heads}: correct it".format(**config)
            )
        return cls(
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            width=config["hidden_size"],
            epsilon=config["layer_norm_eps"],
            activation=config["hidden_act"],
            first_position=first_position(config),
            pad=config.get("pad_token_id") or 0,
        )


class FlatBert:
    """The forward pass of one BERT.

    ``tensors`` are named as transformers names them, without the ``bert.`` in front. With
    ``fused`` the products go through oneDNN's fused kernels, which a CPU alone has.
    """

    def __init__(
        self,
        shape: Shape,
        tensors: Mapping[str, Tensor],
        dtype: torch.dtype,
        device: torch.device,
        *,
        fused: bool,
    ) -> None:
        self.shape = shape
        linear = _Fused if fused else _Plain
        move = _Mover(tensors, dtype, device)
        self._words = move("embeddings.word_embeddings.weight")
        types = tensors["embeddings.token_type_embeddings.weight"]
        positions = tensors["embeddings.position_embeddings.weight"] + types[0]
        self._positions = positions.to(device, dtype)
        self._norm = _Norm(move, "embeddings.LayerNorm", shape)
        self._layers = [_Layer(move, i, shape, linear) for i in range(shape.layers)]

    def __call__(self, ids: Tensor, lengths: Sequence[int], layers: int = 1) -> list[Tensor]:
        """Hidden states of the last ``layers`` layers, the last one first; each [tokens, width]
        (plus filling at the end).

        ``ids``: the texts' token ids end to end, filled up; ``lengths`` in ascending order.
        """
        groups = plan(lengths, self.shape.heads, ids.device)
        x = functional.embedding(ids, self._words)
        x = self._norm(x + functional.embedding(self._places(lengths, ids), self._positions))
        states: deque[Tensor] = deque(maxlen=layers)
        for layer in self._layers:
            x = layer(x, groups)
            states.appendleft(x)
        return list(states)

    def _places(self, lengths: Sequence[int], ids: Tensor) -> Tensor:
        """Each token's position in its own text; filling stands at the first."""
        sizes = np.array(lengths)
        places = np.zeros(len(ids), np.int64)
        places[: sizes.sum()] = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        found = torch.from_numpy(places + self.shape.first_position)
        return found.to(ids.device, non_blocking=True)


class _Layer:
    def __init__(self, move: _Mover, index: int, shape: Shape, linear: _LinearType) -> None:
        at = f"encoder.layer.{index}."
        inputs = [f"{at}attention.self.{name}" for name in ("query", "key", "value")]
        self._heads = shape.heads
        self._activation = shape.activation
        scales = (scale(shape.width, shape.heads), 1.0, 1.0)
        pairs = list(zip(inputs, scales, strict=True))
        self._qkv = linear(
            torch.cat([move(f"{name}.weight", by) for name, by in pairs]),
            torch.cat([move(f"{name}.bias", by) for name, by in pairs]),
        )
        self._how = by_products if linear is _Fused else fused
        self._mix = _linear(move, f"{at}attention.output.dense", linear)
        self._norm1 = _Norm(move, f"{at}attention.output.LayerNorm", shape)
        self._up = _linear(move, f"{at}intermediate.dense", linear)
        self._down = _linear(move, f"{at}output.dense", linear)
        self._norm2 = _Norm(move, f"{at}output.LayerNorm", shape)

    def __call__(self, x: Tensor, groups: Sequence[Group]) -> Tensor:
        mixed = attend(self._qkv(x), groups, self._heads, self._how)
        x = self._norm1(self._mix.plus(mixed, x))
        return self._norm2(self._down.plus(self._up.activated(x, self._activation), x))


class _Norm:
    def __init__(self, move: _Mover, name: str, shape: Shape) -> None:
        self._weight, self._bias = move(f"{name}.weight"), move(f"{name}.bias")
        self._epsilon = shape.epsilon

    def __call__(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], self._weight, self._bias, self._epsilon)


class _Plain:
    """A linear layer as any device has it."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight, self._bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self._weight, self._bias)

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        return self(x).add_(residual)

    def activated(self, x: Tensor, activation: str) -> Tensor:
        name, approximate = ACTIVATIONS[activation]
        if name == "relu":
            return functional.relu(self(x))
        return functional.gelu(self(x), approximate=approximate)


class _Fused:
    """A linear layer whose weight is laid out once for oneDNN, with the rest fused in."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        ops = torch.ops.mkldnn
        self._run, self._plus = ops._linear_pointwise, ops._linear_pointwise.binary
        self._weight = ops._reorder_linear_weight(weight.contiguous(), 1024)
        self._bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = self._run(x, self._weight, self._bias, "none", [], "")
        return out

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        out: Tensor = self._plus(x, residual, self._weight, self._bias, "add")
        return out

    def activated(self, x: Tensor, activation: str) -> Tensor:
        name, approximate = ACTIVATIONS[activation]
        out: Tensor = self._run(x, self._weight, self._bias, name, [], approximate)
        return out


_LinearType = type[_Plain] | type[_Fused]
_Linear = _Plain | _Fused


class _Mover:
    """A tensor by name, on its device and in its precision."""

    def __init__(
        self, tensors: Mapping[str, Tensor], dtype: torch.dtype, device: torch.device
    ) -> None:
        self._tensors, self._dtype, self._device = tensors, dtype, device

    def __call__(self, name: str, times: float = 1.0) -> Tensor:
        tensor = self._tensors[name]
        return (tensor if times == 1.0 else tensor * times).to(self._device, self._dtype)


def _linear(move: Callable[[str], Tensor], name: str, linear: _LinearType) -> _Linear:
    return linear(move(f"{name}.weight"), move(f"{name}.bias"))
