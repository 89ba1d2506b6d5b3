"""A Valkey cluster of three masters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from streamer.embedded import free_port, valkey

SLOTS = 16384
FORMED_SECONDS = 60.0


@contextmanager
def cluster(folder: Path, nodes: int = 3) -> Iterator[list[str]]:
    """Forms it of nodes on loopback ports; gives their URLs."""
    with ExitStack() as stack:
        urls = []
        for number in range(nodes):
            child, url = valkey(folder / str(number), _port(), cluster=True)
            stack.callback(child.stop)
            urls.append(url)
        clients = [stack.enter_context(redis.Redis.from_url(url)) for url in urls]
        _form(clients)
        yield urls


@contextmanager
def half_moved(urls: list[str], slot: int, first: Callable[[str], bool]) -> Iterator[None]:
    """Moves a slot to another node: those ``first`` of its keys are there within the block, the
    others behind it."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(redis.Redis.from_url(url)) for url in urls]
        source = next(n for n in nodes if n.execute_command("CLUSTER COUNTKEYSINSLOT", slot))
        target = next(node for node in nodes if node is not source)
        names = [node.execute_command("CLUSTER MYID").decode() for node in (source, target)]
        target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", names[0])
        source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", names[1])
        _move(source, target, [key for key in _keys(source, slot) if first(key)])
        yield
        _move(source, target, _keys(source, slot))
        for node in (target, source, *nodes):
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", names[1])


def _keys(node: redis.Redis, slot: int) -> list[str]:
    found: list[str] = node.execute_command("CLUSTER GETKEYSINSLOT", slot, 10_000)
    return found


def _move(source: redis.Redis, target: redis.Redis, keys: list[str]) -> None:
    port = target.connection_pool.connection_kwargs["port"]
    source.execute_command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)


def _port() -> int:
    """One whose cluster bus, 10,000 above, is free as well."""
    while True:
        port = free_port()
        if port < 55_000 and free_port(port + 10_000) == port + 10_000:
            return port


def _form(clients: list[redis.Redis]) -> None:
    share = -(-SLOTS // len(clients))
    first = clients[0].connection_pool.connection_kwargs
    for number, client in enumerate(clients):
        start = number * share
        client.execute_command("CLUSTER ADDSLOTSRANGE", start, min(start + share, SLOTS) - 1)
        client.execute_command("CLUSTER MEET", "127.0.0.1", first["port"])
    deadline = time.monotonic() + FORMED_SECONDS
    while any(
        _info(client)["cluster_known_nodes"] != str(len(clients)) for client in clients
    ) or any(_info(client)["cluster_state"] != "ok" for client in clients):
        assert time.monotonic() < deadline, "the cluster does not form"
        time.sleep(0.1)


def _info(client: redis.Redis) -> dict[str, str]:
    found: dict[str, str] = client.execute_command("CLUSTER INFO")
    return found
