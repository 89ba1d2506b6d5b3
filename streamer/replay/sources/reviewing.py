"""A customer's words as an event."""

from __future__ import annotations

from typing import Any


def review(fields: dict[str, Any], text: Any) -> dict[str, Any]:
    """The fields of a `review`, or of a `rating` where nothing was written. What is no text is taken
    over as it is, for whoever validates the event."""
    if text.strip() if isinstance(text, str) else text:
        return fields | {"type": "review", "text": text}
    return fields | {"type": "rating"}
