"""Every backend gives what transformers gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from streamer.encoding.backends import Backend
from streamer.encoding.backends.torch_flat import TorchFlat, load_tensors
from streamer.encoding.tokenizer import Tokens
from streamer.encoding.weights import Weights
from tests.support.bert import WIDTH, small_bert

Make = Callable[[Weights, Mapping[str, torch.Tensor]], Backend]


def openvino(weights: Weights, tensors: Mapping[str, torch.Tensor]) -> Backend:
    from streamer.encoding.backends.openvino import OpenVino

    return OpenVino(weights, tensors, "fp32")


def flat(weights: Weights, tensors: Mapping[str, torch.Tensor]) -> Backend:
    return TorchFlat(weights, tensors, "fp32")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return small_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def batch() -> list[Tokens]:
    rng = np.random.default_rng(0)
    sizes = sorted(rng.integers(2, 30, 12).tolist())
    return [np.array([2, *rng.integers(4, 16, n - 2), 3], np.int32) for n in sizes]


def from_transformers(weights: Weights, batch: list[Tokens], layers: int) -> np.ndarray:
    from transformers import AutoModel

    model = AutoModel.from_pretrained(weights.folder, add_pooling_layer=False)
    with torch.no_grad():
        states = [
            model(torch.from_numpy(t.astype(np.int64))[None], output_hidden_states=True)
            for t in batch
        ]
    return np.stack(
        [
            torch.cat([h[0].mean(0) for h in s.hidden_states[: -layers - 1 : -1]]).numpy()
            for s in states
        ]
    )


@pytest.mark.parametrize("make", [flat, openvino])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pooled_states_are_those_of_transformers(
    make: Make, layers: int, weights: Weights, batch: list[Tokens]
) -> None:
    backend = make(weights, load_tensors(weights))
    found = backend.forward(batch, layers)
    assert found.shape == (len(batch), layers * WIDTH)
    np.testing.assert_allclose(found, from_transformers(weights, batch, layers), atol=2e-4)


def test_first_token_pooling_takes_the_first_token(weights: Weights, batch: list[Tokens]) -> None:
    from dataclasses import replace

    first = TorchFlat(replace(weights, pooling="cls"), load_tensors(weights), "fp32")
    lone = np.concatenate([first.forward([text]) for text in batch])
    np.testing.assert_allclose(first.forward(batch), lone, atol=1e-4)
    assert not np.allclose(
        first.forward(batch), flat(weights, load_tensors(weights)).forward(batch)
    )
