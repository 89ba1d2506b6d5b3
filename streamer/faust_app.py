"""What every Faust app of ours is, and how one runs until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import Any

import faust
import structlog
from yarl import URL

from streamer.broker import describe
from streamer.interrupt import leave_after
from streamer.settings import Settings
from streamer.topology import NEW_ITEMS, Topic
from streamer.transport import ChunkSchema, StartOffsets, from_committed, told

log = structlog.get_logger(__name__)

STOP_SECONDS = 6.0
GONE_SECONDS = 15.0
"""From when an app is to end until its process is ended, whatever stands still on the way: the
watchdog is stopped with the app."""
FETCH_BYTES = 2 * 1024 * 1024
"""Fetched of a partition at once, and kept until chunks of it are handed out."""
BATCH_BYTES = 256 * 1024
"""Written to a partition at once: the producer has one batch a partition on its way, so a chunk's
scores take as many round trips as they fill batches."""


class StreamerApp(faust.App):
    """A Faust app over the chunk transport.

    ``start_offsets`` decides where assigned partitions are read from; ``failure`` is the error that
    ended the app, if one did.
    """

    start_offsets: StartOffsets = staticmethod(from_committed)
    consumer: Any

    def __init__(self, name: str, settings: Settings, **options: Any) -> None:
        self.streamer_settings = settings
        self.failure: BaseException | None = None
        self.ending = asyncio.Event()
        super().__init__(
            name,
            broker=[URL(f"streamer://{host.strip()}") for host in settings.broker.split(",")],
            autodiscover=False,
            broker_commit_interval=settings.commit_interval_seconds,
            broker_heartbeat_interval=settings.session_timeout_seconds / 4,
            broker_max_poll_records=settings.chunk_max_records,
            broker_request_timeout=max(40.0, 2 * settings.session_timeout_seconds),
            broker_session_timeout=settings.session_timeout_seconds,
            consumer_max_fetch_size=FETCH_BYTES,
            # A topic that was not there when partitions were last assigned is found by then.
            consumer_metadata_max_age_ms=int(1000 * settings.idle_check_seconds),
            consumer_auto_offset_reset="earliest",
            producer_max_batch_size=BATCH_BYTES,
            datadir=Path(tempfile.gettempdir()) / "streamer-faust",
            stream_buffer_maxsize=64,
            stream_wait_empty=True,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            worker_redirect_stdouts=False,
            **options,
        )

    def chunks(self, topic: Topic) -> Any:
        """The topic as an agent's channel of chunks."""
        return self.topic(self.streamer_settings.topic(topic.name), schema=ChunkSchema())

    async def topic_ids(self, topics: set[str]) -> dict[str, str]:
        """The broker's id of each topic, which one made again does not share.

        Raises BrokerUnavailable.
        """
        found = await asyncio.to_thread(describe, self.streamer_settings.broker, topics)
        return {name: described.log for name, described in found.items()}

    def ready(self) -> bool:
        """Whether partitions were assigned and are being read."""
        return bool(self.started and not self.ending.is_set() and self.consumer.lanes)

    def end_on_signals(self) -> None:
        """From here on SIGINT and SIGTERM end the app in order."""
        loop = asyncio.get_running_loop()
        for which in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(which, self.ending.set)

    def fail(self, error: BaseException) -> None:
        """Ends the app with this error."""
        self.failure = self.failure or error
        self.ending.set()

    def _crash(self, reason: BaseException) -> None:
        super()._crash(reason)
        self.fail(told(reason))


async def run(app: StreamerApp) -> None:
    """Runs the app until it is told to end or fails. Raises what it failed with, and
    BrokerUnavailable where nobody answers to begin with. The process ends soon after, at the latest."""
    app.finalize()
    starting = asyncio.create_task(_start(app))
    ending = asyncio.create_task(app.ending.wait())
    await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done() and not app.ending.is_set():
        starting.result()
    await ending
    leave_after(GONE_SECONDS, lambda: app.failure)
    if app.failure:
        app.conf.stream_wait_empty = False
    stopping = asyncio.create_task(app.stop())
    await asyncio.wait({stopping}, timeout=STOP_SECONDS)
    starting.cancel()
    if app.failure:
        raise app.failure
    if not stopping.done():
        log.warning("did not stop in time; what was not committed will be read again")


async def _start(app: StreamerApp) -> None:
    await app.topic_ids({app.streamer_settings.topic(NEW_ITEMS.name)})
    await app.maybe_start()
