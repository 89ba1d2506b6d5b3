"""Pairs look back and labels forward; negatives are items that were new then and not bought."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.events import Behaviour, Encoding, NewItem
from streamer.judge import ACTIONS
from streamer.learning import offers
from streamer.learning.dataset import Dataset
from streamer.learning.launches import AtMoments, Launches
from streamer.learning.offers import OFFERED, Offer, pair_features, pairs, turns
from streamer.learning.recommend_peers import PEERS
from streamer.learning.shopping import Shopping, shopping
from streamer.recommend.taste import MATCH
from streamer.replay.record import TimedRecord
from streamer.state.features import FEATURES
from streamer.state.layout import DAY
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR
from tests.support.launches import Log

MOMENT = 40.0
ITEMS = [
    *(f"old-{brand}-{n}" for brand in ("north", "south") for n in range(3)),
    *("new-north", "new-south"),
]
LAUNCHES = Launches(day_zero=0.0, first_day=0.0, last_day=60.0)


def listed(item: str, day: float, brand: str) -> TimedRecord:
    event = NewItem(
        item_id=item, time=day * DAY, title=item, brand=brand, price=2.0, category=["a", "b"]
    )
    return TimedRecord(NEW_ITEMS, item.encode(), event, event.time, "upsert")


def bought(item: str, day: float, user: str) -> TimedRecord:
    event = Behaviour(item_id=item, time=day * DAY, type="purchase", user_id=user)
    return TimedRecord(USER_BEHAVIOUR, item.encode(), event, event.time, "purchase")


def encoded(item: str) -> Encoding:
    """Items of a brand read alike."""
    vector = np.array([1.0, 0.0] if "north" in item else [0.0, 1.0], "<f2").tobytes()
    return Encoding(
        item_id=item, kind="description", text_id=item, fingerprint="f", vector=vector, time=0.0
    )


def records() -> list[TimedRecord]:
    """Old items of two brands, each bought by one user, and a new one of each brand."""
    old = [listed(f"old-{brand}-{n}", 1.0, brand) for brand in ("north", "south") for n in range(3)]
    new = [listed(f"new-{brand}", 30.0, brand) for brand in ("north", "south")]
    early = [
        bought(f"old-{brand}-{n}", 20.0 + n, user)
        for user, brand in (("anna", "north"), ("bert", "south"))
        for n in range(3)
    ]
    return [*old, *new, *early, bought("new-north", 42.0, "anna"), bought("old-south-0", 39.0, "c")]


def read(log: list[TimedRecord]) -> tuple[Shopping, Offer]:
    shop = shopping(Log(log), LAUNCHES, {item: encoded(item) for item in ITEMS})
    looks = AtMoments(LAUNCHES, (MOMENT,), offers.NEW_DAYS)
    events = [r.value for r in Log(log) if isinstance(r.value, NewItem)]
    rows = [(e.item_id, e.time / DAY, age) for e in events for age in looks(e)]
    data = Dataset(
        x=np.zeros((len(rows), len(FEATURES))),
        content=np.zeros((len(rows), 0), np.float32),
        actions=np.zeros((len(rows), len(ACTIONS))),
        age=np.array([age for _, _, age in rows]),
        launch_day=np.array([day for _, day, _ in rows]),
        outcome=np.zeros(len(rows)),
        label=np.zeros(len(rows), np.int64),
        item=np.array([item for item, _, _ in rows]),
    )
    return shop, offers.offers(data, np.zeros(len(rows)), shop, [MOMENT])[0]


def everything(log: list[TimedRecord]) -> dict[int, tuple[list[bool], list[bool], np.ndarray]]:
    """Of each user's turn: what is open, what is bought, and the features of all on offer."""
    shop, offer = read(log)
    order = np.argsort(offer.places)
    return {
        turn.user: (
            turn.open[order].tolist(),
            turn.bought[order].tolist(),
            pair_features(offer, order, turn.taste),
        )
        for turn in turns(shop, offer, 300)
    }


def test_only_what_is_new_is_on_offer_to_whom_was_active() -> None:
    shop, offer = read(records())
    assert {shop.item_ids[place] for place in offer.places} == {"new-north", "new-south"}
    assert len(everything(records())) == 3
    silent = [r for r in records() if r.value.item_id != "old-south-0" or r.time < 25 * DAY]
    assert len(everything(silent)) == 2


def test_who_buys_a_brand_matches_its_new_item() -> None:
    _, bought_next, features = everything(records())[0]
    brand = features[:, 1 + len(OFFERED) + MATCH.index("taste_brand")]
    assert bought_next == [True, False]
    assert brand[0] > brand[1] == 0.0


def test_a_planted_future_moves_labels_and_no_feature() -> None:
    plain = everything(records())
    planted = everything([*records(), bought("new-south", MOMENT + 0.001, "bert")])
    for user, (still_open, next_bought, features) in plain.items():
        assert planted[user][0] == still_open
        np.testing.assert_array_equal(planted[user][2], features)
        assert (planted[user][1] == next_bought) == (user != 1)


def test_a_leak_would_be_seen() -> None:
    """The same purchase planted before the moment moves features, and takes the item off offer."""
    plain = everything(records())
    planted = everything([*records(), bought("new-south", MOMENT - 0.001, "bert")])
    assert plain[1][0] == [True, True]
    assert planted[1][0] == [True, False]
    assert (planted[1][2] != plain[1][2]).any()


def test_what_comes_after_the_horizon_is_no_label() -> None:
    late = MOMENT + offers.HORIZON_DAYS
    after = everything([*records(), bought("new-south", late + 0.001, "bert")])
    within = everything([*records(), bought("new-south", late - 0.001, "bert")])
    assert after[1][1] == [False, False]
    assert within[1][1] == [False, True]


def test_pairs_are_what_was_bought_and_a_share_of_what_was_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, offer = read(records())
    monkeypatch.setattr(offers, "KEPT_NEGATIVES", 1.0)
    x, label = pairs(shop, [offer], 300)
    assert len(x) == 6
    assert label.sum() == 1
    monkeypatch.setattr(offers, "KEPT_NEGATIVES", 0.0)
    assert pairs(shop, [offer], 300)[1].tolist() == [True]


@pytest.mark.parametrize("name", PEERS)
def test_no_peer_is_told_what_comes(name: str) -> None:
    future = [bought(f"new-{b}", MOMENT + 1, u) for b in ("north", "south") for u in ("anna", "c")]
    found = []
    for log in (records(), [*records(), *future]):
        shop, offer = read(log)
        rank = PEERS[name](shop, offer)
        found.append([rank(turn) for turn in turns(shop, offer, 300)])
    np.testing.assert_allclose(*found)
