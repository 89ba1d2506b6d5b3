"""Whether the system's outputs are what they must be, said as complaints by kind.

`facts` of an item are unknown, `totals` are not those of the raw data, `encodings` lack for a text,
`scores` lag behind the state, `boards` lack an item, skip a sequence or don't add up.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgpack
import pandas as pd

from streamer.broker import describe, log_ends
from streamer.settings import Settings
from streamer.topology import ITEM_SCORES, LAUNCH_RANK, TOPICS
from streamer.window import Window, open_window
from tests.support.logs import read
from tests.support.processes import until
from tests.support.told import followed

QUIET_SECONDS = 6.0
TOTALS = ("impression", "purchase", "review", "rating", "quantity", "value")

Complaints = dict[str, list[str]]


async def settled(settings: Settings) -> None:
    """Waits until no topic has grown and nothing was counted for a while."""
    names = [settings.topic(topic.name) for topic in TOPICS]
    places = [(t.name, n) for t in describe(settings.broker, names).values() for n in (0, 1)]
    seen: object = None
    since = time.monotonic()
    async with open_window(settings) as window:

        async def quiet() -> bool:
            nonlocal seen, since
            now = await log_ends(settings.broker, places), await window.tally()
            if now != seen:
                seen, since = now, time.monotonic()
            return time.monotonic() - since > QUIET_SECONDS

        await until(quiet, "quiet topics")


async def complaints(settings: Settings, expected: pd.DataFrame) -> Complaints:
    """What is wrong with the items of ``expected``: a row each, with the number of its events by
    type, its quantity and value, and whether it is ``listed`` in the catalogue."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    scores = newest_scores(await read(settings, ITEM_SCORES.name))
    async with open_window(settings) as window:
        boards = await boards_as_told(settings, window, found)
        for item_id, row in expected.iterrows():
            item = await window.item(str(item_id))
            if item is None:
                found["facts" if row["listed"] else "totals"].append(f"{item_id} is not known")
                continue
            for kind, words in _item_complaints(item, row, scores, boards):
                found[kind].append(f"{item_id}: {words}")
    return dict(found)


def newest_scores(records: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """As any consumer of `item-scores` keeps them: of each item the highest version."""
    newest: dict[str, dict[str, Any]] = {}
    for record in records:
        score = msgpack.unpackb(record.value)
        assert score["item_id"] == record.key.decode()
        if score["version"] >= newest.get(score["item_id"], score)["version"]:
            newest[score["item_id"]] = score
    return newest


async def boards_as_told(
    settings: Settings, window: Window, found: defaultdict[str, list[str]]
) -> dict[str, list[str]]:
    """The boards as a consumer of `launch-rank` builds them: items in order of rank."""
    messages: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in await read(settings, LAUNCH_RANK.name):
        messages[record.key.decode()].append(msgpack.unpackb(record.value))
    boards = {board: followed(told) for board, told in messages.items()}
    for board, told in messages.items():
        sequences = [message["sequence"] for message in told]
        for last, message in zip([0, *sequences], told, strict=False):
            if message["sequence"] <= last:
                found["boards"].append(f"{board} goes back: {sequences}")
            elif message["sequence"] != last + 1 and not message["snapshot"]:
                found["boards"].append(f"{board} lacks some of the sequences {sequences}")
        decision = await window.board(board)
        lines = [line.item_id for line in decision.lines] if decision else []
        if lines != boards[board]:
            found["boards"].append(f"{board} does not add up to what was decided")
    return boards


def _item_complaints(
    item: dict[str, Any],
    row: pd.Series[Any],
    scores: dict[str, dict[str, Any]],
    boards: dict[str, list[str]],
) -> Iterable[tuple[str, str]]:
    numbers = {**item["totals"], **item["amounts"]}
    for name in TOTALS:
        if abs(numbers[name] - row.get(name, 0)) > 1e-6 * max(1.0, abs(numbers[name])):
            yield "totals", f"{name} {numbers[name]} instead of {row.get(name, 0)}"
    if item["reviews"]["encoded"] != row.get("review", 0):
        yield "encodings", f"{item['reviews']['encoded']} of {row.get('review', 0)} reviews"
    score = scores.get(item["item_id"])
    if score is None or score["version"] != item["version"]:
        yield "scores", f"version {score and score['version']} instead of {item['version']}"
    elif not 0 < score["probability"] < 1:
        yield "scores", f"probability {score['probability']}"
    if not row["listed"]:
        return
    if not item["title"]:
        yield "facts", "no title"
    if not item["encoders"]:
        yield "encodings", "no description"
    for board in ("all", *item["category"][:1]):
        if item["item_id"] not in boards.get(board, ()):
            yield "boards", f"not on {board}"
