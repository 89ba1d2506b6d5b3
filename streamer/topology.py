"""The map: every topic, what is on it, how it is kept, who writes and who reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from streamer import events

CleanUp = Literal["delete", "compact"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``clean_up`` is Kafka's cleanup.policy; a compacted topic holds upserts."""

    name: str
    key: str
    type: type[Struct]
    clean_up: CleanUp
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    about: str


NEW_ITEMS = Topic(
    name="new-items",
    key="item_id",
    type=events.NewItem,
    clean_up="delete",
    written_by=("your catalogue",),
    read_by=("agents.catalogue",),
    about="Catalogue events: an item as it is now, or its withdrawal.",
)
USER_BEHAVIOUR = Topic(
    name="user-behaviour",
    key="item_id preferred, any works",
    type=events.Behaviour,
    clean_up="delete",
    written_by=("your shop",),
    read_by=("agents.behaviour",),
    about="What shoppers do and see: impressions, views, carts, purchases, ratings, reviews.",
)
TEXTS = Topic(
    name="texts",
    key="item_id",
    type=events.Text,
    clean_up="delete",
    written_by=("agents.catalogue", "agents.behaviour"),
    read_by=("agents.texts",),
    about="Internal: descriptions and reviews for the inference worker.",
)
ENCODINGS = Topic(
    name="encodings",
    key="item_id",
    type=events.Encoding,
    clean_up="delete",
    written_by=("agents.texts",),
    read_by=("agents.encodings",),
    about="Internal: embeddings and sentiment from the inference worker.",
)
BOARD_CHANGES = Topic(
    name="board-changes",
    key="board",
    type=events.BoardChange,
    clean_up="delete",
    written_by=("agents.catalogue", "agents.behaviour", "agents.encodings"),
    read_by=("agents.ranks",),
    about="Internal: boards that have something to decide.",
)
ITEM_SCORES = Topic(
    name="item-scores",
    key="item_id",
    type=events.ItemScore,
    clean_up="compact",
    written_by=("agents.catalogue", "agents.behaviour", "agents.encodings"),
    read_by=("you",),
    about="P(success) of an item with stage, contributions and reasons; keep the highest version.",
)
LAUNCH_RANK = Topic(
    name="launch-rank",
    key="board",
    type=events.LaunchRank,
    clean_up="delete",
    written_by=("agents.ranks",),
    read_by=("you",),
    about="What changed on a launch board, and a full snapshot every so often.",
)
DEAD_LETTERS = Topic(
    name="dead-letters",
    key="topic/partition/offset",
    type=events.DeadLetter,
    clean_up="delete",
    written_by=("every agent",),
    read_by=("streamer dead-letters",),
    about="Records that can't be used, with the reason; `streamer dead-letters replay` sends them again.",
)

TOPICS: tuple[Topic, ...] = (
    NEW_ITEMS,
    USER_BEHAVIOUR,
    TEXTS,
    ENCODINGS,
    BOARD_CHANGES,
    ITEM_SCORES,
    LAUNCH_RANK,
    DEAD_LETTERS,
)
