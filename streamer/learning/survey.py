"""What a study's log holds: texts to encode, what became of launches, and whether that is enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from streamer.errors import ConfigurationError
from streamer.events import Behaviour, NewItem, Text
from streamer.learning.caveats import LEAST_COHORT, OF_BUYERS, caveats
from streamer.learning.outcomes import Outcomes
from streamer.learning.reading import text_of
from streamer.learning.study import Study
from streamer.state.layout import DAY

LEAST_LAUNCHES = 50
"""On either side of the split: with fewer there is nothing to learn, or to tell."""
_TOLD_RECORDS = 100_000

Texts = dict[tuple[str, str], Text]


@dataclass(slots=True)
class Survey:
    """``descriptions`` and ``reviews`` are what is written of launches until their last look, by
    item and text id; ``events`` counts all events by type."""

    study: Study
    outcomes: Outcomes
    descriptions: Texts = field(default_factory=dict)
    reviews: Texts = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)

    def take(self, event: Behaviour | NewItem) -> None:
        self.events[event.type] += 1
        for settled in self.outcomes.take(event):
            self._read(settled)

    def _read(self, event: Behaviour | NewItem) -> None:
        text = text_of(event) if self._in_view(event) else None
        if text:
            texts = self.descriptions if text.kind == "description" else self.reviews
            texts.setdefault((text.item_id, text.text_id), text)

    def _in_view(self, event: Behaviour | NewItem) -> bool:
        """Whether a look at a launch may see what is written there."""
        launched = self.outcomes.launched[event.item_id]
        if not self.study.launches.has(launched):
            return False
        last_look = launched + max(self.study.ages_days) * DAY
        return isinstance(event, NewItem) or event.time <= last_look

    @property
    def learns_reviews(self) -> bool:
        """Whether there are reviews enough to be learnt from."""
        return len(self.reviews) >= self.study.least_reviews

    @property
    def texts(self) -> list[Text]:
        """What is to be encoded."""
        reviews = self.reviews.values() if self.learns_reviews else ()
        return [*self.descriptions.values(), *reviews]

    @property
    def words(self) -> dict[str, str]:
        """What each launch was described by first."""
        return {text.item_id: text.text for text in reversed(self.descriptions.values())}


def survey(study: Study, progress: Callable[[int], None] = lambda _: None) -> Survey:
    """Goes through the log once; ``progress`` is told how many records are done."""
    found = Survey(study, Outcomes(study.launches, study.success))
    for done, record in enumerate(study.source, 1):
        if not isinstance(record.value, bytes):
            found.take(record.value)
        if not done % _TOLD_RECORDS:
            progress(done)
    return found


def check(found: Survey) -> None:
    """Raises ConfigurationError, which says what to do, where the log is not enough to learn from."""
    name, events = found.study.source.name, found.events
    refused = found.study.source.told
    left_out = f"; left out were {refused}" if refused else ""
    if not events["upsert"]:
        raise ConfigurationError(f"{name}: there is no item that could be read{left_out}")
    if not events["purchase"]:
        raise ConfigurationError(
            f"{name}: there are no purchases, of which success is counted{left_out}"
        )
    _check_buyers(found.outcomes)
    labels = found.outcomes.labels()
    seen = {item_id: labels[item_id] for item_id in labels if found.outcomes.foreseen(item_id)}
    _check_split(found, seen)
    _check_cohorts(found, labels)
    _check_sides(found, seen)


def _check_buyers(outcomes: Outcomes) -> None:
    if outcomes.success.outcome in OF_BUYERS and outcomes.guest_share == 1:
        raise ConfigurationError(
            "none of the launches' purchases has a user_id, so there is no buyer to count: log who "
            "buys, or choose value or return_rate as outcome"
        )


def _check_split(found: Survey, labels: dict[str, int]) -> None:
    period = found.study.period
    early = sum(_learnt_from(found, item_id) for item_id in labels)
    if min(early, len(labels) - early) < LEAST_LAUNCHES:
        raise ConfigurationError(
            f"there are {early} launches from {period['from']} to before {period['test_from']} to "
            f"learn from, and {len(labels) - early} to before {period['until']} to test on; both "
            f"need {LEAST_LAUNCHES}: move first, test_from or last, or shorten horizon_days"
            f"{_caveats(found)}"
        )


def _check_cohorts(found: Survey, labels: dict[str, int]) -> None:
    success = found.study.success
    for number, members in sorted(found.outcomes.cohorts().items()):
        if len(members) >= LEAST_COHORT and not any(labels[item_id] for item_id in members):
            launches = found.study.launches
            begin = launches.date(launches.day(success.begins(number)))
            raise ConfigurationError(
                f"none of the {len(members)} launches of the cohort that begins on {begin} is above "
                f"quantile {success.quantile:g} of its {success.outcome}: choose another outcome, "
                f"a lower quantile, longer cohort_days or a later first{_caveats(found)}"
            )


def _check_sides(found: Survey, labels: dict[str, int]) -> None:
    """Some must succeed and some not, both among the learnt from and among the tested."""
    for learnt in (True, False):
        side = [label for i, label in labels.items() if _learnt_from(found, i) is learnt]
        if len(set(side)) < 2:
            what = "learn from" if learnt else "test on"
            raise ConfigurationError(
                f"of the launches to {what} no one differs in its {found.study.success.outcome}; "
                f"choose another outcome or quantile{_caveats(found)}"
            )


def _caveats(found: Survey) -> str:
    return "".join(f"; {each}" for each in caveats(found.outcomes))


def _learnt_from(found: Survey, item_id: str) -> bool:
    return found.outcomes.launch_day(item_id) < found.study.test_from_day
