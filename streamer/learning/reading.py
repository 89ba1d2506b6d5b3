"""The texts of a log, and what the encoder made of them, event by event."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from xxhash import xxh3_64_hexdigest

from streamer.events import Behaviour, Encoding, NewItem, Text
from streamer.intake import description_text, review_text


def text_of(event: Behaviour | NewItem) -> Text | None:
    """The text that a worker hands to the inference worker for an event, if it has one. A review
    without an id is known by what it says, of what and when."""
    if isinstance(event, NewItem):
        upsert = event.type == "upsert"
        return description_text(event, event.event_id or event.item_id) if upsert else None
    if event.type != "review":
        return None
    return review_text(event, event.event_id or _name(event))


def _name(review: Behaviour) -> str:
    told = (review.item_id, review.user_id, review.time, review.title, review.text)
    return xxh3_64_hexdigest(repr(told).encode())


class Encoded:
    """Gives the encodings of an event's text (see `Replay`), with that event's time."""

    def __init__(self, encodings: Iterable[Encoding]) -> None:
        self._found = {(each.item_id, each.text_id): each for each in encodings}

    def __call__(self, event: Behaviour | NewItem) -> tuple[Encoding, ...]:
        text = text_of(event)
        found = self._found.get((text.item_id, text.text_id)) if text else None
        if text is None or found is None:
            return ()
        return (msgspec.structs.replace(found, time=text.time, order=text.order),)
