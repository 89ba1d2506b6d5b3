"""An evaluation as pictures and a page."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np

from streamer.errors import DependencyMissing
from streamer.learning.evaluate import Evaluation
from streamer.learning.metrics import CALIBRATION_BINS
from streamer.learning.train import age_key
from streamer.registry.bundles import CURVE

AUC, RELIABILITY, PAGE = "auc_by_age.png", "reliability.png", "index.html"


def age_name(age: float) -> str:
    key = age_key(age)
    return "first sight" if age < 0 else f"{key[:-1]} {key[-1]}"


def draw(found: Evaluation, folder: Path, curve: bytes = b"") -> None:
    """AUC by age, reliability diagrams, and a page with both, and with the bundle's learning
    ``curve`` (PNG) where it has one. Raises DependencyMissing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise DependencyMissing("matplotlib (for the pictures)", "learning") from None
    folder.mkdir(parents=True, exist_ok=True)
    ages = list(found.rows[0].areas)
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for row in found.rows:
        of = [row.auc(age) for age in ages]
        style = "-" if row.ece else "--"
        axes.plot(range(len(ages)), [i.value for i in of], style, marker="o", label=row.name)
        axes.fill_between(
            range(len(ages)), [i.least for i in of], [i.greatest for i in of], alpha=0.12
        )
    axes.set_xticks(range(len(ages)), [age_name(age) for age in ages])
    axes.set_xlabel("age of the launch")
    axes.set_ylabel("AUC")
    axes.grid(True, alpha=0.3)
    axes.legend(fontsize=7)
    figure.savefig(folder / AUC, dpi=110)
    _reliability(found, ages, Figure(figsize=(12, 3), layout="constrained")).savefig(
        folder / RELIABILITY, dpi=110
    )
    if curve:
        (folder / CURVE).write_bytes(curve)
    (folder / PAGE).write_text(_page(found, ages, learnt=bool(curve)))


def _reliability(found: Evaluation, ages: list[float], figure):  # type: ignore[no-untyped-def]
    (row,) = figure.subplots(1, len(ages), sharey=True, squeeze=False)
    for age, axes in zip(ages, row, strict=True):
        mine = found.test.age == age
        probability, label = found.probability[mine], found.test.label[mine]
        bins = np.array_split(np.argsort(probability, kind="stable"), CALIBRATION_BINS)
        said, was = [probability[b].mean() for b in bins], [label[b].mean() for b in bins]
        axes.plot([0, 1], [0, 1], color="grey", lw=0.7)
        axes.plot(said, was, marker="o", ms=3)
        axes.set_title(f"{age_name(age)}, ECE {found.rows[0].ece[age]:.3f}", fontsize=8)
        axes.set_xlabel("said", fontsize=8)
    return figure


def _page(found: Evaluation, ages: list[float], *, learnt: bool) -> str:
    head = "".join(f"<th>{age_name(age)}</th>" for age in ages)
    body = "".join(
        f"<tr><td>{escape(row.name)}</td>"
        + "".join(
            f"<td>{i.value:.3f} <small>{i.least:.3f}–{i.greatest:.3f}</small></td>"
            for i in map(row.auc, ages)
        )
        + "</tr>"
        for row in found.rows
    )
    return (
        "<!doctype html><meta charset=utf-8><title>Evaluation</title>"
        "<style>body{font:14px sans-serif;margin:2em}td,th{padding:.2em .7em;text-align:left}"
        "img{max-width:100%}</style>"
        f"<h1>{escape(found.bundle)}</h1>"
        f"<p>AUC on {found.items:,} launches, {found.examples:,} moments; 95 % bootstrap "
        f"intervals over launches.</p><table><tr><th></th>{head}</tr>{body}</table>"
        f'<p><img src="{AUC}" alt="AUC by age"></p>'
        f'<p><img src="{RELIABILITY}" alt="Reliability by age"></p>'
        + (f'<p><img src="{CURVE}" alt="AUC and loss by epoch"></p>' if learnt else "")
    )
