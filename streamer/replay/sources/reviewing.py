"""A customer's words as an event."""

from __future__ import annotations

from typing import Any


def review(fields: dict[str, Any], text: str | None) -> dict[str, Any]:
    """The fields of a `review`, or of a `rating` where nothing was written."""
    if text and text.strip():
        return fields | {"type": "review", "text": text}
    return fields | {"type": "rating"}
