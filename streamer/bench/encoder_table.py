"""What the contestants are told to do, and what comes of it."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np

from streamer.bench.encoder_place import OURS, TRUTH, Place, Say
from streamer.bench.turns import TurnTaker
from streamer.errors import StreamerError
from streamer.report import Results


def measured(
    runners: dict[str, TurnTaker], repetitions: int, say: Say
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in runners}
    for _ in range(repetitions):
        for name, runner in runners.items():
            answer = runner.turn("run")
            found[name].append(answer)
            say(f"{name:<28} {answer['seconds']:>8.2f} s")
    return found


def compared(
    runners: dict[str, TurnTaker],
    found: dict[str, list[dict[str, Any]]],
    place: Place,
    results: Results,
    say: Say,
) -> None:
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


def _cosines(place: Place, name: str) -> tuple[float, float]:
    cosines = (place.vectors(name) * place.vectors(TRUTH)).sum(axis=1)
    return float(cosines.min()), float(cosines.mean())


def latency(ours: TurnTaker, results: Results, say: Say) -> None:
    answer = ours.turn("latency")
    for queue in ("empty", "full"):
        for name, quantile in (("p50", 50), ("p99", 99)):
            value = float(np.percentile(answer[queue], quantile))
            results.add(f"encoder.lone_text_{name}_ms.{queue}_queue", value, "ms")
            say(f"lone text, queue {queue:<6} {name} {value:>8.1f} ms")
    if not answer["full"]:
        raise StreamerError("no lone text was measured")
