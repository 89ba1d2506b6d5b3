"""streamer evaluate --task recommend"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from streamer.learning.metrics import Interval
    from streamer.learning.recommend import Measured
    from streamer.learning.steps import Steps
    from streamer.learning.study import Study
    from streamer.registry import Bundle
    from streamer.report import Results
    from streamer.settings import Settings


def evaluate(
    settings: Settings,
    study: Study,
    bundle: Bundle,
    remembered: int,
    resamples: int,
    steps: Steps,
    results: Results,
) -> None:
    """Prints and reports how well new items are recommended."""
    from streamer.learning.recommend import evaluate as run

    results.parameters["remembered"] = remembered
    found = run(settings, study, bundle, remembered, resamples, steps)
    _tabulate(found)
    _report(found, results)


def _tabulate(found: Measured) -> None:
    title = (
        f"{found.lists:,} lists of new items for {found.users:,} users who bought some "
        "(95 % bootstrap intervals over users)"
    )
    columns = ("recall@20", "behind by", "NDCG@10", "coverage", "Gini of exposure")
    table = Table("", *columns, title=title)
    for place, row in enumerate(found.rows):
        behind = _told(row.behind) if place else ""
        figures = (f"{row.coverage:.3f}", f"{row.gini:.3f}")
        table.add_row(row.name, _told(row.recall_at_20), behind, _told(row.ndcg_at_10), *figures)
    Console(width=150).print(table)
    typer.echo(
        f"coverage and Gini of {found.made:,} lists, {found.offered:,} items on offer in all; "
        f"{found.expected:.2f} purchases expected for each made"
    )


def _told(of: Interval) -> str:
    return f"{of.value:.4f} ({of.least:.3f} to {of.greatest:.3f})"


def _report(found: Measured, results: Results) -> None:
    own, *others = found.rows
    for name in ("recall_at_20", "ndcg_at_10", "coverage", "gini"):
        _add(results, f"recommend.{name}", getattr(own, name))
        for row in others:
            value, other = (_value(getattr(of, name)) for of in (own, row))
            results.add(f"recommend.{name}", value, "1", peer=row.name, peer_value=other)
    for row in others:
        _add(results, f"recommend.recall_at_20.ahead_of.{row.name}", row.behind)
    for name in ("expected", "lists", "users", "made", "offered"):
        results.add(f"recommend.{name}", getattr(found, name), "1")


def _add(results: Results, name: str, of: Interval | float) -> None:
    results.add(name, _value(of), "1")
    if isinstance(of, tuple):
        results.add(f"{name}.least", of.least, "1")
        results.add(f"{name}.greatest", of.greatest, "1")


def _value(of: Interval | float) -> float:
    return of.value if isinstance(of, tuple) else of
