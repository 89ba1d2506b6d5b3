"""Claim: our inference service outruns other ways to encode the same texts with the same weights.

Product descriptions, English and Chinese reviews, cleaned once for all; every contestant is loaded in
a process of its own with the same number of threads, encodes them all once to warm up, and then again
in turn with the others. Cosines are to sentence-transformers in fp32.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from streamer.bench import through_kafka
from streamer.bench.encoder_place import OURS, Place, Say, contestants
from streamer.bench.encoder_table import compared, latency, measured
from streamer.bench.encoder_texts import cleaned, mean_tokens, new_items, real_texts, review
from streamer.bench.servers import servers
from streamer.bench.turns import TurnTaker
from streamer.encoding.encoder import cores
from streamer.encoding.weights import resolve
from streamer.errors import DependencyMissing
from streamer.report import Results
from streamer.settings import Settings

NEEDED = ("sentence_transformers", "onnx", "onnxruntime")
NEW_ITEMS_SECONDS = 20.0
"""Over which new items come, evenly."""
KAFKA_TIMES = 4
"""So many times the texts go through Kafka, all different."""
REVIEWS_SECONDS = 30.0
"""For how long reviews keep the encoder busy meanwhile."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for; ``texts`` of all three kinds together, ``infinity`` a Python that has it,
    ``kafka`` a program as in the pipeline's benchmark; ``new_items`` of 0 leaves the topics out."""

    texts: int
    repetitions: int
    infinity: Path | None
    kafka: Path | None = None
    new_items: int = 100
    only: frozenset[str] = frozenset()


def run(settings: Settings, plan: Plan, say: Say) -> Results:
    """Measures ours and the peers in turn. Raises ConfigurationError, DependencyMissing."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise DependencyMissing(", ".join(missing), "bench")
    threads = cores(settings)
    parameters = {**asdict(plan), "infinity": bool(plan.infinity), "only": sorted(plan.only)}
    parameters["kafka"] = plan.kafka.name if plan.kafka else "embedded"
    results = Results("bench encoder", {**parameters, "threads": threads})
    weights = resolve(settings.encoder, settings.cache_folder)
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as name:
        place = Place(Path(name), weights, settings, threads)
        _side_by_side(place, plan, results, say)
    return results


def _side_by_side(place: Place, plan: Plan, results: Results, say: Say) -> None:
    with ExitStack() as open_:
        place.prepare(cleaned(place.weights, real_texts(plan.texts)))
        runners = {
            runner.name: open_.enter_context(runner)
            for runner in contestants(place, plan.infinity, plan.only, say)
            if runner.alive(say)
        }
        seconds = measured(runners, plan.repetitions, say)
        compared(runners, seconds, place, results, say)
        latency(runners[OURS], results, say)
        if plan.new_items:
            asyncio.run(_through_kafka(place, plan, runners[OURS], results, say))


async def _through_kafka(
    place: Place, plan: Plan, ours: TurnTaker, results: Results, say: Say
) -> None:
    """The engine alone runs once more before and after, so that both meet the same machine. Through
    Kafka go more texts of the same kinds, so that starting and ending weigh little; what the engine
    would do of them is told from its tokens a second."""
    with servers(place.folder, plan.kafka) as (address, redis):
        update = {"broker": address, "redis": redis, "redis_cluster": False}
        settings = place.settings.model_copy(update=update)
        texts = cleaned(place.weights, real_texts(KAFKA_TIMES * plan.texts))
        mixed = [review(number, text) for number, text in enumerate(texts)]
        turns = [ours.turn("run")]
        rate = await through_kafka.rate(settings, mixed, place.folder)
        turns.append(ours.turn("run"))
        engine = sum(turn["tokens"] / turn["seconds"] for turn in turns) / len(turns)
        engine /= mean_tokens(place.weights, texts)
        results.add(
            "encoder.through_kafka_texts_per_second",
            rate,
            "texts/s",
            peer="engine",
            peer_value=engine,
        )
        say(f"through Kafka: {rate:,.0f} texts/s, {rate / engine:.2f} × the engine alone")
        reviews = through_kafka.repeated(mixed, int(rate * REVIEWS_SECONDS))
        per_second = plan.new_items / NEW_ITEMS_SECONDS
        waits = await through_kafka.first_scores(
            settings, new_items(plan.new_items), reviews, per_second, place.folder
        )
        for name, value in through_kafka.quantiles(waits).items():
            results.add(f"encoder.first_content_score_{name}_ms", value, "ms")
            say(f"first score with content    {name} {value:>8.1f} ms")
