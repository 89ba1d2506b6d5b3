"""Everything a group keeps in Redis, in a form in which two runs over the same logs are equal.

What two right runs may differ in, and why, stands where it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import unpack_from
from typing import Any, cast

import msgpack
import msgspec
import numpy as np

from streamer.broker import describe
from streamer.settings import Settings
from streamer.state.boards import Decision
from streamer.state.connection import Client, connected
from streamer.state.layout import ITEM, KIN, REVIEWS, Layout
from streamer.state.records import ETAG_BYTES
from streamer.topology import TOPICS

RELATIVE = 1e-9
"""By how much a decayed sum may differ: its terms are added in another order."""

Snapshot = dict[str, Any]


class Nearly(float):
    """A number that is equal up to RELATIVE."""


async def snapshot(settings: Settings) -> Snapshot:
    """By key, without the group's name; a topic's name stands for its id."""
    topics = {settings.topic(topic.name): topic.name for topic in TOPICS}
    found = describe(settings.broker, list(topics))
    logs = {found[name].log.encode(): plain.encode() for name, plain in topics.items()}
    logs |= {name.encode(): plain.encode() for name, plain in topics.items()}
    async with connected(settings) as client:
        keys = [key async for key in client.scan_iter(match=f"{{{settings.group}.*", count=1000)]
        values = {key.decode(): await _value(client, key.decode()) for key in sorted(keys)}
    return {
        key.replace(settings.group, "group"): _named(value, logs)
        for key, value in values.items()
        if value is not None
    }


async def _value(client: Client, key: str) -> Any:
    tag, _, rest = key.partition("}")
    if ".text." in tag:
        # What encoders keep of texts is a cache.
        return None
    part = rest.removeprefix(":")
    kind = part.partition(":")[0]
    if kind == "i":
        # Each write has an etag of its own.
        return _item(cast(bytes, await client.get(key))[ETAG_BYTES:])
    if kind in "kr" and kind:
        return _record(KIN if kind == "k" else REVIEWS, await client.get(key))
    if kind in "fc" and kind:
        return msgpack.unpackb(cast(bytes, await client.get(key)), raw=True)
    if kind == "e":
        # The watermarks at the moment when an item came up say which topic was read first. What
        # follows from them is in the records of its kin.
        return None
    if kind == "u" or kind == "known":
        # A user's expiry is wall-clock time.
        return dict(cast(Any, await client.zrange(key, 0, -1, withscores=True)))
    if kind == "ranking":
        # A score here is as of its filing, and stream time went on by the wall clock until then.
        return sorted(cast(Any, await client.zrange(key, 0, -1)))
    if kind == "filed":
        times = cast(dict[bytes, bytes], await client.hgetall(key))
        return {item: np.frombuffer(packed, "<f8")[0] for item, packed in times.items()}
    if kind == "decision":
        return _decision(cast(dict[bytes, bytes], await client.hgetall(key)))
    if kind == "s" or key.endswith(".boards}"):
        return sorted(cast(Any, await client.smembers(key)))
    return dict(await client.hgetall(key))


def _item(packed: bytes) -> dict[str, Any]:
    """An item's fields and lists by name. A list stands in any order."""
    schema, *counts = unpack_from(f"<{1 + len(ITEM.lists)}H", packed)
    at = 2 * (1 + len(ITEM.lists))
    version, aux, present = unpack_from("<ddQ", packed, at)
    at += 24
    found = dict(zip(ITEM.fields, ITEM.identity.tolist(), strict=True))
    for place, name in enumerate(ITEM.fields):
        if present >> place & 1:
            (found[name],) = unpack_from("<d", packed, at)
            at += 8
    found |= {"version": version, "aux": aux}
    tail = np.frombuffer(packed, "<u4", offset=at).tolist()
    lists: dict[str, Any] = {}
    for (name, _), count in zip(ITEM.lists, counts, strict=True):
        lists[f"{name}, distinct"] = sorted(tail[:count])
        tail = tail[count:]
    return {**_near(ITEM, found), **lists, "schema": schema, "behind": tail}


def _record(layout: Layout, packed: Any) -> dict[str, Any]:
    """The fields of another record by name."""
    (head,) = np.frombuffer(packed, layout.head)
    found = dict(zip(layout.fields, head["x"].tolist(), strict=True))
    return {**_near(layout, found), "schema": int(head["schema"])}


def _near(layout: Layout, found: dict[str, float]) -> dict[str, float]:
    """Decayed fields may differ by a little."""
    return found | {name: Nearly(found[name]) for name in layout.fields[layout.decayed_slice]}


def _decision(stored: Mapping[bytes, bytes]) -> dict[str, Any]:
    """How often a board was decided on the way, and when, is left out."""
    decision = msgspec.msgpack.decode(stored[b"decision"], type=Decision)
    return {
        "items": sorted(line.item_id for line in decision.lines),
        "published": int(stored[b"published"]) == decision.sequence,
    }


def _named(value: Any, logs: Mapping[bytes, bytes]) -> Any:
    if isinstance(value, bytes):
        for log, name in logs.items():
            value = value.replace(log, name)
        return value
    if isinstance(value, dict):
        return {_named(key, logs): _named(each, logs) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_named(each, logs) for each in value]
    return value


def differences(expected: Snapshot, found: Snapshot) -> list[str]:
    """What differs, in words."""
    return list(_differences("", expected, found))


def _differences(where: str, expected: Any, found: Any) -> Iterable[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys(), key=str):
            if key not in expected or key not in found:
                yield f"{where} {key}: {'lacking' if key in expected else 'too much'}"
            else:
                yield from _differences(f"{where} {key}", expected[key], found[key])
    elif isinstance(expected, Nearly):
        if abs(expected - found) > RELATIVE * max(1e-6, abs(expected)):
            yield f"{where}: {found} instead of {expected}"
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for place, pair in enumerate(zip(expected, found, strict=True)):
            yield from _differences(f"{where}[{place}]", *pair)
    elif expected != found:
        yield f"{where}: {found} instead of {expected}"
