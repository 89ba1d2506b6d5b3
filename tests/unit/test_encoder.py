"""An encoder takes a promoted sentiment bundle into use while it works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as packed

from streamer import heads
from streamer.encoding import sentiment
from streamer.encoding.backends.torch_flat import load_tensors
from streamer.encoding.sentiment import Head
from streamer.encoding.service import EncodingService
from streamer.encoding.weights import WORDS, Weights
from streamer.settings import Settings, load
from tests.support.bert import WIDTH, small_bert
from tests.support.bundles import promoted
from tests.unit.encoding.fakes import text


def save(store: Path, name: str, weights: Weights, bias: float, adapter: bytes = b"") -> str:
    folder = store / f"sentiment-{name}"
    manifest = {"encoder": weights.name, "encoder_fingerprint": weights.fingerprint}
    head = Head(np.zeros(WIDTH, np.float32), bias)
    sentiment.save(folder, head, manifest, "# card", adapter)
    return folder.name


async def says(service: EncodingService) -> float | None:
    return (await service.encode(text("good dress", "review"))).sentiment


def test_a_promoted_bundle_is_taken_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    weights = small_bert(tmp_path / "bert")
    store = tmp_path / "store"
    names = [save(store, name, weights, bias) for name, bias in (("1", -3.0), ("2", 3.0))]
    words = load_tensors(weights)[WORDS]
    tuned = save(store, "3", weights, 0.0, packed({WORDS: torch.zeros_like(words)}))
    settings: Settings = load(
        encoder=str(weights.folder), encoder_backend="torch-cpu-fp32", model_store=store
    )
    promoted(store, names[0])

    async def run() -> None:
        service = EncodingService.open(settings)
        await service.start()
        follower = heads.follow(settings, service)
        plain = await service.encode(text("good dress", "description"))
        try:
            assert await says(service) == pytest.approx(0.047, abs=0.01)
            promoted(store, names[1])
            await follower.look()
            assert await says(service) == pytest.approx(0.953, abs=0.01)
            promoted(store, tuned)
            await follower.look()
            review = await service.encode(text("good dress", "review"))
            assert review.sentiment == pytest.approx(0.5, abs=0.01)
            assert review.fingerprint != plain.fingerprint
            again = await service.encode(text("good dress", "description"))
            assert (again.fingerprint, again.vector) == (plain.fingerprint, plain.vector)
            damaged = store / save(store, "4", weights, -3.0)
            promoted(store, damaged.name)
            (damaged / "tensors.safetensors").write_bytes(b"nothing")
            await follower.look()
            assert await says(service) == pytest.approx(0.5, abs=0.01)
        finally:
            await service.stop()

    asyncio.run(run())
