"""Learns whom to recommend which new item, and measures it beside simpler ways on later weeks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ConfigurationError
from streamer.events import Encoding, NewItem
from streamer.intake import description_text
from streamer.judge import stages_of
from streamer.learning import lists
from streamer.learning.dataset import labelled
from streamer.learning.encode import encode
from streamer.learning.examples import Reader, looks
from streamer.learning.fit import scales
from streamer.learning.launches import AtMoments
from streamer.learning.learner import Examples, learn
from streamer.learning.metrics import Interval
from streamer.learning.network import NetworkOptions
from streamer.learning.offers import (
    KEPT_NEGATIVES,
    NEW_DAYS,
    Offer,
    Turn,
    offers,
    pairs,
    turns,
)
from streamer.learning.recommend_peers import PEERS, Rank
from streamer.learning.shopping import Shopping, shopping
from streamer.learning.steps import Steps, summing
from streamer.learning.study import Study
from streamer.learning.survey import survey
from streamer.recommend.recommender import Recommender, Scales
from streamer.registry import Bundle
from streamer.replay.record import Source
from streamer.settings import Settings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEARNT_DAYS = tuple(106.5 + 7.0 * week for week in range(16))
"""Monday mornings, when a week's promotions are in; what came of the last is known before the test
launches begin."""
TESTED_DAYS = tuple(281.5 + 7.0 * week for week in range(5))
"""From when the outcomes that the launch predictor learnt from were known; all that is on offer is
a test launch."""

LISTED, TOP = 20, 10
"""Recall is of so many, NDCG of the first so many."""
MEMBERS = 5
NETWORK = NetworkOptions(width=32, dropout=0.1, masked=0.0, epochs=8, batch=512)
OURS = "recommender"


@dataclass(frozen=True, slots=True)
class Row:
    """One way to recommend: its recall and NDCG of the lists for users who bought something on
    offer, and how widely the lists of all users expose the items on offer, the mean over weeks.
    ``behind`` is by how much its recall is below the recommender's."""

    name: str
    recall_at_20: Interval
    ndcg_at_10: Interval
    coverage: float
    gini: float
    behind: Interval


@dataclass(frozen=True, slots=True)
class Measured:
    """``lists`` of ``users`` were made for users who then bought something on offer, of ``made`` in
    all; ``expected`` is the sum of the recommender's probabilities, for each purchase made."""

    rows: list[Row]
    made: int
    lists: int
    users: int
    offered: int
    expected: float


def evaluate(
    settings: Settings, study: Study, bundle: Bundle, remembered: int, resamples: int, steps: Steps
) -> Measured:
    """Learns from the weeks before the test launches and ranks what is new in later ones.

    A taste is made of the ``remembered`` items that a user bought last; intervals are of
    ``resamples`` draws of users. Raises DependencyMissing, ConfigurationError.
    """
    source, days = study.source, LEARNT_DAYS + TESTED_DAYS
    encodings = _encodings(settings, bundle, source, steps)
    with steps.step("read the log", source.total) as told:
        outcomes = survey(study, told).outcomes
    moments = AtMoments(study.launches, days, NEW_DAYS)
    reader = Reader(bundle.encoder, bundle.dimensions)
    data = labelled(looks(settings, study, moments, reader, lambda: encodings, steps), outcomes)
    with steps.step("read the purchases", source.total) as told:
        by_item = {encoding.item_id: encoding for encoding in encodings}
        shop = shopping(source, study.launches, by_item, told)
    predictor = bundle.predictor
    logit = predictor.score(data.x, data.content, stages_of(predictor, data.actions)).logit
    found = offers(data, logit, shop, days)
    learnt, tested = found[: len(LEARNT_DAYS)], found[len(LEARNT_DAYS) :]
    return compare(shop, learnt, tested, remembered, resamples, steps)


def compare(
    shop: Shopping,
    learnt: Sequence[Offer],
    tested: Sequence[Offer],
    remembered: int,
    resamples: int,
    steps: Steps,
) -> Measured:
    """Learns from some offers and ranks others."""
    with steps.step("learn", MEMBERS) as told:
        own = recommender(*pairs(shop, learnt, remembered), told)
    contest = _Contest({name: _Tally() for name in (OURS, *PEERS)})
    with steps.step("rank", len(tested)) as told:
        for week, offer in enumerate(tested, 1):
            ranks = {name: peer(shop, offer) for name, peer in PEERS.items()}
            contest.hold(offer, turns(shop, offer, remembered), ranks | {OURS: _by(own, offer)})
            told(week)
    return contest.result(resamples)


def recommender(
    x: Floats, bought: NDArray[np.bool_], progress: Callable[[int], None] = lambda _: None
) -> Recommender:
    """Learns from pairs of which only KEPT_NEGATIVES of those not bought are there; ``progress`` is
    told how many networks are learnt."""
    scale = Scales(*scales(x))
    inputs, label = scale(x), bought.astype(np.float64)
    networks = []
    given = Examples(inputs, label, np.zeros((len(x), 0), np.float32))
    for seed in range(MEMBERS):
        networks.append(learn(given, replace(NETWORK, seed=seed)))
        progress(seed + 1)
    return Recommender(scale, networks, float(np.log(KEPT_NEGATIVES)))


def _by(own: Recommender, offer: Offer) -> Rank:
    return lambda turn: own.probability(offer.features, offer.items, turn.taste)


@dataclass(slots=True)
class _Tally:
    """What came of one way's lists: of those for users who bought something on offer recall and
    NDCG, of each week's how often each item was listed."""

    recall: list[float] = field(default_factory=list)
    ndcg: list[float] = field(default_factory=list)
    exposure: list[Ints] = field(default_factory=list)

    def add(self, turn: Turn, score: Floats) -> None:
        best = lists.top(score, turn.open, LISTED)
        self.exposure[-1][best] += 1
        relevant = int(turn.bought.sum())
        if relevant:
            hit = turn.bought[best]
            self.recall.append(lists.recall(hit, relevant))
            self.ndcg.append(lists.ndcg(hit, relevant, TOP))


@dataclass(slots=True)
class _Contest:
    """All ways at the same turns."""

    tallies: dict[str, _Tally]
    buyers: list[int] = field(default_factory=list)
    made: int = 0
    bought: int = 0
    chances: float = 0.0

    def hold(self, offer: Offer, turns: Iterable[Turn], ranks: Mapping[str, Rank]) -> None:
        for tally in self.tallies.values():
            tally.exposure.append(np.zeros(len(offer), np.int64))
        for turn in turns:
            scores = {name: rank(turn) for name, rank in ranks.items()}
            for name, score in scores.items():
                self.tallies[name].add(turn, score)
            self._count(turn, scores[OURS])

    def _count(self, turn: Turn, probability: Floats) -> None:
        self.made += 1
        self.chances += float(probability[turn.open].sum())
        if turn.bought.any():
            self.bought += int(turn.bought.sum())
            self.buyers.append(turn.user)

    def result(self, resamples: int) -> Measured:
        users, user = np.unique(self.buyers, return_inverse=True)
        drawn = lists.draws(len(users), resamples)
        own = np.array(self.tallies[OURS].recall)
        rows = [
            Row(
                name,
                lists.mean_interval(np.array(tally.recall), user, drawn),
                lists.mean_interval(np.array(tally.ndcg), user, drawn),
                float(np.mean([lists.coverage(week) for week in tally.exposure])),
                float(np.mean([lists.gini(week) for week in tally.exposure])),
                lists.mean_interval(own - np.array(tally.recall), user, drawn),
            )
            for name, tally in self.tallies.items()
        ]
        offered = sum(len(week) for week in self.tallies[OURS].exposure)
        expected = self.chances / self.bought
        return Measured(rows, self.made, len(user), len(users), offered, expected)


def _encodings(settings: Settings, bundle: Bundle, source: Source, steps: Steps) -> list[Encoding]:
    """The descriptions of all items: tastes are made of old ones too."""
    texts = [
        description_text(record.value, record.value.item_id)
        for record in source
        if isinstance(record.value, NewItem)
    ]
    with steps.step("encode descriptions", len(texts)) as told:
        found, fingerprint, _ = encode(settings, texts, summing(told))
    if fingerprint != bundle.encoder:
        raise ConfigurationError(
            f"bundle {bundle.name} reads another encoder than {settings.encoder}; "
            "set STREAMER_ENCODER to the one it was trained with"
        )
    return found
