"""Whether the demo's numbers are right: the state against counts made without any of its code."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from streamer.events import Behaviour, NewItem
from streamer.replay.record import Source
from streamer.window import Window

ITEMS = 200
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Difference:
    """A number of an item that is not what was counted."""

    item_id: str
    name: str
    expected: float
    found: float


def counted(source: Source) -> pd.DataFrame:
    """Totals of every item in what was replayed, by pandas: a column for each event type, and the
    quantity and value of its purchases."""
    events = pd.DataFrame.from_records(
        (
            (event.item_id, event.type, event.quantity, event.value or 0.0)
            for record in source
            if isinstance(event := record.value, Behaviour)
        ),
        columns=["item", "type", "quantity", "value"],
    )
    totals = events.pivot_table(index="item", columns="type", aggfunc="size", fill_value=0)
    bought = events[events["type"] == "purchase"].groupby("item")[["quantity", "value"]].sum()
    return totals.join(bought).fillna(0.0)


def items_of(source: Source) -> set[str]:
    """The items that come up in what was replayed."""
    return {r.value.item_id for r in source if isinstance(r.value, NewItem)}


async def differences(
    window: Window, expected: pd.DataFrame, seed: int = 0
) -> tuple[int, list[Difference]]:
    """Compares random items; returns how many, and every number that differs."""
    chosen = random.Random(seed).sample(sorted(expected.index), min(ITEMS, len(expected)))
    found: list[Difference] = []
    for item_id in chosen:
        item = await window.item(item_id)
        numbers = {**item["totals"], **item["amounts"]} if item else {}
        row = expected.loc[item_id].to_dict()
        found += _compare(item_id, row.items(), numbers)
    return len(chosen), found


def _compare(
    item_id: str, expected: Iterable[tuple[str, float]], numbers: dict[str, float]
) -> list[Difference]:
    return [
        Difference(item_id, name, value, numbers.get(name, float("nan")))
        for name, value in expected
        if not abs(numbers.get(name, float("nan")) - value) <= _TOLERANCE * max(1.0, abs(value))
    ]
