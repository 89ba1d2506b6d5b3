"""The demo from start to end."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live

from streamer import interrupt
from streamer.broker import create_topics
from streamer.demo.check import counted, differences, items_of
from streamer.demo.scenarios import Scenario, source
from streamer.demo.show import Show
from streamer.embedded import Servers
from streamer.errors import CheckFailed, StreamerError
from streamer.replay.player import Pace, Player
from streamer.replay.record import Source
from streamer.report import Results
from streamer.scrape import Scraped, peak_memory_mb, scrape
from streamer.settings import Settings
from streamer.supervisor import Supervisor
from streamer.topology import NEW_ITEMS
from streamer.whole import start_all
from streamer.window import Window, open_window

READY_SECONDS = 120.0
DRAIN_SECONDS = 900.0
"""How long workers and encoder may still take after the last event was sent."""
QUIET_SECONDS = 3.0
"""Everything has arrived when nothing has waited for this long."""
REFRESH_SECONDS = 0.5
MAX_LEAD = 2000
RETENTION_DAYS = 400.0
"""Items of the catalogue that were launched a year before the first event are kept as well."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What was asked for; ``speed`` is event seconds a second, None as fast as possible."""

    scenario: Scenario
    speed: float | None
    days: int
    workers: int
    leave: bool
    console: Console = field(default_factory=lambda: Console(stderr=True))


def run(demo: Demo, settings: Settings, results: Results) -> None:
    """Runs the demo. With ``leave`` it ends after the last event, checks itself and fills in the
    results; otherwise it stays until interrupted.

    Raises CheckFailed if a number is not right, and StreamerError.
    """
    folder = Path(tempfile.mkdtemp(prefix="streamer-demo-"))
    data = source(demo.scenario, demo.days)
    demo.console.print(data.about, style="dim", highlight=False)
    with Servers(folder) as servers, Supervisor(folder) as supervisor:
        settings = settings.model_copy(
            update={
                "broker": servers.broker_address,
                "redis": servers.redis_url,
                "item_retention_days": RETENTION_DAYS,
            }
        )
        create_topics(settings)
        start_all(supervisor, settings, demo.workers, 1, [])
        with demo.console.status(f"starting; logs in {folder}") as status:
            supervisor.wait_until_ready(
                READY_SECONDS, lambda names: status.update(f"waiting for {', '.join(names)}")
            )
        demo.console.print(_elsewhere(settings), style="dim", highlight=False, soft_wrap=True)
        interrupt.run(_Running(demo, settings, supervisor, servers, data, results).go())


def _elsewhere(settings: Settings) -> str:
    """What lets the other commands see this demo."""
    return (
        "In another terminal, for streamer item, rank, explain, doctor and all the others:\n"
        f"  export STREAMER_BROKER={settings.broker} STREAMER_REDIS={settings.redis}"
    )


@dataclass
class _Running:
    demo: Demo
    settings: Settings
    supervisor: Supervisor
    servers: Servers
    data: Source
    results: Results

    async def go(self) -> None:
        address = f"http://{self.settings.web_host}:{self.settings.web_port}/"
        show = Show(self.data.total, address)
        async with open_window(self.settings) as window:
            with Live(show.render(), console=self.demo.console, auto_refresh=False) as live:
                watching = asyncio.create_task(self._watch(window, show, live))
                try:
                    await self._play(window, show)
                finally:
                    watching.cancel()
            if not self.demo.console.is_terminal:
                self.demo.console.line()

    async def _play(self, window: Window, show: Show) -> None:
        pace = Pace(self.demo.speed, MAX_LEAD, lambda: self._processed(window))
        player = Player(self.data, self.settings, pace, show.played)
        started = time.monotonic()
        sent = await player.play()
        seconds = time.monotonic() - started
        show.note = "the replay is over; waiting for the last texts to be encoded"
        scraped = await self._drained(sent.records, window)
        if not self.demo.leave:
            show.note = "the replay is over; Ctrl-C ends the demo"
            await asyncio.Event().wait()
        show.note = "checking"
        await self._report(window, sent.by_topic, scraped, seconds)

    async def _processed(self, window: Window) -> int:
        return sum(counts.total() for counts in (await window.tally()).values())

    async def _watch(self, window: Window, show: Show, live: Live) -> None:
        """Keeps the screen up to date, and the processes running."""
        while True:
            self.supervisor.watch()
            for name in await window.boards.names():
                decision = await window.board(name)
                if decision:
                    show.boards[name] = decision
            live.update(show.render(), refresh=True)
            await asyncio.sleep(REFRESH_SECONDS)

    async def _drained(self, sent: int, window: Window) -> Scraped:
        """Waits until every record is counted and nothing waits in any topic any more."""
        deadline = time.monotonic() + DRAIN_SECONDS
        quiet_since: float | None = None
        while True:
            scraped = await asyncio.to_thread(scrape, self._ports())
            waiting = max(0, sent - await self._processed(window)) + (scraped.lag or 0)
            quiet_since = None if waiting else quiet_since or time.monotonic()
            if quiet_since and time.monotonic() - quiet_since > QUIET_SECONDS:
                return scraped
            if time.monotonic() > deadline:
                raise StreamerError(
                    f"{waiting} records still wait after {DRAIN_SECONDS:.0f} s; "
                    f"see the logs in {self.supervisor.folder}"
                )
            await asyncio.sleep(REFRESH_SECONDS)

    def _ports(self) -> list[int]:
        return [process.port for process in self.supervisor.processes]

    async def _report(
        self, window: Window, by_topic: Counter[str], scraped: Scraped, seconds: float
    ) -> None:
        counts = await window.tally()
        outcome = sum(counts.values(), Counter())
        events_in = by_topic.total()
        accounted = outcome["applied"] + outcome["duplicate"] + outcome["dead"]
        add = self.results.add
        add("demo.events_in", events_in, "events")
        add("demo.events_applied", outcome["applied"], "events")
        add("demo.duplicates", outcome["duplicate"], "events")
        add("demo.dead_letters", outcome["dead"], "events")
        add("demo.items_in", by_topic[NEW_ITEMS.name], "events")
        add("demo.encodings", scraped.totals["streamer_encodings_total"], "messages")
        add("demo.scores_out", scraped.totals["streamer_scores_total"], "messages")
        add("demo.rank_updates_out", scraped.totals["streamer_rank_updates_total"], "messages")
        add("demo.seconds", seconds, "s")
        add("demo.events_per_second", events_in / seconds, "events/s")
        add("demo.latency_p50_ms", 1000 * scraped.latency_seconds(0.5), "ms")
        add("demo.latency_p99_ms", 1000 * scraped.latency_seconds(0.99), "ms")
        for name, pid in self._pids().items():
            add(f"demo.peak_memory_mb.{name}", peak_memory_mb(pid), "MiB")
        wrong = await self._wrong(window, events_in - accounted)
        if wrong:
            raise CheckFailed("; ".join(wrong))

    def _pids(self) -> dict[str, int]:
        ours = {process.name: process.child.pid for process in self.supervisor.processes}
        return {**ours, **self.servers.pids, "demo": os.getpid()}

    async def _wrong(self, window: Window, unaccounted: int) -> list[str]:
        """What is not as it must be, in words."""
        wrong = [f"{unaccounted} events are unaccounted for"] if unaccounted else []
        items, found = await differences(window, await asyncio.to_thread(counted, self.data))
        self.results.add("demo.items_compared", items, "items")
        self.results.add("demo.differences", len(found), "numbers")
        wrong += [f"{d.item_id} {d.name}: {d.found} instead of {d.expected}" for d in found[:3]]
        incomplete = await window.incomplete(sorted(items_of(self.data)))
        wrong += [f"{len(incomplete)} items lack an encoding or a score"] if incomplete else []
        boards = {name: await window.board(name) for name in await window.boards.names()}
        shown = [name for name, decision in boards.items() if decision and decision.lines]
        self.results.add("demo.boards", len(shown), "boards")
        return wrong if shown else [*wrong, "every board is empty"]
