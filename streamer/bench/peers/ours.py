"""Our inference service in the encoder benchmark: raw texts handed in at once, answers awaited.

Beside `turns`, it measures the processor's peak before every run, and, told ``latency``, how long
a lone text takes with an empty queue and behind a full one.

usage: python -m streamer.bench.peers.ours TEXTS OUT
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamer.encoding.cache import Encoded
from streamer.encoding.encoder import cores
from streamer.encoding.observer import Silent
from streamer.encoding.peak import flops_per_token, peak_flops
from streamer.encoding.service import EncodingService
from streamer.events import Encoding, Text
from streamer.settings import Settings, load

LONE_TEXTS = 40
PAUSE_SECONDS = 0.1


class Watch(Silent):
    """Sums up what the service tells."""

    def __init__(self) -> None:
        self.tokens = self.computed = 0
        self.busy = self.preparing = 0.0

    def batch(self, *, texts: int, tokens: int, computed: int, seconds: float) -> None:
        self.tokens += tokens
        self.computed += computed
        self.busy += seconds

    def prepared(self, *, texts: int, seconds: float) -> None:
        self.preparing += seconds


class Forgetful:
    """A cache that remembers nothing: every text is encoded."""

    def get_many(self, keys: Sequence[bytes]) -> list[Encoded | None]:
        return [None] * len(keys)

    def put_many(self, entries: object) -> None:
        pass


async def serve(settings: Settings, contents: list[str], out: str) -> None:
    watch = Watch()
    service = EncodingService.open(settings, cache=Forgetful(), observer=watch)
    await service.start()
    texts = [_text(content, place) for place, content in enumerate(contents)]
    first = await _all(service, texts)
    np.save(out, np.stack([np.frombuffer(each.vector, "<f2") for each in first]).astype("<f4"))
    encoder = service.encoder
    say(
        {
            "ready": True,
            "backend": service.backend,
            "streams": encoder.streams,
            "flops_per_token": flops_per_token(encoder.weights),
            "tokens": watch.tokens,
        }
    )
    while told := (await asyncio.to_thread(sys.stdin.readline)).strip():
        if told == "latency":
            say(await _latency(service, texts))
        else:
            say(await _run(service, texts, watch, cores(settings)))
    await service.stop()


async def _run(
    service: EncodingService, texts: list[Text], watch: Watch, threads: int
) -> dict[str, Any]:
    peak = peak_flops(threads, service.encoder.recipe.device)
    watch.__init__()  # type: ignore[misc]
    started = time.perf_counter()
    await _all(service, texts)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "peak_flops": peak,
        "tokens": watch.tokens,
        "padding": 1 - watch.tokens / watch.computed,
        "preparing": watch.preparing / seconds,
        "waiting": 1 - watch.busy / seconds / service.encoder.streams,
    }


async def _latency(service: EncodingService, texts: list[Text]) -> dict[str, Any]:
    """Milliseconds of lone descriptions: with nothing else to do, and behind a full queue."""
    empty = [await _lone(service, texts, i) for i in range(LONE_TEXTS)]
    stop = asyncio.Event()
    behind = asyncio.create_task(_saturate(service, texts, stop))
    await asyncio.sleep(1.0)
    full = [await _lone(service, texts, i) for i in range(LONE_TEXTS)]
    stop.set()
    await behind
    return {"empty": empty, "full": full}


async def _lone(service: EncodingService, texts: list[Text], place: int) -> float:
    await asyncio.sleep(PAUSE_SECONDS)
    started = time.perf_counter()
    await service.encode(texts[place % len(texts)])
    return 1e3 * (time.perf_counter() - started)


async def _saturate(service: EncodingService, texts: list[Text], stop: asyncio.Event) -> None:
    """As many reviews as the service takes, and more that wait outside."""
    reviews = [Text(item_id="i", kind="review", text_id="r", text=t.text, time=0.0) for t in texts]

    async def one(place: int) -> None:
        while not stop.is_set():
            await service.encode(reviews[place % len(reviews)])
            place += len(reviews) // 7

    await asyncio.gather(*map(one, range(3000)))


async def _all(service: EncodingService, texts: list[Text]) -> list[Encoding]:
    found = await service.encode_many(texts)
    return [answer for answer in found if isinstance(answer, Encoding)]


def _text(content: str, place: int) -> Text:
    return Text(item_id="i", kind="description", text_id=str(place), text=content, time=0.0)


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def main(texts: str, out: str) -> None:
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(load(), json.loads(Path(texts).read_text()), out))


if __name__ == "__main__":
    main(*sys.argv[1:])
