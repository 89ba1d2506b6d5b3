"""BERT over one flat sequence: the texts of a batch end to end, with no padding between them.

Everything but attention treats tokens one by one, so it runs on [tokens, width] at once.
Attention runs over groups of texts of equal length, which in a batch in order of length lie
side by side and need no mask. On a CPU the matrix products go through oneDNN with weights laid
out once for it, and bias, activation and residual sum fused into them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from streamer.errors import ConfigurationError

ROUND_TOKENS = 16
"""A flat sequence is filled up to a multiple of this, so that few shapes ever occur: each new
one costs oneDNN a kernel, and memory for it."""

_ACTIVATIONS = {"gelu": ("gelu", "none"), "gelu_new": ("gelu", "tanh"), "relu": ("relu", "")}


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
        kind = config["model_type"]
        absolute = config.get("position_embedding_type", "absolute") == "absolute"
        if kind not in {"bert", "roberta", "xlm-roberta"} or not absolute:
            raise ConfigurationError(f"a {kind} model can't be run packed")
        if config["hidden_act"] not in _ACTIVATIONS:
            raise ConfigurationError(f"activation {config['hidden_act']} can't be run packed")
        pad = config.get("pad_token_id") or 0
        return cls(
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            width=config["hidden_size"],
            epsilon=config["layer_norm_eps"],
            activation=config["hidden_act"],
            first_position=0 if kind == "bert" else pad + 1,
            pad=pad,
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
        groups = _groups(lengths)
        x = functional.embedding(ids, self._words)
        x = self._norm(x + functional.embedding(self._places(groups, ids), self._positions))
        states: deque[Tensor] = deque(maxlen=layers)
        for layer in self._layers:
            x = layer(x, groups)
            states.appendleft(x)
        return list(states)

    def _places(self, groups: list[tuple[int, int]], ids: Tensor) -> Tensor:
        first = self.shape.first_position
        ranges = [torch.arange(first, first + n).repeat(times) for n, times in groups]
        filling = torch.zeros(len(ids) - sum(map(len, ranges)), dtype=torch.long)
        return torch.cat([*ranges, filling]).to(ids.device, non_blocking=True)


class _Layer:
    def __init__(self, move: _Mover, index: int, shape: Shape, linear: _LinearType) -> None:
        at = f"encoder.layer.{index}."
        inputs = [f"{at}attention.self.{name}" for name in ("query", "key", "value")]
        self._heads = shape.heads
        self._activation = shape.activation
        self._qkv = linear(
            torch.cat([move(f"{name}.weight") for name in inputs]),
            torch.cat([move(f"{name}.bias") for name in inputs]),
        )
        self._mix = _linear(move, f"{at}attention.output.dense", linear)
        self._norm1 = _Norm(move, f"{at}attention.output.LayerNorm", shape)
        self._up = _linear(move, f"{at}intermediate.dense", linear)
        self._down = _linear(move, f"{at}output.dense", linear)
        self._norm2 = _Norm(move, f"{at}output.LayerNorm", shape)

    def __call__(self, x: Tensor, groups: list[tuple[int, int]]) -> Tensor:
        x = self._norm1(self._mix.plus(self._attend(self._qkv(x), groups), x))
        return self._norm2(self._down.plus(self._up.activated(x, self._activation), x))

    def _attend(self, qkv: Tensor, groups: list[tuple[int, int]]) -> Tensor:
        width = qkv.shape[1] // 3
        out = qkv.new_empty(qkv.shape[0], width)
        start = 0
        for length, times in groups:
            end = start + length * times
            q, k, v = qkv[start:end].view(times, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
            out[start:end].view(times, length, self._heads, -1).copy_(mixed)
            start = end
        out[start:] = 0
        return out


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
        name, approximate = _ACTIVATIONS[activation]
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
        name, approximate = _ACTIVATIONS[activation]
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

    def __call__(self, name: str) -> Tensor:
        return self._tensors[name].to(self._device, self._dtype)


def _linear(move: Callable[[str], Tensor], name: str, linear: _LinearType) -> _Linear:
    return linear(move(f"{name}.weight"), move(f"{name}.bias"))


def _groups(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending lengths as (length, how many texts)."""
    groups: list[tuple[int, int]] = []
    for length in lengths:
        if groups and groups[-1][0] == length:
            groups[-1] = (length, groups[-1][1] + 1)
        else:
            groups.append((length, 1))
    return groups
