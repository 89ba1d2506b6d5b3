"""Every Prometheus metric, in one place. No item or user ids in labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_LATENCY_BUCKETS = tuple(0.001 * 1.25**step for step in range(50))
"""1 ms to 56 s, each a quarter above the one before, so that quantiles read from them are close."""


class BulkHistogram(Collector):
    """A histogram that takes many observations at once."""

    def __init__(self, name: str, about: str, bounds: tuple[float, ...]) -> None:
        self._name, self._about = name, about
        self._bounds = np.array(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._sum = 0.0
        REGISTRY.register(self)

    def observe_many(self, values: NDArray[np.float64]) -> None:
        places = np.searchsorted(self._bounds, values)
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(values.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        labels = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(labels, np.cumsum(self._counts).tolist(), strict=True))
        yield HistogramMetricFamily(self._name, self._about, buckets=buckets, sum_value=self._sum)


EVENTS = Counter(
    "streamer_events_total",
    "Input records by what became of them: applied, duplicate or dead.",
    ["topic", "outcome"],
)
DEAD_LETTERS = Counter("streamer_dead_letters_total", "Records refused, by reason.", ["code"])
CHUNKS = Counter("streamer_chunks_total", "Chunks handled.", ["topic"])
CHUNK_RECORDS = Histogram(
    "streamer_chunk_records",
    "Records of a chunk.",
    ["topic"],
    buckets=(1, 3, 10, 30, 100, 300, 1000, 3000, 10_000),
)
PHASE_SECONDS = Histogram(
    "streamer_phase_seconds",
    "What a chunk spends in each step: read, items, kin, score, publish.",
    ["phase"],
    buckets=_LATENCY_BUCKETS[::3],
)
EVENT_TO_SCORE_SECONDS = BulkHistogram(
    "streamer_event_to_score_seconds",
    "From an event's arrival at the broker to the acknowledgement of the scores it changed.",
    _LATENCY_BUCKETS,
)
SCORES = Counter("streamer_scores_total", "Scores published.", ["stage"])
COLD_GAP = BulkHistogram(
    "streamer_cold_score_gap_probability",
    "How far P moves when an item is first acted upon: from its last published score as a cold one "
    "to the next one.",
    (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5),
)
RANK_UPDATES = Counter("streamer_rank_updates_total", "Messages published on launch-rank.")
TEXTS = Counter("streamer_texts_total", "Texts sent to the inference worker.", ["kind"])
ENCODINGS = Counter("streamer_encodings_total", "Encodings taken into the state.", ["kind"])
LAG_RECORDS = Gauge(
    "streamer_lag_records", "Records that wait to be finished.", ["topic", "partition"]
)
POSITION_OFFSET = Gauge(
    "streamer_position_offset",
    "The first offset of an assigned partition that is not finished.",
    ["topic", "partition"],
)
STALLS = Counter(
    "streamer_stalls_total",
    "Times that nothing moved though events waited, after which the process ends.",
)
REWINDS = Counter(
    "streamer_rewinds_total", "Times a partition was read again because Redis had lost writes."
)
RETRIES = Counter("streamer_redis_retries_total", "Calls of Redis that had to be repeated.")
SWEPT_ITEMS = Counter("streamer_swept_items_total", "Items scored again by the sweep.")
FORGOTTEN_ITEMS = Counter("streamer_forgotten_items_total", "Items whose state has expired.")
STREAM_TIME_SECONDS = Gauge("streamer_stream_time_seconds", "Stream time, seconds since the epoch.")
MODEL_INFO = Gauge("streamer_model_info", "1 for the bundle in use.", ["bundle"])
MODEL_SWAPS = Counter(
    "streamer_model_swaps_total",
    "Bundles that came into use while the process ran (taken), or could not (refused).",
    ["outcome"],
)
MODEL_REFUSED = Gauge(
    "streamer_model_refused", "1 for a bundle that is to be used and can't be.", ["bundle"]
)

SHADOW_SCORES = Counter(
    "streamer_shadow_scores_total", "Items that a candidate scored, unseen.", ["candidate"]
)
SHADOW_SECONDS = Counter(
    "streamer_shadow_seconds_total", "Time that a worker spends on a candidate's scores."
)
SHADOW_RANK_CORRELATION = Gauge(
    "streamer_shadow_rank_correlation",
    "Spearman's rho of the candidate's and the used bundle's latest scores of the same items.",
    ["candidate"],
)
SHADOW_DIFFERENCE = Gauge(
    "streamer_shadow_mean_absolute_difference",
    "Mean absolute difference of P between them.",
    ["candidate"],
)
SHADOW_OUTCOMES = Gauge(
    "streamer_shadow_outcomes",
    "Predictions beside a candidate of which it is known how the item fared, all workers'.",
    ["candidate", "stage"],
)
SHADOW_CALIBRATION_ERROR = Gauge(
    "streamer_shadow_calibration_error",
    "Expected calibration error of a bundle on these.",
    ["bundle", "stage"],
)
SHADOW_AUC = Gauge(
    "streamer_shadow_area_under_curve", "Area under the ROC curve on these.", ["bundle", "stage"]
)

ENCODED = Counter(
    "streamer_encoder_texts_total",
    "Texts by how they were answered: encoded, cached, joined (equal to one on its way), refused.",
    ["priority", "outcome"],
)
ENCODER_CACHE = Counter(
    "streamer_encoder_cache_texts_total",
    "Texts looked up before they are encoded, by cache (memory, redis) and what became of it (hit, "
    "miss, unreachable).",
    ["level", "outcome"],
)
ENCODER_QUEUE = Gauge("streamer_encoder_queue_texts", "Texts inside the inference worker.")
ENCODER_BATCH_TEXTS = Histogram(
    "streamer_encoder_batch_texts", "Texts of a batch.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
ENCODER_BATCH_SECONDS = Histogram(
    "streamer_encoder_batch_seconds", "Forward pass of a batch.", buckets=_LATENCY_BUCKETS[::3]
)
ENCODER_PREPARE_SECONDS = Counter(
    "streamer_encoder_prepare_seconds_total", "Time spent cleaning, looking up and tokenising."
)
ENCODER_TOKENS = Counter(
    "streamer_encoder_tokens_total", "Tokens the model computed, of texts and of padding.", ["of"]
)
ENCODER_SPLITS = Counter(
    "streamer_encoder_splits_total", "Batches that failed, were cut in two and tried again."
)
ENCODER_TEXT_SECONDS = Histogram(
    "streamer_encoder_text_seconds",
    "From a text's arrival in the worker to its vector.",
    ["priority"],
    buckets=_LATENCY_BUCKETS[::2],
)
