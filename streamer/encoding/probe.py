"""Texts to measure a backend with: both languages, lengths as shops have them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from streamer.encoding.tokenizer import Tokenizer, Tokens

_SENTENCES = (
    "Soft cotton shirt with long sleeves, a relaxed fit and mother-of-pearl buttons.",
    "Organic whole milk yogurt, plain, 32 oz.",
    "I ordered my usual size and it runs small; the fabric is thin but the colour is lovely.",
    "Wireless headphones with noise cancelling, 30 hours of battery and a folding case.",
    "Returned it after a week: the zip broke and nobody answered my mails.",
    "Frozen pizza, four cheeses, thin crust.",
    "纯棉长袖衬衫，宽松版型，透气舒适，适合春秋季节穿着。",
    "房间很干净，服务员态度也好，下次还会再来。",
    "质量太差了，用了两天就坏了，客服也不理人。",
    "无线蓝牙耳机，主动降噪，续航三十小时。",
    "The dress looks exactly like the picture, and I have already been asked where I got it.",
    "送货很快，包装完好，孩子非常喜欢这套书。",
)


def batches(tokenizer: Tokenizer, budget: int, count: int) -> list[list[Tokens]]:
    """``count`` batches of about ``budget`` tokens, lengths log-normal (median about 45)."""
    rng = random.Random(0)
    return [_batch(tokenizer, budget, rng) for _ in range(count)]


def _batch(tokenizer: Tokenizer, budget: int, rng: random.Random) -> list[Tokens]:
    batch: list[Tokens] = []
    while (room := budget - sum(map(len, batch))) > 0:
        text = " ".join(rng.choices(_SENTENCES, k=max(1, round(rng.lognormvariate(0.9, 0.7)))))
        batch += [tokens for tokens in tokenizer.tokenize([text]) if tokens is not None]
        if len(batch[-1]) > room and len(batch) > 1:
            batch.pop()
            break
    return sorted(batch, key=len)


def texts() -> Sequence[str]:
    """The sentences themselves, and all of them as one long text."""
    return (*_SENTENCES, " ".join(_SENTENCES))
