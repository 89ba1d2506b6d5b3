"""What the gate lets through, and why it does not."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.registry import gate
from streamer.registry.bundles import Stored
from tests.support.bundles import measured


def model(name: str, kind: str = "launch", **manifest: Any) -> Stored:
    return Stored(name, {"kind": kind, "encoder": "e", **manifest}, {})


IN_USE = model("old", **measured(0.90))


def against(candidate: Stored, incumbent: Stored = IN_USE) -> list[str]:
    return list(gate.objections(candidate, incumbent))


@pytest.mark.parametrize("auc", [0.8995, 0.90, 0.91])
def test_what_is_as_good_or_better_passes_or_as_another_seed_would_make_it(auc: float) -> None:
    assert against(model("new", **measured(auc))) == []


def test_what_is_worse_on_average_does_not() -> None:
    assert against(model("new", **measured(0.898))) == [
        "it is worse on average: 0.8980 against 0.9000 in use"
    ]


def test_one_age_may_be_a_little_worse_if_others_make_up_for_it() -> None:
    def ages(first: float, second: float) -> list[str]:
        new = measured(0.9)
        new["metrics"] |= {"auc.age_0d": first, "auc.age_7d": second}
        return against(model("new", **new))

    assert ages(0.896, 0.905) == []
    assert ages(0.894, 0.910) == ["auc.age_0d is 0.8940, 0.9000 in use"]


def test_what_is_not_calibrated_does_not_pass_unless_neither_is_the_other() -> None:
    assert against(model("new", **measured(0.92, ece=0.019))) == []
    assert against(model("new", **measured(0.92, ece=0.03))) == [
        "it is calibrated worse on average: 0.0300 against 0.0100 in use"
    ]
    new = measured(0.92, ece=0.005)
    new["metrics"]["ece.age_0d"] = 0.03
    assert against(model("new", **new)) == ["ece.age_0d is 0.0300, at most 0.0200 allowed"]
    assert (
        against(model("new", **measured(0.92, ece=0.03)), model("o", **measured(0.9, 0.04))) == []
    )


@pytest.mark.parametrize(
    "about",
    [
        measured(0.99, test_fingerprint="launches-of-july"),
        measured(0.99, test_fingerprint=None),
        {"metrics": {"auc.age_0d": 0.99}},
        {},
    ],
)
def test_what_was_measured_on_something_else_can_not_be_compared(about: dict[str, Any]) -> None:
    (reason,) = against(model("new", **about))
    assert reason.startswith("it was not measured on the test examples of old")


def test_unless_the_one_in_use_was_measured_beside_it() -> None:
    theirs = {"auc.age_0d": 0.93, "auc.age_7d": 0.93}
    beside = {
        "test_fingerprint": "launches-of-july",
        "incumbent": {"name": "old", "metrics": theirs},
    }
    assert against(model("new", **measured(0.94, **beside))) == []
    assert against(model("new", **measured(0.92, **beside)))[0] == (
        "it is worse on average: 0.9200 against 0.9300 in use"
    )
    other = model("third", **measured(0.90))
    assert "was not measured on" in against(model("new", **measured(0.94, **beside)), other)[0]


def test_what_was_not_measured_at_an_age_does_not_pass() -> None:
    new = measured(0.95)
    del new["metrics"]["auc.age_7d"]
    assert against(model("new", **new)) == ["it was not measured for auc.age_7d"]


def test_other_metrics_do_not_count() -> None:
    old, new = measured(0.9), measured(0.9)
    old["metrics"]["review_term.auc"] = 0.9
    new["metrics"]["review_term.auc"] = 0.1
    assert against(model("new", **new), model("old", **old)) == []


def test_a_sentiment_is_compared_by_its_own_metrics() -> None:
    def head(auc: float, f1: float, ece: float) -> Stored:
        metrics = {"en_auc": auc, "en_macro_f1": f1, "ece": ece, "threshold": 1.0}
        return model("head", "sentiment", test_fingerprint="r", metrics=metrics)

    assert against(head(0.97, 0.87, 0.01), head(0.96, 0.87, 0.01)) == []
    assert len(against(head(0.95, 0.87, 0.03), head(0.96, 0.87, 0.01))) == 2
