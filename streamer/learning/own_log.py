"""What a bundle would have earned in a shop, from that shop's own log with propensities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from streamer.errors import ConfigurationError
from streamer.judge import Judge
from streamer.learning.accepted import Accepted
from streamer.learning.bundle_policy import STEP_SECONDS, Course, Lists, Occasion, lists
from streamer.learning.encode import encode
from streamer.learning.exposures import Exposures, Hope, exposures
from streamer.learning.offpolicy import Log
from streamer.learning.reading import Encoded, text_of
from streamer.learning.steps import Steps, summing
from streamer.registry import Bundle
from streamer.replay.record import Source
from streamer.settings import Settings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FOLDS = 3


@dataclass(frozen=True, slots=True)
class OwnLog:
    """The log weighed for the bundle's policy, the impressions left out by what they lack, and in
    words what of the log a worker would not take."""

    log: Log
    left_out: dict[str, int]
    refused: str


def own_log(
    source: Source,
    bundle: Bundle,
    hope: Hope,
    settings: Settings,
    steps: Steps,
    texts: bool,
    seed: int = 0,
) -> OwnLog:
    """Replays the source and weighs what was shown in it.

    Without ``texts`` the bundle does not get to read any; ``seed`` is that of lists and folds.
    Raises ConfigurationError, DependencyMissing, BundleError.
    """
    source = Accepted(source, settings)
    shown = exposures(source, hope)
    if not len(shown):
        raise ConfigurationError(
            f"{source.name} has no impressions with a propensity and a session or user "
            f"({_missing(shown)}): nothing can be said of another policy"
        )
    encoded = _encoded(source, bundle, settings, steps) if texts else Encoded(())
    course = Course(
        judge=Judge(bundle),
        encode=encoded,
        shown=_places(shown),
        launch_window_days=settings.launch_window_days,
        seed=seed,
    )
    with steps.step("replay the log", source.total) as told:
        found = lists(source, course, told)
    return OwnLog(weighed(shown, found, seed), dict(shown.left_out), source.told)


def weighed(shown: Exposures, found: Mapping[Occasion, Lists], seed: int = 0) -> Log:
    """The rows with the bundle's probabilities and what it may expect."""
    occasions, place = _occasions(shown), np.array(shown.place)
    reward, unit = np.array(shown.reward), np.array(shown.shopper)
    target, logit = np.zeros(len(shown)), np.full(len(shown), np.nan)
    for row, (item, at) in enumerate(zip(shown.item, occasions, strict=True)):
        there = found[at].items.get(item)
        if there is not None:
            logit[row] = found[at].logit[there]
            if place[row] < found[at].chance.shape[1]:
                target[row] = found[at].chance[there, place[row]]
    expected, baseline = _expected(found, occasions, place, logit, reward, unit, seed)
    return Log(reward, np.array(shown.propensity), target, expected, baseline, unit)


def _expected(
    found: Mapping[Occasion, Lists],
    occasions: Sequence[Occasion],
    place: Ints,
    logit: Floats,
    reward: Floats,
    unit: Ints,
    seed: int,
) -> tuple[Floats, Floats]:
    """The reward expected of what was shown and of the bundle's lists, by a regression on score and
    place that has not seen the shopper."""
    x = _inputs(logit, place)
    expected, baseline = np.zeros(len(reward)), np.zeros(len(reward))
    folds = min(FOLDS, len(np.unique(unit)))
    if folds < 2:
        return expected, baseline
    split = GroupKFold(folds, shuffle=True, random_state=seed)
    for train, test in split.split(x, groups=unit):
        model = _fitted(x[train], reward[train])
        expected[test] = model(x[test])
        known: dict[tuple[Occasion, int], float] = {}
        for row in test.tolist():
            at = occasions[row], int(place[row])
            if at not in known:
                known[at] = _of_lists(found[at[0]], at[1], model)
            baseline[row] = known[at]
    return expected, baseline


def _fitted(x: Floats, reward: Floats) -> Callable[[Floats], Floats]:
    """P(reward) of rows like these."""
    if reward.min() == reward.max():
        return lambda rows: np.full(len(rows), reward[0])
    model = LogisticRegression(max_iter=500).fit(x, reward)
    return lambda rows: model.predict_proba(rows)[:, 1]


def _of_lists(found: Lists, place: int, model: Callable[[Floats], Floats]) -> float:
    """What the item that the bundle would have in a place may be expected to earn."""
    if place >= found.chance.shape[1] or not len(found.logit):
        return 0.0
    rewards = model(_inputs(found.logit, np.full(len(found.logit), place)))
    return float(found.chance[:, place] @ rewards)


def _inputs(logit: Floats, place: Ints) -> Floats:
    """Score, whether there is none, and place of each row."""
    missing = np.isnan(logit)
    return np.column_stack([np.where(missing, 0.0, logit), missing, np.log1p(place)])


def _occasions(shown: Exposures) -> list[Occasion]:
    """The hour and the board of each row."""
    rows = zip(shown.time, shown.board, strict=True)
    return [(int(time // STEP_SECONDS), board) for time, board in rows]


def _places(shown: Exposures) -> dict[Occasion, int]:
    """How many places were filled on each occasion, as far as was logged."""
    places: dict[Occasion, int] = {}
    for at, place in zip(_occasions(shown), shown.place, strict=True):
        places[at] = max(places.get(at, 0), place + 1)
    return places


def _missing(shown: Exposures) -> str:
    told = ", ".join(f"{count} lack {what}" for what, count in shown.left_out.items() if count)
    return told or "no impressions at all"


def _encoded(source: Source, bundle: Bundle, settings: Settings, steps: Steps) -> Encoded:
    """The encodings of all texts in the log."""
    found = (text_of(record.value) for record in source if not isinstance(record.value, bytes))
    texts = {(text.item_id, text.text_id): text for text in found if text}
    with steps.step("encode texts", len(texts)) as told:
        encodings, fingerprint, _ = encode(settings, list(texts.values()), summing(told))
    if fingerprint != bundle.encoder:
        raise ConfigurationError(
            f"{bundle.name} reads vectors of encoder {bundle.encoder[:12]}, {settings.encoder} is "
            f"{fingerprint[:12]}; set STREAMER_ENCODER to the bundle's"
        )
    return Encoded(encodings)
