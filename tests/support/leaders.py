"""A cluster of which a broker is down, on a machine that has but one."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.structs import BrokerMetadata

from streamer.embedded.child import free_port


def lose_leader(monkeypatch: pytest.MonkeyPatch, topic: str, partition: int) -> None:
    """From now on metadata says that this partition's leader is a broker that is down."""
    gone, update = 99, ClusterMetadata.update_metadata

    def told(self: Any, metadata: Any) -> None:
        update(self, metadata)
        self._brokers[gone] = BrokerMetadata(gone, "127.0.0.1", free_port(), None)
        if topic in self._partitions:
            known = self._partitions[topic]
            known[partition] = known[partition]._replace(leader=gone)

    monkeypatch.setattr(ClusterMetadata, "update_metadata", told)
