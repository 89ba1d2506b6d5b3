"""Where things are in Redis.

All keys of a shard carry its hash tag, so that a cluster keeps them in one slot and one script
call may touch any of them:

    {<group>.sNN}:log          hash   watermarks, event counts and clock of the shard
    {<group>.sNN}:known        zset   every item with a record, all at score 0: sorted by id
    {<group>.sNN}:i:<item>     item record (records.py)
    {<group>.sNN}:f:<item>     facts: [time, order, origin, launch, kin, facts, withdrawn, order]
    {<group>.sNN}:c:<item>     content: [time, order, text id, {encoder fingerprint: vector}]
    {<group>.sNN}:r:<item>     reviews record (layout.REVIEWS);  …:s:<item>  ids of the reviews in it
    {<group>.sNN}:e:<item>     early behaviour: [record, watermarks] when the item came up
    {<group>.sNN}:k:<kin>      record (layout.KIN) of a relative: a seller, brand, class or channel
    {<group>.sNN}:u:<user>     zset   a user's recent items by time; the user is a keyed hash
    {<group>.sNN}:x:<a>:<b>    hash   what bundle a said beside bundle b (shadows.py)
    {<group>.boards}           set    names of the launch boards
    {<group>.board.<board>}:…  a launch board: ranking, filed, decision (file.lua, decide.lua)
    {<group>.text.<hash>}      what a text was encoded to, for some days (contents.py)
    {<group>.birth}            what the store was born with (birth.py)
"""

from __future__ import annotations

from collections.abc import Sequence

from xxhash import xxh3_64_intdigest, xxh32_intdigest

from streamer.state.remembered import Remembered

KIN_KINDS = ("seller", "brand", "department", "category", "type")


class Keys:
    """The keys of one group's state, spread over ``shards`` shards."""

    def __init__(self, group: str, shards: int) -> None:
        self.shards = shards
        self.tags = tuple(f"{{{group}.s{shard:02d}}}" for shard in range(shards))
        self.logs = tuple(f"{tag}:log" for tag in self.tags)
        self.birth = f"{{{group}.birth}}"
        self.boards = f"{{{group}.boards}}"
        self._group = group
        self.shard: Remembered[str, int] = Remembered(
            lambda name: xxh3_64_intdigest(name.encode()) % shards, size=200_000
        )
        """The shard of an item, relative or user: a hash of its id alone."""

    def of(self, kind: str, name: str) -> str:
        """The key of one thing, e.g. ``of("i", item_id)``."""
        return f"{self.tags[self.shard[name]]}:{kind}:{name}"

    def in_shard(self, kind: str, shard: int, names: Sequence[str]) -> list[str]:
        """The keys of several things of one kind whose shard is known."""
        prefix = f"{self.tags[shard]}:{kind}:"
        return [prefix + name for name in names]

    def board(self, board: str) -> str:
        """The tag of a board's keys: a hash of its name, which may hold any character."""
        return f"{{{self._group}.board.{xxh3_64_intdigest(board.encode()):016x}}}"


def content(group: str, key: bytes) -> str:
    """The key of what was computed from a content with this hash."""
    return f"{{{group}.text.{key.hex()}}}"


def watermark(phase: str, log: str, partition: int) -> str:
    """The field of a shard's log that holds a watermark; ``phase`` is ``i``, ``k`` or ``e``."""
    return f"{phase}:{log}:{partition}"


def kin(kind: str, label: str) -> str:
    """The id of a relative: its kind and a hash of its label, which may hold any character."""
    return f"{kind}:{xxh3_64_intdigest(label.encode()):016x}"


channels: Remembered[str, int] = Remembered(
    lambda channel: min(max(xxh32_intdigest(channel.encode()), 1), 2**32 - 2), size=100_000
)
"""Channels as records list them: 32 bits, neither 0 (no channel) nor all ones (no member)."""

readers: Remembered[str, int] = Remembered(
    lambda fingerprint: 1 + xxh32_intdigest(fingerprint.encode()) % 2**24, size=1_000
)
"""Encoders as records of reviews sum them up: 24 bits, so that the sum is exact, and never 0."""


def channel_kin(hashed: int) -> str:
    """The id of the relative that a channel is, from what records list."""
    return f"channel:{hashed:08x}"
