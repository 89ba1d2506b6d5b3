"""Why a score is what it is, in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.scoring.predictor import Predictor, Scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

REASONS = 3
"""Reasons that go out with a score."""

_KIN = ("seller", "brand", "department", "category", "type")
_FAMILY = {
    "purchases": "sells well|sells little",
    "purchases_672h": "has sold well for four weeks|has sold little for four weeks",
    "purchases_168h": "sold well this week|sold little this week",
    "launches": "has many items|has few items",
    "launches_672h": "launches a lot lately|launches little lately",
    "per_launch": "sells well per item|sells little per item",
    "momentum": "is gaining|is losing",
    "exposure_672h": "is promoted a lot|is promoted little",
}
_PHRASES = {
    "content": "its description reads like a success|its description reads like a failure",
    "review_topics": "what reviews talk about|what reviews talk about",
    "price_log": "high price|low price",
    **{f"price_to_{kind}": f"expensive for its {kind}|cheap for its {kind}" for kind in _KIN},
    "discount": "sold at a discount|sold at full price",
    **{
        f"{kind}_{name}": "|".join(f"its {kind} {side}" for side in phrase.split("|"))
        for kind in _KIN
        for name, phrase in _FAMILY.items()
    },
    "exposure": "shown a lot|shown little",
    "exposure_24h": "shown a lot today|shown little today",
    "exposure_168h": "shown a lot this week|shown little this week",
    "exposure_672h": "shown a lot these four weeks|shown little these four weeks",
    "sent": "mailed or pushed a lot|mailed or pushed little",
    "sent_168h": "mailed or pushed this week|not mailed or pushed this week",
    "sent_672h": "mailed or pushed these four weeks|not mailed or pushed these four weeks",
    "channels": "carried in many channels|carried in few channels",
    "channel_sales_mean": "carried where much is sold|carried where little is sold",
    "channel_sales_max": "carried in a busy channel|carried in quiet channels",
    "channel_sales_sum": "wide reach|narrow reach",
    "channel_size_mean": "carried in large channels|carried in small channels",
    "channel_size_max": "carried in a large channel|carried in small channels",
    "channel_size_sum": "carried all over|carried in few or small channels",
    "age_log_hours": "some time on sale|just launched",
    "views": "viewed a lot|viewed little",
    "views_1h": "many views this hour|few views this hour",
    "views_24h": "many views today|few views today",
    "views_168h": "many views this week|few views this week",
    "interest": "much interest|little interest",
    "interest_24h": "much interest today|little interest today",
    "interest_168h": "much interest this week|little interest this week",
    "interest_672h": "much interest these four weeks|little interest these four weeks",
    "purchases": "bought often|bought rarely",
    "purchases_1h": "bought often this hour|not bought this hour",
    "purchases_24h": "bought often today|bought rarely today",
    "purchases_168h": "bought often this week|bought rarely this week",
    "purchases_672h": "bought often these four weeks|bought rarely these four weeks",
    "buyers": "many different buyers|few different buyers",
    "users": "many different visitors|few different visitors",
    "repeat": "bought again by the same people|rarely bought again",
    "days": "sold on many days|sold on few days",
    "quantity_per_purchase": "bought in quantity|bought singly",
    "value": "high turnover|low turnover",
    "value_168h": "high turnover this week|low turnover this week",
    "conversion": "views turn into purchases|views don't turn into purchases",
    "clicks_to_exposure": "clicked when shown|not clicked when shown",
    "returns_share": "often returned|rarely returned",
    "hides_share": "often hidden|rarely hidden",
    "since_purchase_log_hours": "not bought for a while|bought just now",
    "purchase_span_log_hours": "purchases over a long time|purchases within a short time",
    "momentum": "gaining momentum|losing momentum",
    "reviews": "many reviews|few reviews",
    "sentiment": "reviews are positive|reviews are negative",
    "sentiment_168h": "recent reviews are positive|recent reviews are negative",
    "rating": "rated well|rated badly",
    "ratings": "rated often|rated rarely",
}

_UNKNOWN = {
    "content": "its description is not read yet",
    "review_topics": "no reviews read yet",
    "price_log": "no price",
    **{f"price_to_{kind}": f"no prices of its {kind} to compare with" for kind in _KIN},
    "discount": "nothing paid for it yet",
    **{f"{kind}_{name}": f"nothing known of its {kind} yet" for kind in _KIN for name in _FAMILY},
    **dict.fromkeys(
        (f"channel_{of}_{how}" for of in ("sales", "size") for how in ("mean", "max", "sum")),
        "not known where it is carried",
    ),
    "repeat": "not known who bought it",
    "conversion": "not viewed yet",
    "clicks_to_exposure": "not clicked yet",
    "since_purchase_log_hours": "not bought yet",
    "purchase_span_log_hours": "not bought yet",
    "sentiment": "no reviews read yet",
    "sentiment_168h": "no reviews read yet",
    "rating": "not rated yet",
}
"""What is said of a reason whose source is not there yet."""


class Explainer:
    """Turns contributions into phrases. A reason is a feature, or all review topics together, or
    the description; ▲ and ▼ say which way it moved the score, against an average item.

    ``phrases`` are all that can be said; ``top`` answers with places in it.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._mean = predictor.mean
        topics = np.array([name.startswith("review_v") for name in predictor.features])
        self._topics, self._single = np.flatnonzero(topics), np.flatnonzero(~topics)
        names = [predictor.features[i] for i in self._single]
        self.reasons = (*_TEXTS, *names)
        """What may be a reason, in the order of `weights`."""
        self._column = np.concatenate([np.zeros(len(_TEXTS), np.int64), self._single])
        self.phrases = tuple(p for name in self.reasons for p in _phrases(name))

    def weights(self, scores: Scores) -> Floats:
        """What each reason adds to the logit; shape (items, reasons)."""
        by_content = scores.contributions[:, 1:2]
        topics = scores.by_feature[:, self._topics].sum(axis=1, keepdims=True)
        return np.concatenate([by_content, topics, scores.by_feature[:, self._single]], axis=1)

    def top(self, x: Floats, described: Mask, weights: Floats, count: int = REASONS) -> Ints:
        """The phrases of the weightiest reasons, the weightiest first; shape (items, count).

        ``described`` says of which items the description has been read.
        """
        order = _largest(np.abs(weights), count)
        hurts = weights[np.arange(len(order))[:, None], order] < 0
        phrases: Ints = order * _PHRASES_PER_REASON + 2 * self._level(x, described, order) + hurts
        return phrases

    def without(
        self, x: Floats, content: NDArray[np.float32], reasons: Ints
    ) -> tuple[Floats, NDArray[np.float32]]:
        """Features and content as if what one of its ``reasons``, one an item, is read from were
        not there; where it is not, and that is the reason, as if it were average."""
        x, content = x.copy(), content.copy()
        single = np.flatnonzero(reasons >= len(_TEXTS))
        self._turn(x, (single, self._column[reasons[single]]))
        content[reasons == _TEXTS.index("content")] = np.nan
        self._turn(
            x, np.ix_(np.flatnonzero(reasons == _TEXTS.index("review_topics")), self._topics)
        )
        return x, content

    def _turn(self, x: Floats, places: tuple[Ints, ...]) -> None:
        """Takes away what is there, and puts the average where nothing is."""
        x[places] = np.where(np.isnan(x[places]), self._mean[places[1]], np.nan)

    def _level(self, x: Floats, described: Mask, reasons: Ints) -> Ints:
        """0 low, 1 high, 2 missing, of each item's reasons; texts that were read count as high."""
        column = self._column[reasons]
        values = x[np.arange(len(x))[:, None], column]
        level: Ints = np.where(np.isnan(values), 2, values > self._mean[column])
        level[reasons < len(_TEXTS)] = 1
        level[(reasons == _TEXTS.index("content")) & ~described[:, None]] = 2
        read = ~np.isnan(x[:, self._topics]).all(axis=1, keepdims=True)
        level[(reasons == _TEXTS.index("review_topics")) & ~read] = 2
        return level


def _largest(of: Floats, count: int) -> Ints:
    """The places of the largest of each row, in order; shape (rows, count)."""
    of, rows = of.astype(np.float32), np.arange(len(of))
    found = np.empty((len(of), count), np.int64)
    for place in range(count):
        found[:, place] = of.argmax(axis=1)
        of[rows, found[:, place]] = -1.0
    return found


_TEXTS = ("content", "review_topics")
_PHRASES_PER_REASON = 6


def _phrases(name: str) -> list[str]:
    """[low, high, missing] × [helps, hurts]. A description has no low and high: it helps or hurts."""
    high, low = _PHRASES[name].split("|")
    missing = _UNKNOWN.get(name, low)
    if name == "content":
        return [f"▲ {high}", f"▼ {low}"] * 2 + [f"▲ {missing}", f"▼ {missing}"]
    return [f"{sign} {phrase}" for phrase in (low, high, missing) for sign in "▲▼"]
