"""docs/topics.md: every topic with the fields of its messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

from streamer.topology import TOPICS, Topic
from tools.documents.schemas import components

_REF = "#{name}"
_LIMITS = (
    ("minLength", "{} characters or more"),
    ("maxLength", "at most {} characters"),
    ("maxItems", "at most {}"),
    ("minimum", "{} or more"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
)


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Topics"
    yield ""
    yield "Generated from `streamer/topology.py` and `streamer/events.py` by `make documents`."
    yield ""
    yield (
        "Keys are UTF-8. Values are MessagePack maps; on `new-items` and `user-behaviour` JSON is "
        "accepted too, told apart by the first byte. Times are seconds since the epoch, UTC. "
        "Unknown fields are ignored and missing optional ones take their default. The same as "
        "JSON Schema: [schemas/](schemas); as AsyncAPI 3: [asyncapi.json](asyncapi.json). There, "
        "bytes are base64 text, as JSON has no bytes; in MessagePack they are `bin`."
    )
    yield ""
    yield "| topic | key | clean-up | written by | read by | what |"
    yield "|---|---|---|---|---|---|"
    for topic in TOPICS:
        writers, readers = ", ".join(topic.written_by), ", ".join(topic.read_by)
        yield (
            f"| [`{topic.name}`](#{topic.name}) | {topic.key} | {topic.clean_up} | {writers} "
            f"| {readers} | {topic.about} |"
        )
    schemas = components(_REF)
    for topic in TOPICS:
        yield from _section(topic, schemas)


def _section(topic: Topic, schemas: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield f"## {topic.name}"
    yield ""
    yield cleandoc(topic.type.__doc__ or topic.about).replace("``", "`")
    yield ""
    yield from _table(schemas[topic.type.__name__])
    for name in _nested(schemas[topic.type.__name__]):
        yield ""
        yield f"**{name}.** {cleandoc(schemas[name]['description']).replace('``', '`')}"
        yield ""
        yield from _table(schemas[name])


def _table(schema: dict[str, Any]) -> Iterator[str]:
    required = set(schema["required"])
    yield "| field | type | default | |"
    yield "|---|---|---|---|"
    for name, field in schema["properties"].items():
        default = "required" if name in required else _default(field)
        yield f"| `{name}` | {_type(field)} | {default} | {'; '.join(_notes(field))} |"


def _default(field: dict[str, Any]) -> str:
    return f"`{json.dumps(field['default'])}`" if "default" in field else "absent"


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "$ref" in field:
        return str(field["$ref"]).removeprefix("#")
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    if field["type"] == "object":
        return f"map of {_type(field['additionalProperties'])}"
    return "bytes" if field.get("contentEncoding") == "base64" else str(field["type"])


def _notes(field: dict[str, Any]) -> Iterator[str]:
    for part in (field, *field.get("anyOf", ())):
        if "description" in part:
            yield part["description"]
        else:
            yield from (words.format(part[key]) for key, words in _LIMITS if key in part)


def _nested(schema: dict[str, Any]) -> Iterator[str]:
    for field in schema["properties"].values():
        if "$ref" in field.get("items", {}):
            yield str(field["items"]["$ref"]).removeprefix("#")
