"""Reviews come out of a replay as the features that a live worker has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.events import Behaviour, Encoding, NewItem
from streamer.learning.looks import Looks, Watch, observe
from streamer.replay.record import TimedRecord
from streamer.state.features import FEATURES
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR

DAY = 86400.0
START = 1_500_000_000.0
RATINGS = {1.0: 5.0, 2.0: 3.0, 9.0: 1.0}
"""Day of a review → its rating; its sentiment is a tenth of that."""


def records() -> list[TimedRecord]:
    item = NewItem(item_id="dress", time=START, event_id="launch", title="Dress")
    found = [TimedRecord(NEW_ITEMS, b"dress", item, START, "upsert")]
    for day, rating in RATINGS.items():
        time = START + day * DAY
        event = Behaviour(
            item_id="dress", type="review", time=time, event_id=f"r{day}", rating=rating, text="…"
        )
        found.append(TimedRecord(USER_BEHAVIOUR, b"dress", event, time, "review"))
    end = NewItem(item_id="other", time=START + 30 * DAY, event_id="end", title="Coat")
    return [*found, TimedRecord(NEW_ITEMS, b"other", end, end.time, "upsert")]


def encoded(event: Behaviour | NewItem) -> list[Encoding]:
    if not isinstance(event, Behaviour):
        return []
    return [
        Encoding(
            item_id=event.item_id,
            kind="review",
            text_id=event.event_id or "",
            fingerprint="f",
            vector=np.zeros(32, "<i2").tobytes(),
            sentiment=(event.rating or 0) / 10,
            time=event.time,
        )
    ]


@pytest.fixture(scope="module")
def looks() -> Looks:
    return observe(records(), Watch(ages_days, encoded, "f", 8))


def ages_days(item: NewItem) -> tuple[float, ...]:
    return (0.5, 7.0, 14.0) if item.item_id == "dress" else ()


def column(looks: Looks, name: str) -> list[float]:
    return looks.x[np.argsort(looks.age), FEATURES.index(name)].tolist()


def test_an_item_is_looked_at_at_its_ages(looks: Looks) -> None:
    assert looks.item.tolist() == ["dress"] * 3
    np.testing.assert_array_equal(looks.time, START + looks.age * DAY)


def test_only_reviews_up_to_the_look_count(looks: Looks) -> None:
    np.testing.assert_allclose(column(looks, "reviews"), np.log1p([0, 2, 3]))
    assert column(looks, "rating") == pytest.approx([np.nan, 4.0, 3.0], nan_ok=True)
    shrunk = [np.nan, (0.8 + 2.1) / 5, (0.9 + 2.1) / 6]
    assert column(looks, "sentiment") == pytest.approx(shrunk, nan_ok=True)


def test_looks_that_were_cut_off_while_they_were_saved_are_not_there(
    looks: Looks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "looks.npz"

    def killed(path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(np, "savez_compressed", killed)
        with pytest.raises(KeyboardInterrupt):
            looks.save(file)
    assert list(tmp_path.iterdir()) == []
    looks.save(file)
    assert Looks.load(file).item.tolist() == looks.item.tolist()
