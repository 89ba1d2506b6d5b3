"""Complete Journey's weekly promotions, as the report of how widely each product is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from streamer.replay.sources.journey_sales import data_file
from streamer.replay.sources.packaged import parquet

SHOP_ZONE = ZoneInfo("America/New_York")
FIRST_WEEKS_SUNDAY = datetime(2017, 1, 1, tzinfo=SHOP_ZONE)
WEEKS = 53
NIGHT_SECONDS = 6 * 3600.0
"""How long after midnight a week's reports come in."""

SURFACES = ("display", "mailer")
_NOWHERE = "0"
_ROWS_AT_ONCE = 500_000
_BITS = ((20, 1), (21, 6), (0, 20), (27, 37))
"""Lowest bit and width of surface, week, store and product in an exposure's number. The store's are
the last, so that the exposures of one report are neighbours."""
_STORE_BITS = np.uint64(_BITS[2][1])
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Promotions:
    """One entry a report: a product is shown in ``stores`` of them during a week on a surface.

    ``product`` is an index into the ids that were asked for, ``surface`` into `SURFACES`.
    """

    time: Floats
    product: NDArray[np.int32]
    stores: NDArray[np.int64]
    week: NDArray[np.int32]
    surface: NDArray[np.int32]


def week_start(week: int) -> float:
    """When a week of the data set begins, in seconds since the epoch.

    Weeks begin on Monday at midnight where the shops are; the first one has only its Sunday,
    2017-01-01, in the data.
    """
    if week == 1:
        return FIRST_WEEKS_SUNDAY.timestamp()
    monday = FIRST_WEEKS_SUNDAY.date() + timedelta(days=1 + 7 * (week - 2))
    return datetime(monday.year, monday.month, monday.day, tzinfo=SHOP_ZONE).timestamp()


def promotions(product_ids: NDArray[np.int64], weeks: range) -> Promotions:
    """The promotions of the products in ``weeks``.

    A product listed twice for a week, store and surface is shown there once. Each report's minute
    of the night depends on nothing but itself. Raises DependencyMissing.
    """
    key, stores = _reports(product_ids, weeks)
    starts = np.array([week_start(week) for week in range(1, WEEKS + 1)])
    surface, week, _, product = _unpacked(key)
    time = starts[week - 1] + NIGHT_SECONDS * _fraction(_mixed(key))
    order = np.argsort(time, kind="stable")
    return Promotions(time[order], product[order], stores[order], week[order], surface[order])


def _reports(product_ids: NDArray[np.int64], weeks: range) -> tuple[Hashes, NDArray[np.int64]]:
    """Every report's number, without a store, and in how many stores."""
    batches = _batches() if weeks else ()
    keys = [_keys(batch, product_ids, weeks) for batch in batches]
    shown = np.concatenate([*keys, np.empty(0, np.uint64)])
    del keys
    shown.sort()
    report = shown[_first_of_each(shown)] >> _STORE_BITS
    starts = np.flatnonzero(_first_of_each(report))
    return report[starts] << _STORE_BITS, np.diff(starts, append=len(report))


def _first_of_each(ordered: Hashes) -> NDArray[np.bool_]:
    """Which are not what stands before them."""
    first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first


def _batches() -> Any:
    columns = ["product_id", "store_id", "display_location", "mailer_location", "week"]
    file = parquet().ParquetFile(data_file("promotions"), read_dictionary=columns[2:4])
    return file.iter_batches(_ROWS_AT_ONCE, columns=columns)


def _keys(batch: Any, product_ids: NDArray[np.int64], weeks: range) -> Hashes:
    ids, stores, week = (
        batch.column(name).to_numpy() for name in ("product_id", "store_id", "week")
    )
    product = np.minimum(np.searchsorted(product_ids, ids), len(product_ids) - 1)
    wanted = (product_ids[product] == ids) & (week >= weeks.start) & (week < weeks.stop)
    found = []
    for surface, column in enumerate(("display_location", "mailer_location")):
        rows = wanted & _shown(batch.column(column))
        found.append(_packed(surface, week[rows], stores[rows], product[rows]))
    return np.concatenate(found)


def _shown(column: Any) -> NDArray[np.bool_]:
    is_shown = np.array([name != _NOWHERE for name in column.dictionary.to_pylist()])
    codes: NDArray[np.int32] = column.indices.to_numpy()
    return is_shown[codes]


def _packed(surface: int, *fields: Any) -> Hashes:
    """An exposure as one number: surface, week, store and product, each at its lowest bit."""
    key = np.full(len(fields[0]), surface << _BITS[0][0], np.uint64)
    for (low, _), field in zip(_BITS[1:], fields, strict=True):
        key |= np.asarray(field).astype(np.uint64) << np.uint64(low)
    return key


def _unpacked(key: Hashes) -> tuple[NDArray[np.int32], ...]:
    return tuple(
        ((key >> np.uint64(low)) & np.uint64((1 << bits) - 1)).astype(np.int32)
        for low, bits in _BITS
    )


def _mixed(key: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    z = key + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _fraction(hashes: Hashes) -> Floats:
    """Evenly spread over [0, 1)."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
