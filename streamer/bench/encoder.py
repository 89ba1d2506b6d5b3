"""Claim: our inference service outruns other ways to encode the same texts with the same weights.

Product descriptions, English and Chinese reviews, cleaned once for all; every contestant is loaded in
a process of its own with the same number of threads, encodes them all once to warm up, and then again
in turn with the others. Cosines are to sentence-transformers in fp32.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bench import through_kafka
from streamer.bench.peers import FOLDER, has_infinity
from streamer.bench.servers import servers
from streamer.bench.turns import TurnTaker
from streamer.encoding.encoder import cores
from streamer.encoding.projection import normalised
from streamer.encoding.tokenizer import Tokenizer
from streamer.encoding.weights import TOKENIZER, Weights, resolve
from streamer.errors import DependencyMissing, StreamerError
from streamer.events import Behaviour, NewItem, Text, TextKind
from streamer.intake import description_text, review_text
from streamer.replay.sources.chinese import read_lines
from streamer.replay.sources.clothing import ClothingReviews
from streamer.replay.sources.journey_catalogue import Catalogue
from streamer.report import Results
from streamer.settings import Settings

OURS, TRUTH = "streamer", "sentence_transformers"
PEERS = (
    TRUTH,
    "sentence_transformers_bf16",
    "arrival_order",
    "onnxruntime",
    "onnxruntime_int8",
)
NEEDED = ("sentence_transformers", "onnx", "onnxruntime")
INFINITY = "infinity"
NEW_ITEMS_SECONDS = 20.0
"""Over which new items come, evenly."""

Say = Callable[[str], None]
Vectors = NDArray[np.float32]


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
    weights = resolve(settings.encoder, settings.cache)
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as name:
        place = _Place(Path(name), weights, settings, threads)
        rate = _side_by_side(place, plan, results, say)
        if plan.new_items:
            asyncio.run(_through_kafka(place, plan, rate, results, say))
    return results


def _side_by_side(place: _Place, plan: Plan, results: Results, say: Say) -> float:
    """Returns our texts a second."""
    with ExitStack() as open_:
        place.prepare(_cleaned(place.weights, real_texts(plan.texts)))
        runners = {
            runner.name: open_.enter_context(runner)
            for runner in _started(place, plan, say)
            if runner.alive(say)
        }
        seconds = _measured(runners, plan.repetitions, say)
        rate = _compare(runners, seconds, place, results, say)
        _latency(runners[OURS], results, say)
    return rate


async def _through_kafka(
    place: _Place, plan: Plan, engine: float, results: Results, say: Say
) -> None:
    with servers(place.folder, plan.kafka) as (address, redis):
        update = {"broker": address, "redis": redis, "redis_cluster": False}
        settings = place.settings.model_copy(update=update)
        texts = json.loads(place.ours.read_text())
        mixed = [_text(number, text) for number, text in enumerate(texts)]
        rate = await through_kafka.rate(settings, mixed, place.folder)
        results.add(
            "encoder.through_kafka_texts_per_second",
            rate,
            "texts/s",
            peer="engine",
            peer_value=engine,
        )
        say(f"through Kafka: {rate:,.0f} texts/s, {rate / engine:.2f} × the engine alone")
        items = _new_items(plan.new_items)
        waits = await through_kafka.first_scores(
            settings, items, mixed, plan.new_items / NEW_ITEMS_SECONDS, place.folder
        )
        for name, value in through_kafka.quantiles(waits).items():
            results.add(f"encoder.first_content_score_{name}_ms", value, "ms")
            say(f"first score with content    {name} {value:>8.1f} ms")


def _text(number: int, content: str) -> Text:
    kind: TextKind = "review"
    return Text(item_id=f"i{number}", kind=kind, text_id=f"t{number}", text=content, time=1.0)


def _new_items(count: int) -> list[NewItem]:
    catalogue = Catalogue()
    ids = random.Random(1).sample(catalogue.ids(), count)
    return [catalogue.item(product, f"new-{product}", 1.0, 1.0) for product in ids]


def real_texts(count: int) -> list[str]:
    """Equal shares of product descriptions, clothing reviews and Chinese reviews, drawn once and
    for all. Raises DependencyMissing."""
    rng = random.Random(0)
    kinds = (_descriptions(), _clothing(), [line for lines in read_lines() for line in lines])
    texts = [text for kind in kinds for text in rng.sample(kind, min(len(kind), count // 3 + 1))]
    rng.shuffle(texts)
    return texts[:count]


def _descriptions() -> list[str]:
    catalogue = Catalogue()
    items = (catalogue.item(product, str(product), 1.0, 1.0) for product in catalogue.ids())
    return sorted({description_text(item, "").text for item in items})


def _clothing() -> list[str]:
    events = (record.value for record in ClothingReviews(1.0, 2.0))
    return [
        review_text(event, "").text
        for event in events
        if isinstance(event, Behaviour) and event.type == "review" and event.text
    ]


def _cleaned(weights: Weights, texts: Sequence[str]) -> list[str]:
    """Ours cleans what it gets, so everyone gets what cleaning does not change any more."""
    tokenizer = Tokenizer(
        weights.folder / TOKENIZER, prefix=weights.prefix, max_tokens=weights.max_tokens
    )
    cleaned = [found for text in texts if tokenizer.clean(found := tokenizer.clean(text)) == found]
    readable = zip(cleaned, tokenizer.tokenize(cleaned), strict=True)
    return [text for text, tokens in readable if tokens is not None]


@dataclass(frozen=True, slots=True)
class _Place:
    """The files that the contestants share."""

    folder: Path
    weights: Weights
    settings: Settings
    threads: int

    def prepare(self, texts: list[str]) -> None:
        """Ours puts the encoder's prefix before a text itself; peers get it with the text."""
        prefixed = [self.weights.prefix + text for text in texts]
        self.ours.write_text(json.dumps(texts))
        self.theirs.write_text(json.dumps(prefixed))
        shutil.copytree(self.weights.folder, self.model)
        _write(self.model / "sentence_bert_config.json", max_seq_length=self.weights.max_tokens)
        if not (self.model / "tokenizer_config.json").exists():
            pad = json.loads((self.model / TOKENIZER).read_text())["model"]["vocab"]
            token = pad[self.weights.config["pad_token_id"]][0]
            kind = "PreTrainedTokenizerFast"
            more = {"model_max_length": self.weights.max_tokens, "pad_token": token}
            _write(self.model / "tokenizer_config.json", tokenizer_class=kind, **more)

    @property
    def ours(self) -> Path:
        return self.folder / "texts.json"

    @property
    def theirs(self) -> Path:
        return self.folder / "prefixed.json"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def out(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def vectors(self, name: str) -> Vectors:
        found: Vectors = np.load(self.out(name))
        return normalised(found)

    def environment(self) -> dict[str, str]:
        return {
            "STREAMER_ENCODER": self.settings.encoder,
            "STREAMER_ENCODER_BACKEND": self.settings.encoder_backend,
            "STREAMER_CACHE": str(self.settings.cache),
            "OMP_NUM_THREADS": str(self.threads),
        }


def _write(file: Path, **content: Any) -> None:
    file.write_text(json.dumps(content))


def _started(place: _Place, plan: Plan, say: Say) -> Iterator[TurnTaker]:
    module = "streamer.bench.peers"
    ours = [sys.executable, "-m", f"{module}.ours", str(place.ours), str(place.out(OURS))]
    yield TurnTaker(OURS, ours, place.environment(), place.folder)
    shared = [str(place.model), str(place.theirs)]
    for name in PEERS:
        if name == TRUTH or not plan.only or name in plan.only:
            end = [*shared, str(place.out(name)), str(place.threads)]
            command = [sys.executable, "-m", f"{module}.encoders", name, *end]
            yield TurnTaker(name, command, place.environment(), place.folder)
    if plan.only and INFINITY not in plan.only:
        return
    if plan.infinity and has_infinity(plan.infinity):
        end = [*shared, str(place.out(INFINITY)), str(place.threads)]
        command = [str(plan.infinity), str(FOLDER / "infinity.py"), *end]
        yield TurnTaker(INFINITY, command, place.environment(), place.folder)
    else:
        say(f"{INFINITY}: left out, name a Python with infinity-emb[torch] with --infinity")


def _measured(
    runners: dict[str, TurnTaker], repetitions: int, say: Say
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in runners}
    for _ in range(repetitions):
        for name, runner in runners.items():
            answer = runner.turn("run")
            found[name].append(answer)
            say(f"{name:<28} {answer['seconds']:>8.2f} s")
    return found


def _compare(
    runners: dict[str, TurnTaker],
    found: dict[str, list[dict[str, Any]]],
    place: _Place,
    results: Results,
    say: Say,
) -> float:
    count = len(place.vectors(OURS))
    seconds = {name: median(each["seconds"] for each in turns) for name, turns in found.items()}
    mine, about = found[OURS], runners[OURS].about
    results.parameters |= {"texts_read": count, "backend": about["backend"], "seconds": seconds}
    rate = count / seconds[OURS]
    say(f"{OURS}: {rate:,.0f} texts/s, {mine[0]['tokens'] / seconds[OURS]:,.0f} tokens/s")
    for name in found:
        if name == OURS:
            continue
        peer = count / seconds[name]
        least, mean = _cosines(place, name)
        results.add("encoder.texts_per_second", rate, "texts/s", peer=name, peer_value=peer)
        results.add(f"encoder.min_cosine.{name}", least, "1")
        say(f"{rate / peer:>8.2f} × {name:<28} cosine least {least:.4f}, mean {mean:.4f}")
    least, mean = _cosines(place, OURS)
    shares = [t["tokens"] * about["flops_per_token"] / t["seconds"] / t["peak_flops"] for t in mine]
    for name, value, unit in (
        ("tokens_per_second", mine[0]["tokens"] / seconds[OURS], "tokens/s"),
        ("min_cosine", least, "1"),
        ("mean_cosine", mean, "1"),
        ("peak_share", median(shares), "1"),
        ("peak_gflops", median(t["peak_flops"] for t in mine) / 1e9, "GFLOP/s"),
        ("padding_share", median(t["padding"] for t in mine), "1"),
        ("preparing_share", median(t["preparing"] for t in mine), "1"),
        ("waiting_share", median(t["waiting"] for t in mine), "1"),
    ):
        results.add(f"encoder.{name}", value, unit)
        say(f"{name:<28} {value:>12,.4f} {unit}")
    return float(rate)


def _cosines(place: _Place, name: str) -> tuple[float, float]:
    cosines = (place.vectors(name) * place.vectors(TRUTH)).sum(axis=1)
    return float(cosines.min()), float(cosines.mean())


def _latency(ours: TurnTaker, results: Results, say: Say) -> None:
    answer = ours.turn("latency")
    for queue in ("empty", "full"):
        for name, quantile in (("p50", 50), ("p99", 99)):
            value = float(np.percentile(answer[queue], quantile))
            results.add(f"encoder.lone_text_{name}_ms.{queue}_queue", value, "ms")
            say(f"lone text, queue {queue:<6} {name} {value:>8.1f} ms")
    if not answer["full"]:
        raise StreamerError("no lone text was measured")
