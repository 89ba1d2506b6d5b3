"""What is to be known of a log's labels beside what they say."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.learning.outcomes import Outcomes

LEAST_COHORT = 10
"""A smaller cohort may be without a success; a lone launch is none."""
OF_BUYERS = frozenset({"buyers", "repeat_rate"})
"""Outcomes that need to know who bought."""


def caveats(outcomes: Outcomes) -> Iterator[str]:
    """Each as a clause; none where all is well."""
    yield from _uncounted(outcomes)
    yield from _late(outcomes)
    yield from _small_cohorts(outcomes)


def _uncounted(outcomes: Outcomes) -> Iterator[str]:
    if outcomes.success.outcome in OF_BUYERS and (share := outcomes.guest_share):
        yield f"{100 * share:.3g} % of the launches' purchases have no user_id and count for no buyer"
    if unlisted := outcomes.unlisted_purchases:
        yield f"{unlisted:,} of the log's purchases are of items that the catalogue does not have"


def _late(outcomes: Outcomes) -> Iterator[str]:
    launches = outcomes.labels()
    late = sum(outcomes.published[item] > outcomes.launched[item] for item in launches)
    unforeseen = sum(not outcomes.foreseen(item) for item in launches)
    if late:
        yield (
            f"{late:,} of {len(launches):,} launches came into the catalogue after their launch, "
            f"{unforeseen:,} of them after the horizon, of which nothing is learnt"
        )


def _small_cohorts(outcomes: Outcomes) -> Iterator[str]:
    sizes = [len(members) for members in outcomes.cohorts().values()]
    small = sum(size for size in sizes if size < LEAST_COHORT)
    if small:
        yield (
            f"{small:,} of {sum(sizes):,} launches are in cohorts of fewer than {LEAST_COHORT}, whose "
            "labels say little"
        )
