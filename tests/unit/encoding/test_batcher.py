from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streamer.encoding.batcher import HANDICAP_SECONDS, Batcher, LaneKey, Limits, Priority, cut


@dataclass(frozen=True)
class Job:
    length: int
    arrived: float = 0.0
    name: int = 0


LATE = 1e9
REVIEWS = LaneKey(Priority.REVIEW, "m")
DESCRIPTIONS = LaneKey(Priority.DESCRIPTION, "m")

lengths = st.lists(st.integers(1, 120), max_size=200)


def drained(batcher: Batcher[Job]) -> list[list[Job]]:
    batches = []
    while taken := batcher.take(LATE):
        batches.append(taken[1])
    return batches


@given(lengths, st.integers(50, 400), st.booleans())
def test_every_job_comes_out_once_and_batches_keep_the_budget(
    sizes: list[int], budget: int, padded: bool
) -> None:
    batcher = Batcher[Job](Limits(budget, 0.01, padded))
    jobs = [Job(size, name=i) for i, size in enumerate(sizes)]
    for job in jobs:
        batcher.add(REVIEWS, job)
    assert len(batcher) == len(jobs)
    batches = drained(batcher)
    assert sorted(job.name for batch in batches for job in batch) == list(range(len(jobs)))
    for batch in batches:
        computed = len(batch) * max(job.length for job in batch)
        tokens = sum(job.length for job in batch)
        assert len(batch) == 1 or (computed if padded else tokens) <= budget
        assert not padded or computed - tokens <= 0.1 * computed
    assert len(batcher) == 0


def test_a_lone_text_waits_for_its_deadline_and_no_longer() -> None:
    batcher = Batcher[Job](Limits(100, deadline=0.01))
    batcher.add(REVIEWS, Job(10, arrived=5.0))
    assert batcher.take(5.009) is None
    assert batcher.ready_at() == 5.01
    assert batcher.take(5.01) == (REVIEWS, [Job(10, arrived=5.0)])
    assert batcher.ready_at() is None


def test_a_full_batch_does_not_wait() -> None:
    batcher = Batcher[Job](Limits(100, deadline=10))
    for i in range(10):
        batcher.add(REVIEWS, Job(10, arrived=5.0, name=i))
    assert batcher.take(5.0) is not None


def test_a_description_overtakes_the_reviews_even_without_company() -> None:
    batcher = Batcher[Job](Limits(100, deadline=0.01))
    for i in range(100):
        batcher.add(REVIEWS, Job(10, arrived=0.0, name=i))
    batcher.take(0.0)
    batcher.add(DESCRIPTIONS, Job(10, arrived=1.0))
    taken = batcher.take(1.0)
    assert taken is not None
    assert taken[0] == DESCRIPTIONS


def test_nothing_starves_under_an_endless_stream_of_descriptions() -> None:
    batcher = Batcher[Job](Limits(100, deadline=0.01))
    batcher.add(LaneKey(Priority.REENCODE, "m"), Job(10, arrived=0.0, name=-1))
    now = 0.0
    while now < 2 * HANDICAP_SECONDS[Priority.REENCODE]:
        now += 1.0
        batcher.add(DESCRIPTIONS, Job(100, arrived=now - 0.5))
        taken = batcher.take(now)
        assert taken is not None
        if taken[0].priority is Priority.REENCODE:
            break
    else:
        raise AssertionError("the re-encode never had its turn")
    assert now <= HANDICAP_SECONDS[Priority.REENCODE] + 2


def test_models_are_never_mixed() -> None:
    batcher = Batcher[Job](Limits(1000, deadline=0))
    for i in range(20):
        batcher.add(LaneKey(Priority.REVIEW, i % 2), Job(10, name=i))
    for batch in drained(batcher):
        assert len({job.name % 2 for job in batch}) == 1


def test_the_oldest_text_is_in_the_first_batch_cut_from_its_lane() -> None:
    batcher = Batcher[Job](Limits(100, deadline=0))
    batcher.add(REVIEWS, Job(90, arrived=0.0, name=-1))
    for i in range(30):
        batcher.add(REVIEWS, Job(10, arrived=1.0, name=i))
    taken = batcher.take(1.0)
    assert taken is not None
    assert Job(90, arrived=0.0, name=-1) in taken[1]


def test_what_comes_while_planned_batches_go_out_waits_for_company_of_its_own() -> None:
    batcher = Batcher[Job](Limits(50, deadline=0.01))
    for i in range(10):
        batcher.add(REVIEWS, Job(10, arrived=5.0, name=i))
    assert batcher.take(5.0) is not None
    batcher.add(REVIEWS, Job(10, arrived=6.0, name=10))
    assert batcher.take(6.0) is not None
    assert batcher.take(6.0) is None
    assert batcher.ready_at() == 6.01


def test_a_text_above_the_budget_goes_alone() -> None:
    assert cut([Job(10), Job(500)], Limits(100, 0)) == [[Job(10)], [Job(500)]]
