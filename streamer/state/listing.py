"""What the catalogue said of an item last, as it is kept: without names of fields, what every score
needs first."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from streamer.events import NewItem

STORED_DESCRIPTION_CHARS = 2000
"""What of a description is kept; its meaning is in the embedding."""


class Brief(Struct, array_like=True, gc=False):
    """What every score needs of a listing."""

    price: float | None = None
    stock: float | None = None
    category: tuple[str, ...] = ()


class Listing(Brief, array_like=True, gc=False):
    """An item as the catalogue knows it. To add a field, add it behind the last."""

    title: str = ""
    description: str = ""
    language: str = ""
    brand: str = ""
    seller: str = ""
    currency: str = ""
    attributes: dict[str, str | float | bool] = {}

    @classmethod
    def of(cls, item: NewItem) -> Listing:
        """What is kept of an upsert."""
        kept = cls(**{name: getattr(item, name) for name in cls.__struct_fields__})
        kept.description = item.description[:STORED_DESCRIPTION_CHARS]
        return kept


pack = msgspec.msgpack.Encoder().encode
read = msgspec.msgpack.Decoder(Listing).decode
read_brief = msgspec.msgpack.Decoder(Brief).decode
