from __future__ import annotations

from streamer.encoding.cache import Encoded, MemoryCache, key


def entry(name: str) -> tuple[bytes, Encoded]:
    return name.encode(), Encoded(name.encode(), None)


def test_remembers_and_forgets_the_least_recently_used() -> None:
    cache = MemoryCache(2)
    cache.put_many([entry("a"), entry("b")])
    assert cache.get_many([b"a"]) == [Encoded(b"a", None)]
    cache.put_many([entry("c")])
    assert cache.get_many([b"a", b"b", b"c"]) == [Encoded(b"a", None), None, Encoded(b"c", None)]
    assert len(cache) == 2


def test_keys_tell_model_kind_and_text_apart() -> None:
    keys = {key(m, k, t) for m in ("m1", "m2") for k in ("description", "review") for t in "ab"}
    assert len(keys) == 8
