"""Users are known by a keyed hash: it can't be made or undone without the key."""

from __future__ import annotations

from streamer.state.columns import NOBODY, Pseudonyms


def test_a_user_is_another_under_another_key() -> None:
    users = [f"user-{number}" for number in range(100)]
    ours, theirs = ([Pseudonyms(key)[user] for user in users] for key in ("ours", "theirs"))
    assert [Pseudonyms("ours")[user] for user in users] == ours
    assert len({*ours, *theirs}) == 200
    assert all(NOBODY < hashed < 2**64 for hashed in ours)
