"""A JSON Schema for each topic."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from streamer.topology import TOPICS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def files() -> dict[str, str]:
    """`schemas/<topic>.json` with the schema of the topic's values."""
    return {
        f"schemas/{topic.name}.json": dump(
            {"$schema": DIALECT, "title": topic.name, **msgspec.json.schema(topic.type)}
        )
        for topic in TOPICS
    }


def components(ref_template: str) -> dict[str, Any]:
    """The schemas of all message types by the types' names."""
    types = [topic.type for topic in TOPICS]
    _, found = msgspec.json.schema_components(types, ref_template=ref_template)
    return found


def dump(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
