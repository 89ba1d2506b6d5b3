"""A list of launches to show, drawn anew each time, with what an impression of it must log.

Who always shows the best by the model only learns of those. A drawn list shows good items more
often and uncertain ones sometimes, and since it is known how likely each item was where it stands,
its log says what another way to choose would have earned (`streamer offpolicy`).
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from streamer.errors import ConfigurationError
from streamer.launch.exploration import AMONG_ITEMS, MAX_PLACES, chances, drawn
from streamer.state.line import TITLE_CHARS
from streamer.window import Window


class Shown(Struct, frozen=True):
    """An item of a list. ``position`` (from 1) and ``propensity``, the probability with which it
    came there, are what an impression on `user-behaviour` logs under these names."""

    item_id: str
    title: str
    position: int
    propensity: float


class Draw(Struct, frozen=True):
    """A list for one request, by the scores of ``model`` at ``time`` (stream time). Its impressions
    log ``board`` as well."""

    board: str
    model: str
    time: float
    lines: list[Shown]


async def draw(window: Window, board: str, places: int) -> Draw:
    """Draws a list of a board's items; shorter, or empty, where there are not so many.

    Raises ConfigurationError, RedisUnavailable.
    """
    if not 1 <= places <= MAX_PLACES:
        raise ConfigurationError(f"a list has 1 to {MAX_PLACES} places, not {places}")
    judged, listed = await window.competing(board, AMONG_ITEMS)
    scores = judged.scores.at(listed)
    lists = drawn(scores.logit, scores.uncertainty, places, np.random.default_rng())
    chance = chances(lists, len(listed))
    lines = []
    for place, item in enumerate(lists[0].tolist()):
        known, item_id = (of[listed[item]] for of in (judged.items.known, judged.items.ids))
        title = known.facts.listing.title[:TITLE_CHARS] if known.facts else ""
        lines.append(Shown(item_id, title, place + 1, float(chance[item, place])))
    return Draw(board, judged.model, judged.time, lines)
