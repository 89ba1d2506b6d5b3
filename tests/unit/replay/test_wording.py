from __future__ import annotations

import doctest
import re

import pandas as pd
import pytest

from streamer.replay.sources import wording
from streamer.replay.sources.wording import department, size, words

SHOPPERS_ABBREVIATIONS = {"ml", "lb", "BBQ", "DVD", "DVDs", "TV", "SPF", "CD", "VHS", "IQF"}


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(wording).failed == 0


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("PNT BTR/JELLY/JAMS", "peanut butter, jelly, jams"),
        ("FRZN VEGETABLE/VEG DSH", "frozen vegetable, vegetable dishes"),
        ("GREETING CARDS/WRAP/PARTY SPLY", "greeting cards, wrap, party supplies"),
        ("SW GDS:DONUTS", "sweet goods, donuts"),
        ("PREPARED BEANS - BAKED W/PORK", "prepared beans, baked with pork"),
        ("SUNTAN PRODUCTS W/O SPF", "suntan products without SPF"),
        ("SEAFOOD-FRZ-IQF RAW SHRIMP RW", "seafood, frozen, IQF raw shrimp random weight"),
        ("WOMENS  HAIR SPRAYS", "women's hair sprays"),
        ("CHILDREN S ACTIVITY", "children's activity"),
        ("BEERALEMALT LIQUORS", "beer, ale and malt liquor"),
        ("YOGURT NOT MULTI-PACKS", "yogurt not multi-packs"),
        ("POPULAR 750ML WINES", "popular 750 ml wines"),
    ],
)
def test_shop_jargon_is_expanded(name: str, meaning: str) -> None:
    assert words(name) == meaning


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("CANDY BARS (SINGLES)(INCLUDING", "candy bars (singles)"),
        ("DAIRY CASE 100% PURE JUICE - O", "dairy case 100% pure juice"),
        ("SFT DRNK 2 LITER BTL CARB INCL", "soft drinks 2 liter bottle carbonated"),
        ("VITAMIN - NON HERBAL SUPPLEMEN", "vitamin, non herbal supplements"),
    ],
)
def test_what_a_cut_left_dangling_is_dropped_or_completed(name: str, meaning: str) -> None:
    assert words(name) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("14.5 OZ", "14.5 oz"),
        ("12 CT/16 OZ", "12 count/16 oz"),
        ("1/2 GAL", "1/2 gallon"),
        ("P     6 OZ", "6 oz"),
        ("971770  PK", ""),
    ],
)
def test_sizes_have_their_units_in_words(text: str, meaning: str) -> None:
    assert size(text) == meaning


def test_no_name_of_the_catalogue_is_left_in_jargon(products: pd.DataFrame) -> None:
    """A word without a vowel is an abbreviation; fewer than 1 name in 200 may have one."""
    columns = (products[name].dropna() for name in ("product_category", "product_type"))
    names = pd.concat([*columns]).value_counts()
    left = {name: count for name, count in names.items() if _abbreviations(words(str(name)))}
    assert sum(left.values()) / names.sum() < 0.005, left


def test_every_name_of_the_catalogue_is_readable(products: pd.DataFrame) -> None:
    for name in products["department"].unique():
        assert re.fullmatch(r"[a-zA-Z][a-zA-Z ]+", department(name)), name
    for name in products["product_type"].dropna().unique():
        assert re.fullmatch(r"[a-zA-Z0-9][\w %.,'()$+-]*", words(name)), (name, words(name))


def _abbreviations(text: str) -> set[str]:
    found = {
        word for word in re.findall(r"[A-Za-z]{2,}", text) if not re.search("[aeiouyAEIOUY]", word)
    }
    return found - SHOPPERS_ABBREVIATIONS
