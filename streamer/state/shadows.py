"""What a shadow and the model in use said of items, and how these items then fared.

A hash a shard and pair of models: of each item the first prediction in every stage, and, once its
horizon has passed, its buyers. Nothing is ever changed in it, so any worker may write, and twice.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.state.connection import Client
from streamer.state.keys import Keys
from streamer.state.layout import DAY

Floats = NDArray[np.float64]

KEPT_SECONDS = int(200 * DAY)
"""After the last prediction, in wall-clock time."""
MAX_ITEMS = 20_000
"""Items followed of one pair of models, about 250 bytes each; of later ones nothing is kept."""
_PREDICTION, _BUYERS = struct.Struct("<3d"), struct.Struct("<d")


class Prediction(NamedTuple):
    """P of both models for an item in a stage; ``launch`` in seconds since the epoch."""

    launch: float
    active: float
    candidate: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row each prediction: the item, its ``stage`` and ``launch``, P by both models, and the
    item's buyers when its horizon had passed, NaN before."""

    item: NDArray[np.bytes_]
    stage: NDArray[np.int64]
    launch: Floats
    active: Floats
    candidate: Floats
    buyers: Floats


class Shadows:
    """The record of one candidate beside the model in use."""

    def __init__(self, client: Client, keys: Keys, candidate: str, active: str) -> None:
        self._client, self._keys = client, keys
        self._hashes = [f"{tag}:x:{candidate}:{active}" for tag in keys.tags]

    async def record(
        self, predictions: Mapping[tuple[int, str], Prediction], buyers: Mapping[str, float]
    ) -> None:
        """Keeps predictions by (stage, item), and the buyers of items whose horizon has passed and
        of which there is a prediction. What is there stays. May be repeated."""
        room = await self._room()
        fields = {
            (self._keys.shard[item_id], f"{stage}:{item_id}"): _PREDICTION.pack(*prediction)
            for (stage, item_id), prediction in predictions.items()
        }
        await self._keep({place: value for place, value in fields.items() if room[place[0]]})
        followed = await self._followed(list(buyers))
        await self._keep(
            {(self._keys.shard[i], f"b:{i}"): _BUYERS.pack(buyers[i]) for i in followed}
        )

    async def _keep(self, fields: Mapping[tuple[int, str], bytes]) -> None:
        """Writes fields of shards that are not there yet."""
        pipeline = self._client.pipeline(transaction=False)
        for (shard, field), value in fields.items():
            pipeline.hsetnx(self._hashes[shard], field, value)
        for shard in {shard for shard, _ in fields}:
            pipeline.expire(self._hashes[shard], KEPT_SECONDS)
        await pipeline.execute()

    async def read(self) -> Recorded:
        """Everything that is kept."""
        pipeline = self._client.pipeline(transaction=False)
        for name in self._hashes:
            pipeline.hgetall(name)
        fields = {k: v for found in await pipeline.execute() for k, v in found.items()}
        buyers = {k[2:]: _BUYERS.unpack(v)[0] for k, v in fields.items() if k[:2] == b"b:"}
        said = {k: v for k, v in fields.items() if k[:2] != b"b:"}
        rows = [
            (int(k[:1]), *_PREDICTION.unpack(v), buyers.get(k[2:], np.nan)) for k, v in said.items()
        ]
        table = np.array(rows, np.float64).reshape(-1, 5)
        items = np.array([k[2:] for k in said], np.bytes_)
        return Recorded(items, table[:, 0].astype(np.int64), *table.T[1:])

    async def _room(self) -> list[bool]:
        """By shard, whether more items may be followed."""
        pipeline = self._client.pipeline(transaction=False)
        for name in self._hashes:
            pipeline.hlen(name)
        fields_per_item = 3
        most = MAX_ITEMS * fields_per_item // len(self._hashes)
        return [count < most for count in await pipeline.execute()]

    async def _followed(self, item_ids: list[str]) -> list[str]:
        """Those of the items of which there is a prediction in some stage."""
        pipeline = self._client.pipeline(transaction=False)
        for item_id in item_ids:
            stages = [f"{stage}:{item_id}" for stage in range(3)]
            pipeline.hmget(self._hashes[self._keys.shard[item_id]], stages)
        answers = await pipeline.execute() if item_ids else []
        return [i for i, found in zip(item_ids, answers, strict=True) if any(found)]
