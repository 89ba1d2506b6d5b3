"""From events to deltas: what happened to each item or relative, as a record of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from streamer.state.columns import NOBODY, TYPE_CODES, Columns
from streamer.state.layout import AMOUNT_UNIT, DAY, Layout, decayed_name
from streamer.state.members import LISTS, Additions

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TYPES = len(TYPE_CODES)
_INTEREST = np.isin(list(TYPE_CODES), ("click", "favourite", "cart", "share"))

_AMOUNTS = ("one", "quantity", "value", "exposure", "rating")
_SUMS = {
    "purchase": {"quantity": "quantity", "value": "value"},
    "return": {"returned_value": "value"},
    "impression": {"exposure": "exposure"},
    "sent": {"sent": "quantity"},
    "rated": {"rating_sum": "rating", "rating_count": "one"},
}
"""Sums by the events that add to them, with the amount of an event that they add up."""
_DECAYED = {
    "view": {"views": "one"},
    "interest": {"interest": "one"},
    "purchase": {"purchases": "one", "value": "value"},
    "impression": {"exposure": "exposure"},
    "sent": {"sent": "quantity"},
}
"""The same of decayed sums, which have a field for each half-life."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """The columns that certain events add to, with the place of the amount in _AMOUNTS and that of
    the half-life in the plan."""

    column: Ints
    amount: Ints
    half_life: Ints


@dataclass(frozen=True, slots=True)
class _Plan:
    """What events add to records of a layout: the columns of types by their codes, the half-lives
    in seconds, the first of them endless, and the terms of the events that _SUMS and _DECAYED name."""

    types: tuple[list[int], list[int]]
    half_lives: Floats
    terms: Mapping[str, _Terms]


@cache
def _plan(layout: Layout) -> _Plan:
    types = [
        (code, layout.index[name]) for name, code in TYPE_CODES.items() if name in layout.index
    ]
    half_lives = [np.inf, *(half_life for half_life, _ in layout.decayed)]
    found: dict[str, list[tuple[int, int, int]]] = {}
    for events in _SUMS.keys() | _DECAYED.keys():
        fields = [(name, amount, 0) for name, amount in _SUMS.get(events, {}).items()] + [
            (decayed_name(signal, half_lives[place]), amount, place)
            for signal, amount in _DECAYED.get(events, {}).items()
            for place in range(1, len(half_lives))
        ]
        found[events] = [
            (layout.index[field], _AMOUNTS.index(amount), place)
            for field, amount, place in fields
            if field in layout.index
        ]
    terms = {events: _Terms(*np.array(some).T) for events, some in found.items() if some}
    codes, columns = zip(*types, strict=True)
    return _Plan((list(codes), list(columns)), np.array(half_lives), terms)


def folded(layout: Layout, rows: Columns, entity: Ints, count: int) -> Floats:
    """The fields of ``count`` deltas, shape (count, fields); ``entity`` says of which each row is.

    An entity without a row has the identity, which changes nothing.
    """
    x = layout.identities(count)
    if len(rows):
        _Fold(layout, rows, entity, x).fill()
    return x


@dataclass(slots=True)
class _Fold:
    layout: Layout
    rows: Columns
    entity: Ints
    x: Floats

    def fill(self) -> None:
        rows, plan = self.rows, _plan(self.layout)
        which = self._which()
        self._span("first_time", "last_time", None)
        self._span("first_purchase_time", "last_purchase_time", which["purchase"])
        self._count_types(*plan.types)
        rating = np.rint(rows.rating / AMOUNT_UNIT)
        amounts = np.array([np.ones(len(rows)), rows.quantity, rows.value, rows.exposure, rating])
        age = self._column("last_time")[self.entity] - rows.time
        weights = np.exp2(age / -plan.half_lives[:, None])
        for events, terms in plan.terms.items():
            places = which[events].nonzero()[0]
            if len(places):
                self._add(terms, self.entity[places], amounts[:, places], weights[:, places])

    def _which(self) -> dict[str, Mask]:
        """Which of the rows are the events that _SUMS and _DECAYED name."""
        rows, kind = self.rows, self.rows.type
        shown = kind == TYPE_CODES["impression"]
        return {
            "view": kind == TYPE_CODES["view"],
            "interest": _INTEREST[kind],
            "purchase": kind == TYPE_CODES["purchase"],
            "return": kind == TYPE_CODES["return"],
            "impression": shown,
            "sent": shown & rows.sent,
            "rated": ~np.isnan(rows.rating),
        }

    def _column(self, field: str) -> Floats:
        return self.x[:, self.layout.index[field]]

    def _span(self, least: str, greatest: str, mask: Mask | None) -> None:
        """Of repeated indices the last assignment stands, so in order of time it is the extreme."""
        if greatest not in self.layout.index:
            return
        entity, time = self.entity, self.rows.time
        if mask is not None:
            entity, time = entity[mask], time[mask]
        if (time[1:] < time[:-1]).any():
            order = np.argsort(time)
            entity, time = entity[order], time[order]
        self._column(greatest)[entity] = time
        if least in self.layout.index:
            self._column(least)[entity[::-1]] = time[::-1]

    def _count_types(self, codes: list[int], columns: list[int]) -> None:
        counts = np.bincount(self.entity * _TYPES + self.rows.type, minlength=len(self.x) * _TYPES)
        counts = counts.reshape(-1, _TYPES)
        self.x[:, columns] = counts[:, codes]
        if "version" in self.layout.index:
            self._column("version")[:] = counts.sum(axis=1)

    def _add(self, terms: _Terms, entity: Ints, amounts: Floats, weights: Floats) -> None:
        """Adds up what these rows add: their amounts, shape (amounts, rows), each with its weight as
        of the entity's last event, shape (half-lives, rows)."""
        count, columns = len(self.x), len(terms.column)
        added = amounts[terms.amount] * weights[terms.half_life]
        cell = entity + count * np.arange(columns)[:, None]
        sums = np.bincount(cell.ravel(), added.ravel(), count * columns)
        self.x[:, terms.column] = sums.reshape(columns, count).T


def members(rows: Columns) -> Additions:
    """Whom the events add to the lists of their items."""
    user = (rows.user >> np.uint64(32)).astype(np.int64)
    named = rows.user != NOBODY
    bought = rows.type == TYPE_CODES["purchase"]
    found = {
        "buyers": (bought & named, user),
        "users": (~bought & named, user),
        "channels": (rows.channel != NOBODY, rows.channel),
        "days": (bought, (rows.time // DAY).astype(np.int64)),
    }
    masks, values = (np.array(some) for some in zip(*(found[name] for name in LISTS), strict=True))
    number, place = np.nonzero(masks)
    return Additions.distinct(rows.item[place], number, values[number, place])
