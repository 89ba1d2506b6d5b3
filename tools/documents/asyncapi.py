"""The AsyncAPI 3 document: channels, messages and what streamer does with them."""

from __future__ import annotations

from typing import Any

from streamer import __version__
from streamer.topology import TOPICS, Topic
from tools.documents.schemas import components, dump

BINDING = "0.5.0"


def document() -> str:
    return dump(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": "streamer",
                "version": __version__,
                "description": "Decides, live, which new items a shop should launch, show and push.",
                "license": {"name": "Apache-2.0"},
            },
            "defaultContentType": "application/msgpack",
            "channels": {topic.name: _channel(topic) for topic in TOPICS},
            "operations": dict(pair for topic in TOPICS for pair in _operations(topic)),
            "components": {
                "messages": {topic.type.__name__: _message(topic) for topic in TOPICS},
                "schemas": components("#/components/schemas/{name}"),
            },
        }
    )


def _channel(topic: Topic) -> dict[str, Any]:
    name = topic.type.__name__
    configuration = {"cleanup.policy": [topic.clean_up]}
    return {
        "address": topic.name,
        "description": topic.about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"kafka": {"topicConfiguration": configuration, "bindingVersion": BINDING}},
    }


def _operations(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    """What streamer itself does with the topic."""
    channel = {"$ref": f"#/channels/{topic.name}"}
    found = []
    for action, parties in (("receive", topic.read_by), ("send", topic.written_by)):
        ours = [party for party in parties if not party.startswith("you")]
        if ours:
            summary = f"{action}: {', '.join(ours)}"
            found.append(
                (
                    f"{action}-{topic.name}",
                    {"action": action, "channel": channel, "summary": summary},
                )
            )
    return found


def _message(topic: Topic) -> dict[str, Any]:
    name = topic.type.__name__
    key = {"type": "string", "description": topic.key}
    return {
        "name": name,
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": {"kafka": {"key": key, "bindingVersion": BINDING}},
    }
