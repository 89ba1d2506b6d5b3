"""A Valkey cluster of three masters."""

from __future__ import annotations

import time
from collections.abc import Iterator
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
