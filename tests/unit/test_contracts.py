"""What is generated from the code and what the code is held to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamer.events import LaunchRank, RankChange
from streamer.topology import TOPICS
from tools.documents import FOLDER, documents, drifted, write


def test_the_generated_documents_are_what_the_code_says() -> None:
    assert list(drifted(FOLDER)) == [], "run: make documents"


def test_a_changed_missing_or_stray_file_is_told(tmp_path: Path) -> None:
    write(tmp_path)
    assert list(drifted(tmp_path)) == []

    (tmp_path / "topics.md").write_text(documents()["topics.md"] + "\n")
    (tmp_path / "schemas" / "texts.json").unlink()
    (tmp_path / "schemas" / "gone.json").write_text("{}")
    assert set(drifted(tmp_path)) == {"topics.md", "schemas/texts.json", "schemas/gone.json"}

    write(tmp_path)
    assert list(drifted(tmp_path)) == []


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = json.loads(documents()["asyncapi.json"])
    references = list(_references(document))
    assert len(references) > len(TOPICS)
    for reference in references:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_each_topic_has_a_channel_and_a_schema() -> None:
    names = {topic.name for topic in TOPICS}
    assert set(json.loads(documents()["asyncapi.json"])["channels"]) == names
    assert {path for path in documents() if path.startswith("schemas/")} == {
        f"schemas/{name}.json" for name in names
    }


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_schema_names_the_fields_that_are_on_the_wire(topic: Any) -> None:
    schema = json.loads(documents()[f"schemas/{topic.name}.json"])
    fields = schema["$defs"][topic.type.__name__]
    assert set(fields["properties"]) == set(topic.type.__struct_encode_fields__)
    required = {f.name for f in msgspec.structs.fields(topic.type) if f.required}
    assert set(fields["required"]) == required


def test_a_line_that_left_a_board_carries_no_rank() -> None:
    gone = RankChange(item_id="1", change="left", previous_rank=3)
    told = LaunchRank(board="all", sequence=2, snapshot=False, changes=[gone], time=1.0)
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(told))
    assert "rank" not in packed["changes"][0]
    schema = json.loads(documents()["schemas/launch-rank.json"])
    assert "rank" not in schema["$defs"]["RankChange"]["required"]


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
