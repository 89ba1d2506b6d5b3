"""What one encoder has read, others find in Redis; without Redis every text is encoded all the same."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
import structlog

from streamer.embedded import free_port
from streamer.encoding.cache import CACHE_SIZE, Encoded, MemoryCache, key
from streamer.encoding.layered import LayeredCache, open_cache
from streamer.encoding.observer import Level, Silent
from streamer.settings import Settings
from streamer.state.contents import AWAY_SECONDS, Contents
from streamer.state.keys import content
from tests.support.cluster import cluster
from tests.unit.encoding.fakes import CountingBackend, service, text

DAY = 86400.0


class Looks(Silent):
    """Sums up what was looked up."""

    def __init__(self) -> None:
        self.counted: Counter[tuple[str, str]] = Counter()

    def looked_up(
        self, *, level: Level, hits: int = 0, misses: int = 0, unreachable: int = 0
    ) -> None:
        self.counted += Counter(
            {(level, "hit"): hits, (level, "miss"): misses, (level, "unreachable"): unreachable}
        )


def settings_for(url: str, **more: object) -> Settings:
    return Settings(redis=url, group=f"cache-{uuid.uuid4().hex[:8]}", **more)  # type: ignore[arg-type]


def entries(count: int) -> list[tuple[bytes, Encoded]]:
    """Descriptions and reviews in turn."""
    return [
        (
            key("model", "review" if n % 2 else "description", f"text {n}"),
            Encoded(bytes([n % 256]) * (64 if n % 2 else 768), 0.1 + n / 1000 if n % 2 else None),
        )
        for n in range(count)
    ]


def layered(settings: Settings, looks: Looks) -> LayeredCache:
    return LayeredCache(MemoryCache(CACHE_SIZE), Contents(settings, DAY), looks)


def test_another_encoder_finds_in_redis_what_the_first_has_read(redis_url: str) -> None:
    settings, some = settings_for(redis_url), entries(300)
    keys, wanted = [k for k, _ in some], [e for _, e in some]
    layered(settings, Looks()).put_many(some[:200])
    looks = Looks()
    other = layered(settings, looks)
    assert other.get_many(keys) == [*wanted[:200], *[None] * 100]
    assert other.get_many(keys[:200]) == wanted[:200]
    assert looks.counted == {
        ("memory", "miss"): 300,
        ("redis", "hit"): 200,
        ("redis", "miss"): 100,
        ("memory", "hit"): 200,
    }


def test_a_restarted_encoder_reads_no_text_twice(redis_url: str) -> None:
    settings = settings_for(redis_url)

    async def read(words: Sequence[str]) -> tuple[list[bytes], list[str]]:
        backend = CountingBackend()
        encoding = service(backend, cache=open_cache(settings, Silent()))
        await encoding.start()
        answers = await asyncio.gather(*(encoding.encode(text(word)) for word in words))
        await encoding.stop()
        return [answer.vector for answer in answers], backend.texts

    first, read_first = asyncio.run(read(["one", "two"]))
    again, read_again = asyncio.run(read(["one", "two", "three"]))
    assert sorted(read_first) == ["one", "two"]
    assert read_again == ["three"]
    assert again[:2] == first


def test_groups_do_not_share_and_entries_expire(redis_url: str) -> None:
    mine, theirs = settings_for(redis_url), settings_for(redis_url)
    ((name, _),) = some = entries(1)
    layered(mine, Looks()).put_many(some)
    assert layered(theirs, Looks()).get_many([name]) == [None]
    with redis.Redis.from_url(redis_url) as client:
        left = client.pttl(content(mine.group, name))
    assert 0 < left <= 1000 * DAY
    short = Contents(mine, 0.05)
    assert short.put_many([(b"soon", b"gone")])
    time.sleep(0.1)
    assert short.get_many([b"soon"]) == [None]


def test_what_is_no_encoding_is_a_miss(redis_url: str) -> None:
    settings = settings_for(redis_url)
    Contents(settings, DAY).put_many([(b"a", b"\xc1"), (b"b", b"\x92\xc0\xc0"), (b"c", b"")])
    assert layered(settings, Looks()).get_many([b"a", b"b", b"c"]) == [None] * 3


def test_nothing_goes_to_redis_where_that_is_turned_off(redis_url: str) -> None:
    assert isinstance(open_cache(Settings(encoder_cache_days=0), Silent()), MemoryCache)
    assert isinstance(open_cache(Settings(redis=redis_url), Silent()), LayeredCache)


def test_without_redis_texts_are_encoded_and_it_is_said_once() -> None:
    settings = settings_for(f"redis://127.0.0.1:{free_port()}/0")
    backend, looks = CountingBackend(), Looks()

    async def read() -> None:
        encoding = service(backend, cache=layered(settings, looks))
        await encoding.start()
        for word in ("one", "two", "one", "three"):
            await encoding.encode(text(word))
        await encoding.stop()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(read())
    assert backend.texts == ["one", "two", "three"]
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert looks.counted[("redis", "unreachable")] == 6, "three not found, three not kept"
    assert looks.counted[("redis", "miss")] == 0


def test_a_redis_that_is_away_is_left_alone_for_a_while_and_then_asked_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, asked = [100.0], []
    settings = settings_for(redis_url)
    contents = Contents(settings, DAY, monotonic=lambda: now[0])
    assert contents.put_many([(b"a", b"1")])
    client = contents._client
    assert client

    def refused(**_: object) -> object:
        asked.append(now[0])
        raise redis.ConnectionError("away")

    with structlog.testing.capture_logs() as logs:
        with monkeypatch.context() as patched:
            patched.setattr(client, "pipeline", refused)
            for _ in range(3):
                assert contents.get_many([b"a"]) is None
            now[0] += AWAY_SECONDS
            assert contents.get_many([b"a"]) is None
        assert asked == [100.0, 100.0 + AWAY_SECONDS]
        now[0] += AWAY_SECONDS
        assert contents.get_many([b"a"]) == [b"1"]
    assert [entry["log_level"] for entry in logs] == ["warning", "info"]


def test_threads_may_ask_at_once(redis_url: str) -> None:
    settings, some = settings_for(redis_url), entries(400)
    contents = Contents(settings, DAY)

    def right(first: int) -> bool:
        mine = [(k, e.vector) for k, e in some[first::4]]
        kept = contents.put_many(mine)
        return kept and contents.get_many([k for k, _ in mine]) == [v for _, v in mine]

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(right, [0, 1, 2, 3] * 5))


def test_a_cluster_keeps_them_on_all_its_nodes(tmp_path: Path) -> None:
    some = entries(60)
    with cluster(tmp_path) as urls:
        settings = settings_for(urls[0], redis_cluster=True)
        layered(settings, Looks()).put_many(some)
        found = layered(settings, Looks()).get_many([k for k, _ in some])
        clients = [redis.Redis.from_url(url) for url in urls]
        sizes = [client.dbsize() for client in clients]
        for client in clients:
            client.close()
    assert found == [e for _, e in some]
    assert sum(sizes) == 60
    assert min(sizes) > 0
