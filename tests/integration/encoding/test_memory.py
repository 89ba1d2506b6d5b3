"""An encoder's memory: bounded, and flat however many texts of whatever length pass."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LIMITS_MB = {"minilm-en": 1200, "e5-multilingual": 1500}
GROWTH_MB = 60

PROGRAM = """
import asyncio, json, os, random, resource, sys
from streamer.encoding.service import EncodingService
from streamer.errors import BadEvent
from streamer.events import Text
from streamer.settings import load

WORDS = "soft dress 很好 质量 fits badly 不 舒服 the colour faded 😍 returned it".split()

def resident():
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

def text(rng, i):
    length = int(10 ** rng.uniform(0, 5)) if rng.random() < 0.05 else rng.randrange(1, 120)
    some = " ".join(rng.choices(WORDS, k=min(60, 1 + length // 4))) + f" {i} "
    content = (some * (1 + length // len(some)))[:length]
    return Text(item_id="i", kind="review" if i % 2 else "description", text_id="t",
                text=content or "x", time=0.0)

async def main(encoder, count):
    service = EncodingService.open(load(encoder=encoder, encoder_backend="torch-cpu-bf16-1x"))
    await service.start()
    rng = random.Random(0)
    marks = []
    for start in range(0, count, 1000):
        texts = [text(rng, start + i) for i in range(1000)]
        answers = await asyncio.gather(*map(service.encode, texts), return_exceptions=True)
        broken = [a for a in answers if isinstance(a, Exception) and not isinstance(a, BadEvent)]
        assert not broken, broken[0]
        marks.append(resident())
    await service.stop()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"marks": marks, "peak": peak}))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def measured(encoder: str, count: int) -> tuple[list[float], float]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, encoder, str(count)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return found["marks"], found["peak"]


@pytest.mark.slow
@pytest.mark.parametrize("encoder", list(LIMITS_MB))
def test_an_encoder_stays_within_its_memory(encoder: str) -> None:
    _, peak = measured(encoder, 6000)
    assert peak < LIMITS_MB[encoder]


@pytest.mark.slow
@pytest.mark.parametrize("encoder", list(LIMITS_MB))
def test_memory_stays_flat_over_two_hundred_thousand_texts(encoder: str) -> None:
    marks, peak = measured(encoder, 200_000)
    assert peak < LIMITS_MB[encoder]
    quarter = len(marks) // 4
    assert max(marks[3 * quarter :]) - max(marks[quarter : 2 * quarter]) < GROWTH_MB
