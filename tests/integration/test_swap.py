"""The model is changed, and changed back, under a worker and a page that go on working."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import msgpack
import pytest

from streamer.embedded import free_port
from streamer.events import Text
from streamer.registry import active, active_name, bundles, pointer
from streamer.registry.pointer import Change
from streamer.settings import Settings
from streamer.topology import ENCODINGS, ITEM_SCORES, NEW_ITEMS, TEXTS, USER_BEHAVIOUR
from streamer.window import open_window
from streamer.wire import pack
from tests.support.bundles import shipped_store, twin
from tests.support.logs import read, write
from tests.support.processes import call, handled, metric, own_group, running, until, wait_until
from tests.support.shop import listing, purchase
from tests.support.told import newest

ITEMS = [f"item-{number:03d}" for number in range(450)]
"""More than two batches of the sweep."""
BUSY = ITEMS[:10]
SLEEPY_SWEEP_SECONDS = 3600.0
"""Only a sweep at once brings a new model to items that nobody touches."""


@dataclass(frozen=True)
class Running:
    settings: Settings
    folder: Path
    store: Path
    worker_port: int
    first: str

    def models(self, *arguments: str) -> None:
        done = call(self.settings, self.folder, "models", *arguments)
        assert done.returncode == 0, done.stderr

    async def scores(self) -> list[dict[str, Any]]:
        return [msgpack.unpackb(r.value) for r in await read(self.settings, ITEM_SCORES.name)]

    async def all_scored_by(self, name: str) -> None:
        """Waits until every item's newest score is the bundle's."""

        async def so() -> bool:
            found = newest(await read(self.settings, ITEM_SCORES.name))
            return found.keys() == set(ITEMS) and {s["model"] for s in found.values()} == {name}

        await until(so, f"all items scored by {name}")

    def model_on_the_page(self) -> str:
        address = f"http://127.0.0.1:{self.settings.web_port}/api/item?id={quote(ITEMS[0])}"
        with urlopen(address, timeout=30) as answer:
            name: str = json.loads(answer.read())["score"]["model"]
        return name


@pytest.fixture(scope="module")
def live(
    broker_address: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("swap")
    store = shipped_store(folder)
    settings = own_group(
        broker_address,
        redis_url,
        model_store=store,
        sweep_interval_seconds=SLEEPY_SWEEP_SECONDS,
        web_port=free_port(),
    )
    with running(settings, folder, "worker", "web") as (worker, _):
        yield Running(settings, folder, store, worker.port, active_name(store))


async def keep_buying(settings: Settings, stop: asyncio.Event) -> int:
    """Purchases of a few items, many small batches; returns how many there were."""
    sent = 0
    while not stop.is_set():
        some = [purchase(item_id, sent) for item_id in BUSY]
        await write(settings, USER_BEHAVIOUR.name, some)
        sent += len(some)
    return sent


def test_promote_and_roll_back_while_events_flow(live: Running) -> None:
    """Nothing is lost, every score names its model, and all items follow both times."""
    other = twin(live.store, "launch-other", bias=2.0)

    async def scenario() -> int:
        await write(live.settings, NEW_ITEMS.name, [listing(item_id) for item_id in ITEMS])
        stop = asyncio.Event()
        buying = asyncio.create_task(keep_buying(live.settings, stop))
        await live.all_scored_by(live.first)
        await asyncio.to_thread(live.models, "promote", other, "--why", "test")
        await live.all_scored_by(other)
        await until(lambda: _on_the_page(live, other), "the page scores by the other")
        await asyncio.to_thread(live.models, "rollback")
        await live.all_scored_by(live.first)
        await until(lambda: _on_the_page(live, live.first), "the page scores by the first")
        stop.set()
        sent = await buying
        async with open_window(live.settings) as window:
            await handled(window, len(ITEMS) + sent)
            counts = await window.tally()
            found = {item_id: await window.item(item_id) for item_id in BUSY}
        assert sum(c["applied"] for c in counts.values()) == len(ITEMS) + sent
        for item in found.values():
            assert item
            assert item["totals"]["purchase"] == sent // len(BUSY)
        return sent

    sent = asyncio.run(scenario())
    scores = asyncio.run(live.scores())
    assert {score["model"] for score in scores} == {live.first, other}
    for item_id in BUSY:
        versions = [s["version"] for s in scores if s["item_id"] == item_id]
        assert versions == sorted(versions)
        assert versions[-1] == 1 + sent // len(BUSY)
    apart = by_model(scores, ITEMS[-1])
    assert apart[other] > apart[live.first] + 1.0
    assert metric([live.worker_port], "streamer_model_info", bundle=live.first) == 1
    assert metric([live.worker_port], "streamer_model_swaps_total", outcome="taken") == 2
    live.models("verify")


async def _on_the_page(live: Running, name: str) -> bool:
    return await asyncio.to_thread(live.model_on_the_page) == name


def by_model(scores: list[dict[str, Any]], item_id: str) -> dict[str, float]:
    """An item's last logit by each model."""
    return {score["model"]: score["logit"] for score in scores if score["item_id"] == item_id}


def test_a_damaged_bundle_is_refused_and_the_old_one_goes_on(live: Running) -> None:
    """Someone points at it by hand: promotion itself would not."""
    broken = twin(live.store, "launch-broken")
    path = live.store / broken / bundles.TENSORS
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    before = active_name(live.store)
    with pointer.locked(live.store):
        pointer.append(live.store, Change(to=broken, before=before))

    def refused() -> float:
        return metric([live.worker_port], "streamer_model_refused", bundle=broken)

    wait_until(lambda: refused() == 1, "the bundle is refused")
    assert metric([live.worker_port], "streamer_model_info", bundle=before) == 1
    asyncio.run(write(live.settings, NEW_ITEMS.name, [listing("late")]))

    async def scored() -> bool:
        late = newest(await read(live.settings, ITEM_SCORES.name)).get("late")
        return bool(late and late["model"] == before)

    asyncio.run(until(scored, "an item is scored by the old one"))
    told = call(live.settings, live.folder, "doctor")
    assert told.returncode == 8
    assert f"✗ model: bundle {broken} is damaged" in told.stdout
    assert "streamer models rollback" in told.stdout
    live.models("rollback")
    wait_until(lambda: refused() == 0, "nothing is refused any more")


@pytest.mark.slow
def test_an_encoder_reads_reviews_by_the_promoted_sentiment(
    broker_address: str, redis_url: str, tmp_path: Path
) -> None:
    """The same text again, which it remembers by the head that read it."""
    store = shipped_store(tmp_path)
    settings = own_group(broker_address, redis_url, model_store=store)
    slot = bundles.slot("sentiment", active(store).encoder)
    first = pointer.in_use(store)[slot]
    opposite = upside_down(store, first)
    texts: list[str] = []

    async def sentiment() -> float:
        """Of one more review with the same words."""
        number = len(texts)
        texts.append(f"r{number}")
        review = Text(item_id="mug", kind="review", text_id=texts[-1], text="Love it!", time=1.0)
        await write(settings, TEXTS.name, [(b"mug", pack(review))])

        async def read_back() -> bool:
            return len(await read(settings, ENCODINGS.name)) > number

        await until(read_back, "the review was read")
        answers = [msgpack.unpackb(r.value) for r in await read(settings, ENCODINGS.name)]
        found = {answer["text_id"]: answer["sentiment"] for answer in answers}
        value: float = found[texts[-1]]
        return value

    with running(settings, tmp_path, "encoder") as (encoder,):

        def in_use(name: str) -> bool:
            return metric([encoder.port], "streamer_model_info", bundle=name) == 1

        assert in_use(first)
        glad = asyncio.run(sentiment())
        assert glad > 0.8
        done = call(settings, tmp_path, "models", "promote", opposite, "--force", "--why", "test")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: in_use(opposite), "the other sentiment in use")
        assert asyncio.run(sentiment()) == pytest.approx(1 - glad, abs=1e-3)
        done = call(settings, tmp_path, "models", "rollback", "--kind", "sentiment")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: in_use(first), "the first sentiment in use again")
        assert asyncio.run(sentiment()) == pytest.approx(glad, abs=1e-6)


def upside_down(store: Path, name: str) -> str:
    """A sentiment that finds good what the other finds bad."""
    found = bundles.read(store, name)
    tensors = {key: -value for key, value in found.tensors.items()}
    about = {"encoder_fingerprint": found.encoder}
    return bundles.write(store, "sentiment-opposite", "sentiment", tensors, about, "# no").name
