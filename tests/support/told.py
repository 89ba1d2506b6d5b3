"""What a group has told the world, as a reader has it in the end, whatever came twice on the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgpack

from streamer.settings import Settings
from streamer.topology import DEAD_LETTERS, ITEM_SCORES, LAUNCH_RANK, TEXTS
from tests.support.logs import read
from tests.support.snapshot import Nearly

TIE = 1e-6
"""Scores that differ by less may stand in either order on a board."""


async def told(settings: Settings) -> dict[str, Any]:
    """By topic and key the final value."""
    scores = newest(await read(settings, ITEM_SCORES.name))
    return {
        "scores": scores,
        "boards": boards(await read(settings, LAUNCH_RANK.name), scores),
        "texts": sorted(
            {
                (text["item_id"], text["kind"], text["text_id"], text["text"])
                for text in map(_value, await read(settings, TEXTS.name))
            }
        ),
        "dead letters": sorted(
            {
                (letter["partition"], letter["offset"], letter["code"])
                for letter in map(_value, await read(settings, DEAD_LETTERS.name))
            }
        ),
    }


async def versions(settings: Settings) -> dict[str, int]:
    """Of each item the highest version that was told."""
    scores = newest(await read(settings, ITEM_SCORES.name))
    return {item: score["version"] for item, score in scores.items()}


def _value(record: Any) -> dict[str, Any]:
    value: dict[str, Any] = msgpack.unpackb(record.value)
    return value


def newest(records: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Of each item the score with the highest version, of equal ones the last."""
    found: dict[str, dict[str, Any]] = {}
    for score in map(_value, records):
        if score["version"] >= found.get(score["item_id"], score)["version"]:
            found[score["item_id"]] = score
    return {item: _nearly(score) for item, score in found.items()}


def _nearly(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nearly(each) for key, each in value.items()}
    return Nearly(value) if isinstance(value, float) else value


def boards(records: Iterable[Any], scores: dict[str, Any]) -> dict[str, Any]:
    """The items of each board, and what is wrong with its history or order."""
    histories: defaultdict[str, dict[int, bytes]] = defaultdict(dict)
    wrong: defaultdict[str, list[str]] = defaultdict(list)
    for record in records:
        board, message = record.key.decode(), _value(record)
        sequence = message["sequence"]
        history = histories[board]
        if history.setdefault(sequence, record.value) != record.value:
            wrong[board].append(f"{sequence} was told in two ways")
        if sequence - 1 not in history and not message["snapshot"]:
            wrong[board].append(f"{sequence} was told before {sequence - 1}")
    found: dict[str, Any] = {}
    for board, history in histories.items():
        order = followed(msgpack.unpackb(history[n]) for n in sorted(history))
        chances = [scores[item]["probability"] for item in order]
        if any(b > a + TIE for a, b in pairwise(chances)):
            wrong[board].append("not in the order of the scores")
        found[board] = {"items": sorted(order), "wrong": wrong[board]}
    return found


def followed(messages: Iterable[dict[str, Any]]) -> list[str]:
    """The items of a board in order after these messages."""
    ranks: dict[str, int] = {}
    for message in messages:
        if message["snapshot"]:
            ranks = {}
        for change in message["changes"]:
            ranks.pop(change["item_id"], None)
            if change["change"] != "left":
                ranks[change["item_id"]] = change["rank"]
    return sorted(ranks, key=ranks.__getitem__)
