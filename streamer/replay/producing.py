"""The Kafka producer of a replay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownError
from aiokafka.protocol.transaction import InitProducerIdRequest

from streamer.errors import BrokerUnavailable
from streamer.settings import Settings

BATCH_BYTES = 256 * 1024
"""Of one produce request to one partition."""
STOP_SECONDS = 3.0
"""How long what is on its way may still take when a replay is cancelled."""
_TRANSACTION_TIMEOUT_MS = 60_000


@dataclass(frozen=True, slots=True)
class Producer:
    """A started producer, as a Publisher wants it."""

    client: AIOKafkaProducer


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[Producer]:
    """A producer that waits for all replicas, idempotent where the broker gives it an identity.

    Where it does not, a batch whose acknowledgement was lost may be written twice; workers drop
    such duplicates by their event ids. Raises BrokerUnavailable.
    """
    try:
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.broker,
            acks="all",
            enable_idempotence=await _gives_identities(settings),
            max_batch_size=BATCH_BYTES,
        )
        await producer.start()
    except KafkaError as error:
        raise BrokerUnavailable(f"no Kafka at {settings.broker}: {error}") from error
    try:
        yield Producer(producer)
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(producer.stop(), STOP_SECONDS)


async def _gives_identities(settings: Settings) -> bool:
    """Asks for a producer id in the only version of the request that aiokafka speaks. The
    embedded broker, which knows later ones alone, says that something went wrong; a broker that
    is not ready yet says so."""
    client = AIOKafkaClient(bootstrap_servers=settings.broker)
    try:
        await client.bootstrap()
        request = InitProducerIdRequest(None, _TRANSACTION_TIMEOUT_MS)
        answer = await client.send(client.get_random_node(), request)
    finally:
        await client.close()
    return bool(answer.error_code != UnknownError.errno)
