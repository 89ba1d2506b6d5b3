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
from streamer.settings import Settings
from streamer.topology import Topic
from streamer.transport import ChunkSchema, StartOffsets, from_committed

log = structlog.get_logger(__name__)

STOP_SECONDS = 8.0


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
            consumer_auto_offset_reset="earliest",
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

    def fail(self, error: BaseException) -> None:
        """Ends the app with this error."""
        self.failure = self.failure or error
        self.ending.set()

    def _crash(self, reason: BaseException) -> None:
        super()._crash(reason)
        self.fail(reason)

    def on_stalled(self, tp: Any, waiting: int, seconds: float) -> None:
        """Called before a stalled process is ended."""


async def run(app: StreamerApp) -> None:
    """Runs the app until SIGINT, SIGTERM or a failure. Raises what it failed with."""
    loop = asyncio.get_running_loop()
    for which in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(which, app.ending.set)
    app.finalize()
    await app.maybe_start()
    await app.ending.wait()
    if app.failure:
        app.conf.stream_wait_empty = False
    stopping = asyncio.create_task(app.stop())
    await asyncio.wait({stopping}, timeout=STOP_SECONDS)
    if app.failure:
        raise app.failure
    if not stopping.done():
        log.warning("did not stop in time; what was not committed will be read again")
