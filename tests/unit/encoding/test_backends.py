"""Every backend gives what transformers gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from streamer.encoding.backends import Backend
from streamer.encoding.backends.torch_flat import TorchFlat, load_tensors
from streamer.encoding.projection import normalised
from streamer.encoding.tokenizer import Tokens
from streamer.encoding.weights import Weights
from tests.support.bert import WIDTH, small_bert

Make = Callable[[Weights, Mapping[str, torch.Tensor]], Backend]


def openvino(weights: Weights, tensors: Mapping[str, torch.Tensor]) -> Backend:
    from streamer.encoding.backends.openvino import OpenVino

    return OpenVino(weights, tensors, "fp32")


def flat(weights: Weights, tensors: Mapping[str, torch.Tensor]) -> Backend:
    return TorchFlat(weights, tensors, "fp32")


def on_a_gpu(weights: Weights, tensors: Mapping[str, torch.Tensor]) -> Backend:
    return TorchFlat(weights, tensors, "fp32", streams=2, device="cuda")


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
ALL = [flat, openvino, pytest.param(on_a_gpu, marks=needs_gpu)]


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


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pooled_states_are_those_of_transformers(
    make: Make, layers: int, weights: Weights, batch: list[Tokens]
) -> None:
    backend = make(weights, load_tensors(weights))
    found = backend.forward(batch, layers)
    assert found.shape == (len(batch), layers * WIDTH)
    np.testing.assert_allclose(found, from_transformers(weights, batch, layers), atol=2e-4)


@pytest.mark.parametrize("make", ALL)
def test_first_token_pooling_takes_the_first_token(
    make: Make, weights: Weights, batch: list[Tokens]
) -> None:
    tensors = load_tensors(weights)
    first = make(replace(weights, pooling="cls"), tensors)
    lone = np.concatenate([first.forward([text]) for text in batch])
    np.testing.assert_allclose(first.forward(batch), lone, atol=1e-4)
    assert not np.allclose(first.forward(batch), make(weights, tensors).forward(batch))


@pytest.mark.parametrize("activation", ["relu", "gelu_new"])
@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_openvino_gives_what_torch_gives_for_every_kind_of_model(
    kind: str, activation: str, weights: Weights, batch: list[Tokens]
) -> None:
    config = {**weights.config, "model_type": kind, "hidden_act": activation}
    other, tensors = replace(weights, config=config), load_tensors(weights)
    found, expected = (make(other, tensors).forward(batch) for make in (openvino, flat))
    np.testing.assert_allclose(found, expected, atol=2e-4)


@needs_gpu
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_passes_at_once_on_a_gpu_give_what_a_cpu_gives(
    precision: str, weights: Weights, batch: list[Tokens]
) -> None:
    expected = normalised(flat(weights, load_tensors(weights)).forward(batch))
    backend = TorchFlat(weights, load_tensors(weights), precision, streams=2, device="cuda")
    with ThreadPoolExecutor(backend.streams) as pool:
        for found in pool.map(lambda _: backend.forward(batch), range(50)):
            assert (normalised(found) * expected).sum(axis=1).min() > 0.999
