"""Records for `texts` that no one should send."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import msgpack

PIECES = (
    "",
    " ",
    "\u0000\u0001\u0007\u001b[31m",
    "\u202e\u202dright to left\u2066\u2069",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349a\u0321lgo",
    "\ud83d",
    "\udc00\ud800",
    "\ufeff\u200b\u200c\u200d\u2060",
    "👨\u200d👩\u200d👧\u200d👦🏽" * 9,
    "\U0001f1e8\U0001f1f3\U0001f1fa",
    "\ufdfa" * 40,
    "\uffff\ufffe\U0010ffff",
    "ｆｕｌｌ　ｗｉｄｔｈ！！！！！",
    "质量太差了😡😡😡",
    "اللغة العربية ไทย हिन्दी 한국어 にほんご",
    "<script>" * 60,
    "<b" * 300 + ">",
    "&" * 500 + "&amp;&#0;&#xD800;&#99999999;",
    "http://" + "a" * 900,
    "a" * 3000,
    "哈" * 3000,
    "1" * 3000,
    " \t\n\r\v\f" * 500,
    "[CLS] [SEP] [PAD] <s> </s> <mask> <unk>",
    "'; DROP TABLE items; --",
    "%s%n{0}{{}}${jndi:ldap://x}",
    "e\u0301" * 700,
    "İıſẞßŉǰ",
    "\u1160\u3164\u2800\u00ad",
    "good dress",
    "很好的衣服",
)


def hostile(count: int, seed: int = 0) -> Iterator[bytes]:
    """``count`` values: random bytes, broken and strange envelopes, and fine ones around texts of
    pieces put together and cut anywhere."""
    rng = random.Random(seed)
    for number in range(count):
        kind = number % 10
        if kind == 0:
            yield rng.randbytes(rng.randrange(200))
        elif kind == 1:
            whole = _event(number, _text(rng))
            yield whole[: rng.randrange(len(whole))]
        elif kind == 2:
            whole = bytearray(_event(number, _text(rng)))
            whole[rng.randrange(len(whole))] = rng.randrange(256)
            yield bytes(whole)
        elif kind == 3:
            fields = _fields(number, _text(rng).encode("utf-8", "replace").decode())
            yield json.dumps(fields, ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace")
        elif kind == 4:
            yield msgpack.packb(rng.choice([None, [], {}, 0, "text", [[[]]], {"text": 1}]))
        else:
            yield _event(number, _text(rng))


def _text(rng: random.Random) -> str:
    text = "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 6)))
    noise = "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randrange(12)))
    start = rng.randrange(1 + len(text) // 2)
    return text[start : start + rng.choice((3, 40, 400, 4000))] + noise


def _fields(number: int, text: str) -> dict[str, object]:
    return {
        "item_id": f"i{number % 97}",
        "kind": "review" if number % 2 else "description",
        "text_id": str(number),
        "text": text,
        "time": 1.0,
    }


def _event(number: int, text: str) -> bytes:
    packed: bytes = msgpack.packb(_fields(number, text), unicode_errors="surrogatepass")
    return packed
