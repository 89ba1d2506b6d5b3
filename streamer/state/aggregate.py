"""From events to deltas: what happened to each item or relative, as a record of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.state.columns import NOBODY, TYPE_CODES, Columns
from streamer.state.layout import AMOUNT_UNIT, DAY, Layout, decayed_name
from streamer.state.members import LISTS, Additions

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TYPES = len(TYPE_CODES)
_INTEREST = ("click", "favourite", "cart", "share")


def folded(layout: Layout, rows: Columns, entity: Ints, count: int) -> Floats:
    """The fields of ``count`` deltas, shape (count, fields); ``entity`` says of which each row is.

    An entity without a row has the identity, which changes nothing.
    """
    x = np.tile(layout.identity, (count, 1))
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
        rows, kind = self.rows, self.rows.type
        one = np.ones(len(rows))
        bought = kind == TYPE_CODES["purchase"]
        shown = kind == TYPE_CODES["impression"]
        rated = ~np.isnan(rows.rating)
        self._span("first_time", "last_time", None)
        self._span("first_purchase_time", "last_purchase_time", bought)
        self._count_types()
        for field, mask, amount in (
            ("quantity", bought, rows.quantity),
            ("value", bought, rows.value),
            ("returned_value", kind == TYPE_CODES["return"], rows.value),
            ("exposure", shown, rows.exposure),
            ("sent", shown & rows.sent, rows.quantity),
            ("rating_sum", rated, np.rint(rows.rating / AMOUNT_UNIT)),
            ("rating_count", rated, one),
        ):
            self._sum(field, mask, amount)
        self._decay(
            {
                "views": (kind == TYPE_CODES["view"], one),
                "interest": (np.isin(kind, [TYPE_CODES[name] for name in _INTEREST]), one),
                "purchases": (bought, one),
                "value": (bought, rows.value),
                "exposure": (shown, rows.exposure),
                "sent": (shown & rows.sent, rows.quantity),
            }
        )

    def _column(self, field: str) -> Floats:
        return self.x[:, self.layout.index[field]]

    def _span(self, least: str, greatest: str, mask: Mask | None) -> None:
        """Of repeated indices the last assignment stands, so in order of time it is the extreme."""
        entity, time = self.entity, self.rows.time
        if mask is not None:
            entity, time = entity[mask], time[mask]
        if (time[1:] < time[:-1]).any():
            order = np.argsort(time)
            entity, time = entity[order], time[order]
        if greatest in self.layout.index:
            self._column(greatest)[entity] = time
        if least in self.layout.index:
            self._column(least)[entity[::-1]] = time[::-1]

    def _count_types(self) -> None:
        counts = np.bincount(self.entity * _TYPES + self.rows.type, minlength=len(self.x) * _TYPES)
        counts = counts.reshape(-1, _TYPES)
        for name, code in TYPE_CODES.items():
            if name in self.layout.index:
                self._column(name)[:] = counts[:, code]
        if "version" in self.layout.index:
            self._column("version")[:] = counts.sum(axis=1)

    def _sum(self, field: str, mask: Mask, amount: Floats) -> None:
        if field in self.layout.index and mask.any():
            self._column(field)[:] = np.bincount(
                self.entity[mask], weights=amount[mask], minlength=len(self.x)
            )

    def _decay(self, signals: dict[str, tuple[Mask, Floats]]) -> None:
        """An event's weight is as of the entity's last event."""
        age = self._column("last_time")[self.entity] - self.rows.time
        present = {name: pair for name, pair in signals.items() if pair[0].any()}
        for half_life, names in self.layout.decayed:
            weight = np.exp2(age / -half_life)
            for name in present.keys() & set(names):
                mask, amount = present[name]
                self._sum(decayed_name(name, half_life), mask, amount * weight)


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
    masks = [mask for mask, _ in (found[name] for name in LISTS)]
    return Additions.distinct(
        np.concatenate([rows.item[mask] for mask in masks]),
        np.repeat(np.arange(len(LISTS)), [int(mask.sum()) for mask in masks]),
        np.concatenate([found[name][1][found[name][0]] for name in LISTS]),
    )
