"""What the inference service tells about itself, as Prometheus metrics."""

from __future__ import annotations

from streamer import metrics
from streamer.encoding.batcher import Priority
from streamer.encoding.observer import Level, Outcome


class PrometheusObserver:
    def batch(self, *, texts: int, tokens: int, computed: int, seconds: float) -> None:
        metrics.ENCODER_BATCH_TEXTS.observe(texts)
        metrics.ENCODER_BATCH_SECONDS.observe(seconds)
        metrics.ENCODER_TOKENS.labels("text").inc(tokens)
        metrics.ENCODER_TOKENS.labels("padding").inc(computed - tokens)

    def prepared(self, *, texts: int, seconds: float) -> None:
        metrics.ENCODER_PREPARE_SECONDS.inc(seconds)

    def answered(self, *, priority: Priority, outcome: Outcome, texts: int, seconds: float) -> None:
        name = priority.name.lower()
        metrics.ENCODED.labels(name, outcome).inc(texts)
        taken = metrics.ENCODER_TEXT_SECONDS.labels(name)
        for _ in range(texts):
            taken.observe(seconds)

    def waiting(self, *, texts: int) -> None:
        metrics.ENCODER_QUEUE.set(texts)

    def split(self) -> None:
        metrics.ENCODER_SPLITS.inc()

    def looked_up(
        self, *, level: Level, hits: int = 0, misses: int = 0, unreachable: int = 0
    ) -> None:
        for outcome, texts in (("hit", hits), ("miss", misses), ("unreachable", unreachable)):
            metrics.ENCODER_CACHE.labels(level, outcome).inc(texts)
