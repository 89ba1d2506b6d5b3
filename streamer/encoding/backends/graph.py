"""BERT as an OpenVINO graph, laid out operation by operation.

Converting the same from torch takes transformers, a trace and seconds that hold Python's lock: a
running encoder would stand still while it opens its successor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino
from openvino import opset15 as op
from torch import Tensor

from streamer.encoding.backends.attention import scale
from streamer.encoding.backends.flat import ACTIVATIONS, Shape

MASKED = -1e4
"""Added to the attention scores of padding; far enough, and within bf16 and fp16."""

Tensors = Mapping[str, Tensor]


def graph(tensors: Tensors, shape: Shape, pooling: str, layers: int) -> openvino.Model:
    """From rows of the table of words [texts, tokens, width] and a mask [texts, tokens], 1 where a
    token is, to pooled states of the last ``layers`` layers, the last one first, side by side:
    [texts, layers * width]."""
    words = op.parameter([-1, -1, shape.width], np.float32, name="words")
    mask = op.parameter([-1, -1], np.float32, name="mask")
    bias = op.multiply(op.subtract(mask, np.float32(1)), np.float32(-MASKED))
    bias = op.unsqueeze(bias, np.array([1, 2]))
    x = _norm(op.add(words, _places(tensors, shape, words)), tensors, "embeddings.LayerNorm", shape)
    states = []
    for index in range(shape.layers):
        x = _layer(x, bias, tensors, f"encoder.layer.{index}.", shape)
        states.append(x)
    pooled = [_pooled(state, mask, pooling) for state in reversed(states[-layers:])]
    return openvino.Model([op.concat(pooled, 1)], [words, mask], "bert")


def _places(tensors: Tensors, shape: Shape, words: Any) -> Any:
    """What is added to each token for where it stands: [tokens, width]."""
    types = tensors["embeddings.token_type_embeddings.weight"]
    table = tensors["embeddings.position_embeddings.weight"] + types[0]
    tokens = op.gather(op.shape_of(words), np.array([1]), np.int64(0))
    table = table[shape.first_position :].float()
    return op.slice(_constant(table), np.array([0]), tokens, np.array([1]), np.array([0]))


def _layer(x: Any, bias: Any, tensors: Tensors, at: str, shape: Shape) -> Any:
    inputs = [
        _heads(_linear(x, tensors, f"{at}attention.self.{name}"), shape)
        for name in ("query", "key", "value")
    ]
    by = np.float32(scale(shape.width, shape.heads))
    mixed = op.scaled_dot_product_attention(*inputs, bias, by)
    mixed = op.reshape(_swapped(mixed), np.array([0, 0, shape.width]), special_zero=True)
    mixed = _linear(mixed, tensors, f"{at}attention.output.dense")
    x = _norm(op.add(mixed, x), tensors, f"{at}attention.output.LayerNorm", shape)
    inner = _activated(_linear(x, tensors, f"{at}intermediate.dense"), shape.activation)
    outer = _linear(inner, tensors, f"{at}output.dense")
    return _norm(op.add(outer, x), tensors, f"{at}output.LayerNorm", shape)


def _heads(x: Any, shape: Shape) -> Any:
    """[texts, tokens, width] → [texts, heads, tokens, width of a head]."""
    sizes = np.array([0, 0, shape.heads, shape.width // shape.heads])
    return _swapped(op.reshape(x, sizes, special_zero=True))


def _swapped(x: Any) -> Any:
    return op.transpose(x, np.array([0, 2, 1, 3]))


def _linear(x: Any, tensors: Tensors, name: str) -> Any:
    product = op.matmul(x, _constant(tensors[f"{name}.weight"]), False, True)
    return op.add(product, _constant(tensors[f"{name}.bias"]))


def _norm(x: Any, tensors: Tensors, name: str, shape: Shape) -> Any:
    centred = op.mvn(x, op.constant(np.array([-1])), True, shape.epsilon, "inside_sqrt")
    scaled = op.multiply(centred, _constant(tensors[f"{name}.weight"]))
    return op.add(scaled, _constant(tensors[f"{name}.bias"]))


def _activated(x: Any, activation: str) -> Any:
    name, approximate = ACTIVATIONS[activation]
    return op.relu(x) if name == "relu" else op.gelu(x, "tanh" if approximate == "tanh" else "erf")


def _pooled(state: Any, mask: Any, pooling: str) -> Any:
    if pooling == "cls":
        return op.gather(state, np.int64(0), np.int64(1))
    shown = op.unsqueeze(mask, np.array([2]))
    total = op.reduce_sum(op.multiply(state, shown), np.array([1]))
    return op.divide(total, op.reduce_sum(shown, np.array([1])))


def _constant(tensor: Tensor) -> Any:
    return op.constant(tensor.float().contiguous().numpy(), shared_memory=True)
