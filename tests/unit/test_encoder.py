"""An encoder takes a newer sentiment bundle into use while it works."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

from streamer import encoder as worker
from streamer.encoding import sentiment
from streamer.encoding.sentiment import Head
from streamer.encoding.service import EncodingService
from streamer.encoding.weights import Weights
from streamer.settings import Settings, load
from tests.support.bert import WIDTH, small_bert
from tests.unit.encoding.fakes import text


def save(store: Path, name: str, weights: Weights, bias: float) -> Path:
    folder = store / f"sentiment-{name}"
    manifest = {"encoder": weights.name, "encoder_fingerprint": weights.fingerprint}
    sentiment.save(folder, Head(np.zeros(WIDTH, np.float32), bias), manifest, "# card")
    return folder


async def says(service: EncodingService) -> float | None:
    return (await service.encode(text("good dress", "review"))).sentiment


async def until(service: EncodingService, wanted: float) -> None:
    async with asyncio.timeout(20):
        while await says(service) != pytest.approx(wanted, abs=0.01):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def test_a_newer_bundle_is_taken_and_a_damaged_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SWAP_CHECK_SECONDS", 0.05)
    weights = small_bert(tmp_path / "bert")
    store = tmp_path / "store"
    save(store, "1", weights, bias=-3.0)
    settings: Settings = load(
        encoder=str(weights.folder), encoder_backend="torch-cpu-fp32", model_store=store
    )

    async def run() -> None:
        service = EncodingService.open(settings)
        await service.start()
        following = asyncio.create_task(worker.follow_bundles(service, settings))
        try:
            await until(service, 0.047)
            save(store, "2", weights, bias=3.0)
            await until(service, 0.953)
            damaged = save(store, "3", weights, bias=0.0)
            (damaged / sentiment.HEAD).write_bytes(b"nothing")
            await asyncio.sleep(0.5)
            assert await says(service) == pytest.approx(0.953, abs=0.01)
            shutil.rmtree(damaged)
            save(store, "4", weights, bias=0.0)
            await until(service, 0.5)
            assert not following.done()
        finally:
            following.cancel()
            await service.stop()

    asyncio.run(run())
