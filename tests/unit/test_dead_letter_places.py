"""Where a dead letter came from, as it is written on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.dead_letters import Place
from streamer.errors import ConfigurationError


@given(
    st.from_regex(r"[a-zA-Z0-9._-]{1,30}", fullmatch=True),
    st.integers(0, 10**4),
    st.integers(0, 2**63 - 1),
)
def test_a_place_is_read_as_it_is_written(topic: str, partition: int, offset: int) -> None:
    place = Place(topic, partition, offset)
    assert Place.parse(str(place)) == place


@given(st.text(max_size=20) | st.sampled_from(["t/1", "t//1", "/1/1", "t/1/-1", "t/²/1", "t/1/1/"]))
def test_anything_else_is_refused_with_the_form_that_is_right(text: str) -> None:
    try:
        place = Place.parse(text)
    except ConfigurationError as error:
        assert "give TOPIC/PARTITION/OFFSET" in str(error)  # noqa: PT017
    else:
        assert min(place.partition, place.offset) >= 0
        assert place.topic


@pytest.mark.parametrize("text", ["", "t", "t/1", "t/x/1", "t/1/x", "t/²/1", "t/1/1/1"])
def test_what_lacks_a_part_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Place.parse(text)
