"""The messages on the topics: types, units and what makes one valid.

Every event carries ``time`` (event time, seconds since the epoch, UTC), ``schema`` and, where
its producer has one, ``event_id``. Unknown fields are ignored and missing optional ones take
their default, so a producer may be one schema version older or newer than this code.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

SCHEMA = 1

MAX_ID_CHARS = 200
MAX_LABEL_CHARS = 400
MAX_AMOUNT = 1e10
"""Money or units of one event: small enough for sums in 1/10,000 to stay exact."""
MAX_POSITION = 2**31 - 1

REVIEW_DIMENSIONS = 32
REVIEW_VECTOR_UNIT = 1 / 1024

Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_ID_CHARS,
        description="1 to 200 printable characters without spaces",
    ),
]
Label = Annotated[str, Meta(max_length=MAX_LABEL_CHARS)]
Money = Annotated[
    float, Meta(ge=0, le=MAX_AMOUNT, description="amount in `currency`, 0 to 10 thousand million")
]
Seconds = Annotated[float, Meta(description="seconds since the epoch, UTC")]

BehaviourType = Literal[
    "impression",
    "view",
    "click",
    "favourite",
    "cart",
    "purchase",
    "return",
    "rating",
    "review",
    "share",
    "hide",
]
BEHAVIOUR_TYPES: tuple[str, ...] = get_args(BehaviourType)

Stage = Literal["cold", "warming", "warm"]
TextKind = Literal["description", "review"]


class Event(Struct, kw_only=True, gc=False):
    """What every event carries."""

    time: Seconds
    schema: int = SCHEMA
    event_id: Id | None = None


class NewItem(Event, kw_only=True, gc=False):
    """`new-items`: the whole of an item as the catalogue knows it now, or its withdrawal.

    An upsert replaces every field of the one before it; the later event time wins. ``category``
    is the path from the widest to the narrowest class. ``launch_time`` defaults to the event
    time of the item's first upsert and never moves afterwards. An upsert needs a title or a
    description.
    """

    item_id: Id
    type: Literal["upsert", "withdrawal"] = "upsert"
    title: str = ""
    description: str = ""
    language: Annotated[
        str, Meta(max_length=35, description="BCP 47 tag, e.g. en or zh; at most 35 characters")
    ] = ""
    category: Annotated[list[Label], Meta(max_length=8)] = []
    brand: Label = ""
    seller: Label = ""
    price: Money | None = None
    currency: Annotated[
        str, Meta(max_length=3, description="ISO 4217 code, at most 3 characters")
    ] = ""
    stock: Annotated[float, Meta(ge=0, description="units on hand, 0 or more")] | None = None
    launch_time: Seconds | None = None
    image_embedding: Annotated[list[float], Meta(max_length=2048)] | None = None
    attributes: dict[str, str | float | bool] = {}

    @property
    def launched(self) -> float:
        """When the item is launched, if this is its first upsert; in seconds."""
        return self.time if self.launch_time is None else self.launch_time


class Behaviour(Event, kw_only=True, gc=False):
    """`user-behaviour`: one thing a shopper did, or one time an item was shown.

    ``value`` is the money of the whole line (not per unit). ``quantity`` of an impression is
    the number of impressions it stands for, when exposure is reported in bulk or sampled.
    ``position`` is the 1-based rank at which the item was shown; ``surface`` where (`home`,
    `search`, `mailer`, `push`, …); ``channel`` the shop, app, market or store in which it
    happened; ``propensity`` the probability with which the shop chose to show it, and ``board``
    the board whose list it was in (that of all items unless told). A `rating` needs ``rating``, a
    `review` ``text``.
    """

    item_id: Id
    type: BehaviourType
    user_id: Id | None = None
    session: Label | None = None
    quantity: Annotated[float, Meta(ge=0, le=MAX_AMOUNT)] = 1.0
    value: Money | None = None
    rating: (
        Annotated[float, Meta(ge=0, le=10, description="on the shop's own scale, 0 to 10")] | None
    ) = None
    text: str | None = None
    title: str | None = None
    language: Annotated[str, Meta(max_length=35)] = ""
    position: Annotated[int, Meta(ge=1, le=MAX_POSITION)] | None = None
    surface: Label | None = None
    channel: Label | None = None
    propensity: Annotated[float, Meta(gt=0, le=1)] | None = None
    board: Label | None = None


class Text(Event, kw_only=True, gc=False):
    """`texts`: one text for the inference worker.

    ``text_id`` is the review's event id, or the content hash of a description. ``order`` breaks
    ties between descriptions of equal time.
    """

    item_id: Id
    kind: TextKind
    text_id: str
    text: str
    language: str = ""
    order: float = 0.0


class Encoding(Event, kw_only=True, gc=False):
    """`encodings`: what the inference worker made of a text.

    ``vector`` is, for a description, the embedding as little-endian float16; for a review, its
    random projection to REVIEW_DIMENSIONS quantised to little-endian int16 (unit 1/1024).
    ``sentiment`` is P(positive), for reviews alone.
    """

    item_id: Id
    kind: TextKind
    text_id: str
    fingerprint: str
    vector: bytes
    sentiment: float | None = None
    order: float = 0.0


class ItemScore(Struct, kw_only=True, gc=False):
    """`item-scores`: how likely an item is to succeed, and why. Keep the highest ``version``.

    A record without a value says that the item has expired: forget it, and its version, for should
    it come again its versions begin anew.
    """

    item_id: str
    stage: Stage
    reasons: list[str]
    probability: Annotated[float, Meta(description="calibrated P(success)")]
    uncertainty: Annotated[float, Meta(description="standard deviation of the logit")]
    logit: float
    contributions: Annotated[
        dict[str, float], Meta(description="per modality; they sum to `logit`")
    ]
    model: str
    version: Annotated[int, Meta(description="grows with every change of the item's state")]
    time: Seconds
    schema: int = SCHEMA


class RankChange(Struct, kw_only=True, gc=False):
    """One line of a board. ``rank`` is 1-based; absent for an item that left."""

    item_id: str
    change: Literal["entered", "moved", "left", "kept"]
    rank: int | UnsetType = UNSET
    previous_rank: int | UnsetType = UNSET
    probability: float | UnsetType = UNSET
    reason: str = ""


class LaunchRank(Struct, kw_only=True, gc=False):
    """`launch-rank`: what changed on a board since ``sequence - 1``.

    A snapshot lists the whole board (its ``changes`` are all lines in rank order) and may start
    a reader; from there each message with the next ``sequence`` brings the board up to date. Numbers
    never go back and are never given out twice; before a snapshot some may be left out.
    """

    board: str
    sequence: int
    snapshot: bool
    changes: list[RankChange]
    time: Seconds
    schema: int = SCHEMA


class BoardChange(Struct, kw_only=True, gc=False):
    """`board-changes`: a board that has something to decide."""

    board: str
    time: Seconds
    schema: int = SCHEMA


class DeadLetter(Struct, kw_only=True, gc=False):
    """`dead-letters`: a record that can't be used, where it came from and why.

    ``key`` and ``value`` hold the record's bytes, or the first of them when ``truncated``: then the
    whole record is still at its place in ``topic`` for as long as that topic retains it.
    """

    topic: str
    partition: int
    offset: int
    code: str
    reason: str
    time: Annotated[float, Meta(description="wall clock when it was refused, seconds")]
    key: bytes | None
    value: bytes | None
    value_bytes: int
    truncated: bool = False
    schema: int = SCHEMA
