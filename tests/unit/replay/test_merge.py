from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streamer.replay.sources.merge import merged
from tests.unit.replay.records import Listed, purchase

times = st.lists(st.integers(0, 20).map(float), max_size=30).map(sorted)


@given(st.lists(times, min_size=1, max_size=5))
def test_merging_keeps_order_and_loses_nothing(sources: list[list[float]]) -> None:
    lists = [
        Listed([purchase(f"{which}-{place}", time) for place, time in enumerate(source)])
        for which, source in enumerate(sources)
    ]
    whole = merged(lists)
    found = list(whole)
    assert [r.time for r in found] == sorted(r.time for r in found)
    assert Counter(r.key for r in found) == Counter(r.key for one in lists for r in one)
    assert whole.total == len(found)
    for one in lists:
        keys = {record.key for record in one}
        assert [r.key for r in found if r.key in keys] == [r.key for r in one]


@given(st.lists(times, min_size=2, max_size=4))
def test_of_equal_times_an_earlier_source_comes_first(sources: list[list[float]]) -> None:
    lists = [Listed([purchase(str(n), t) for t in source]) for n, source in enumerate(sources)]
    found = [(record.time, record.key) for record in merged(lists)]
    assert found == sorted(found)


def test_a_merged_source_speaks_for_all() -> None:
    early, late = Listed([purchase("a", 1.0)]), Listed([purchase("b", 2.0), purchase("c", 9.0)])
    whole = merged([late, early])
    assert (whole.start_time, whole.last_time, whole.total) == (1.0, 9.0, 3)
    assert whole.name == "a list and a list"
    assert whole.about.count("Made for a test.") == 2
